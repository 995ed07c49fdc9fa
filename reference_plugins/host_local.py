"""Hand out addresses from ranges, keeping track of them on this node.

Works on the same directory as the Go plugin of this name, also side by side with it.
"""

from __future__ import annotations

import cnisdk
from cnisdk import errors, on


_DATA_DIR = "/var/lib/cni/networks"
_Requested = cnisdk.IpAddress | cnisdk.IpInterface


class NoFreeAddress(errors.TryAgainLater):
    """All addresses of a range set are taken; the runtime may retry when containers have gone (11)."""


class AddressInUse(errors.TryAgainLater):
    """A requested address is held by somebody else; it may be free later (11)."""


class DuplicateAllocation(errors.CniError, code=110):
    """A second ADD of an attachment without a DEL in between."""


@cnisdk.config
class HostLocalConf(cnisdk.IpamConf):
    """The ``ipam`` section of host-local."""

    ranges: tuple[tuple[cnisdk.IpRange, ...], ...] = ()
    """Range sets; every attachment gets one address of each."""
    subnet: cnisdk.IpInterface | None = None
    """Subnet of a single range, the old form of ``ranges``."""
    range_start: cnisdk.IpAddress | None = None
    """First address of the single range."""
    range_end: cnisdk.IpAddress | None = None
    """Last address of the single range."""
    gateway: cnisdk.IpAddress | None = None
    """Gateway of the single range."""
    routes: tuple[cnisdk.Route, ...] = ()
    """Routes for the result, as they are."""
    data_dir: str = _DATA_DIR
    """Directory of the reservations of all networks."""
    resolv_conf: str = ""
    """File in resolv.conf(5) format whose settings become the result's DNS."""
    ip_ranges: tuple[tuple[cnisdk.IpRange, ...], ...] = cnisdk.capability(
        "ipRanges", default=(), description="Range sets of the runtime; they come first."
    )
    requested_ip: tuple[_Requested, ...] = cnisdk.arg(
        "IP", default=(), description="Addresses to hand out; a prefix length is ignored."
    )
    requested_ips: tuple[_Requested, ...] = cnisdk.arg(
        "ips", default=(), description="Addresses to hand out, one of a range set; replaces IP."
    )
    runtime_ips: tuple[_Requested, ...] = cnisdk.capability(
        "ips", default=(), description="Further addresses to hand out."
    )

    @property
    def has_ranges(self) -> bool:
        """Whether there is any range."""
        return bool(self.ip_ranges or self.ranges or self.subnet)

    def sets(self, cni_version: str) -> tuple[cnisdk.RangeSet, ...]:
        """The range sets in the order their addresses appear in the result."""
        sources = [(f"runtimeConfig.ipRanges[{i}]", each) for i, each in enumerate(self.ip_ranges)]
        if self.subnet is not None:
            legacy = cnisdk.IpRange(
                subnet=self.subnet,
                range_start=self.range_start,
                range_end=self.range_end,
                gateway=self.gateway,
            )
            sources.append(("ipam", (legacy,)))
        sources += [(f"ipam.ranges[{i}]", each) for i, each in enumerate(self.ranges)]
        return cnisdk.range_sets(sources, cni_version)

    def requested(self) -> dict[cnisdk.IpAddress, str]:
        """Addresses asked for, and by which input; CNI_ARGS gives way to args.cni (CONVENTIONS.md)."""
        sources = {
            "CNI_ARGS IP": () if self.requested_ips else self.requested_ip,
            "args.cni.ips": self.requested_ips,
            "runtimeConfig.ips": self.runtime_ips,
        }
        wanted: dict[cnisdk.IpAddress, str] = {}
        for source, given in sources.items():
            for each in given:
                wanted.setdefault(getattr(each, "ip", each), source)
        return wanted


class HostLocal(cnisdk.IpamPlugin[HostLocalConf]):
    """Hand out addresses from ranges, keeping track of them on this node."""

    @on.add
    def allocate(self, op: cnisdk.Add[HostLocalConf]) -> cnisdk.Result:
        """Reserve one address of each range set: all, or none."""
        cfg = op.config
        sets = cfg.sets(op.network.cni_version)
        requested = cnisdk.assign_requested(cfg.requested(), sets)
        dns = cnisdk.Dns()
        if cfg.resolv_conf:
            dns = cnisdk.Dns.from_resolv_conf(cfg.resolv_conf, key="ipam.resolvConf")
        store = _store(op)
        with store.locked(op.deadline, f"ADD {op.attachment}") as pool:
            held = pool.held_by(op.attachment)
            if not held.from_earlier_boot:
                _refuse_duplicate(op.attachment, held, sets)
            chosen: list[cnisdk.IpAddress] = []
            for index, each in enumerate(sets):
                wanted = requested.get(index)
                if wanted is None:
                    # Held since before a reboot, which the container did not survive: the same again.
                    wanted = next((ip for ip in held.addresses if each.offers(ip)), None)
                elif wanted not in held.addresses and not pool.is_free(wanted):
                    raise AddressInUse(
                        f"failed to allocate for range {index}: requested IP address {wanted} is not "
                        f"available in range set {each}",
                        details=f"it is held by {pool.holder(wanted)}",
                    )
                address = wanted or pool.pick(index, each)
                if address is None:
                    raise _exhausted(store, each, index)
                chosen.append(address)
            new = [address for address in chosen if address not in held.addresses]
            # Queued first, so that nothing can come between reserving and queueing.
            op.on_rollback(store.release, op.attachment, op.deadline, only=new)
            pool.reserve(op.attachment, new)
            if held.addresses and held.from_earlier_boot:
                pool.release(op.attachment, only=set(held.addresses) - set(chosen))
                pool.renew(op.attachment, chosen)
            for index, address in enumerate(chosen):
                pool.set_last_reserved(index, address)
        ips = tuple(each.ip(address) for address, each in zip(chosen, sets, strict=True))
        return cnisdk.Result(ips=ips, routes=cfg.routes, dns=dns)

    @on.delete
    def release(self, op: cnisdk.Del[HostLocalConf]) -> None:
        """Release what the attachment holds, whatever the configuration says by now."""
        hints = op.prev_result.addresses if op.prev_result else ()
        _store(op).release(op.attachment, op.deadline, hints=hints)

    @on.check
    def verify(self, op: cnisdk.Check[HostLocalConf]) -> None:
        """Compare the addresses of prevResult with the reservations; changes nothing on disk."""
        sets = op.config.sets(op.network.cni_version)
        _store(op).expect(op.attachment, op.prev_result.addresses, sets)

    @on.gc
    def sweep(self, op: cnisdk.Gc[HostLocalConf]) -> None:
        """Release what no valid attachment holds, and what a crash left."""
        released = _store(op).retain(op.valid_attachments, op.deadline)
        if released:
            op.log.info("released", addresses=[str(address) for address in released])

    @on.status
    def ready(self, op: cnisdk.Status[HostLocalConf]) -> None:
        """Answer 50 when an ADD could not be given an address."""
        store = _store(op)
        # Without ranges of its own it has those of the capability ipRanges, which come with each ADD.
        sets = op.config.sets(op.network.cni_version) if op.config.has_ranges else ()
        with op.prerequisite(only=errors.IoFailure):
            store.check_usable()
            taken = store.taken()
            if op.config.resolv_conf:
                cnisdk.Dns.from_resolv_conf(op.config.resolv_conf, key="ipam.resolvConf")
        for each in sets:
            if each.is_full(taken):
                raise errors.PluginNotAvailable(
                    f"no IP addresses available in range set: {each}",
                    details=_all_taken(store, each),
                )


def _store(op: cnisdk.Operation[HostLocalConf]) -> cnisdk.Reservations:
    return cnisdk.Reservations(op.config.data_dir or _DATA_DIR, op.network.name, log=op.log)


def _refuse_duplicate(
    attachment: cnisdk.Attachment, held: cnisdk.Held, sets: tuple[cnisdk.RangeSet, ...]
) -> None:
    for address in held.addresses:
        index = next((index for index, each in enumerate(sets) if address in each), None)
        if index is not None:
            raise DuplicateAllocation(
                f"failed to allocate for range {index}: {address} has been allocated to "
                f"{attachment.container_id}, duplicate allocation is not allowed",
                details=f"interface {attachment.ifname} on network {attachment.network}; the runtime "
                "must send DEL before another ADD",
            )


def _exhausted(store: cnisdk.Reservations, of: cnisdk.RangeSet, index: int) -> NoFreeAddress:
    return NoFreeAddress(
        f"failed to allocate for range {index}: no IP addresses available in range set: {of}",
        details=f"{_all_taken(store, of)}; retry when containers have gone, enlarge the range, or run "
        "GC if containers vanished without DEL",
    )


def _all_taken(store: cnisdk.Reservations, of: cnisdk.RangeSet) -> str:
    stale = store.from_earlier_boots()
    hint = f"; {stale} are from before the last reboot, and GC would free them" if stale else ""
    return f"{of.size} of {of.size} addresses of network {store.network} are taken{hint}"
