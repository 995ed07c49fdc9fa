"""A network namespace as plugins see it: verbs that undo themselves, remove by owner, or compare."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net._configure import configure
from cnisdk._net._protocol import Kernel, PeerSpec
from cnisdk._net._types import Link, Veth
from cnisdk._net._verify import expect_address, expect_result
from cnisdk._result import Interface


if TYPE_CHECKING:
    from cnisdk._names import Attachment
    from cnisdk._net._firewall import Firewall
    from cnisdk._result import IpInterface, Result
    from cnisdk._rollback import Rollback

_NAME_TRIES = 8
_PORT_SECONDS = 10.0
_FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}


class Namespace:
    """The host's or a container's network namespace.

    ``add_*`` verbs fail when the object exists, carry the attachment's owner tag, and are undone when ADD
    fails. ``ensure_*`` verbs make what containers share, and are never undone. ``remove_*`` verbs succeed
    when there is nothing. ``expect_*`` verbs raise an error that names what is missing or altered.
    """

    def __init__(
        self,
        kernel: Kernel,
        firewall: Callable[[], Firewall],
        *,
        path: str = "",
        owner: Attachment | None = None,
        rollback: Rollback | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        """Wrap a kernel's namespace.

        Args:
            kernel: Links, addresses, routes, sysctls.
            firewall: Opens the packet filter when it is first needed.
            path: CNI_NETNS; "" for the host.
            owner: The attachment what is made here belongs to.
            rollback: Receives the undo steps.
            deadline: Bounds every wait.
        """
        self.path = path
        """CNI_NETNS as given; "" for the host. What a result's ``sandbox`` holds."""
        self.kernel = kernel
        """The primitives; for what the verbs do not cover."""
        self._open_firewall = firewall
        self._firewall: Firewall | None = None
        self._owner = owner
        self._rollback = rollback
        self._deadline = deadline or Deadline.never()

    def __str__(self) -> str:
        return self.path or "the host"

    # ---- links ----------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        """The link of this name; None when there is none."""
        with self._named(f'interface "{name}"'):
            return self.kernel.link(name)

    def interface(self, name: str) -> Interface:
        """A link as a result shows it.

        Raises:
            errors.CniError: there is no such link.
        """
        return self._shown(self.expect_link(name))

    def ensure_bridge(self, name: str, *, mtu: int = 0, promisc: bool | None = None) -> Interface:
        """Make a bridge unless it is there, set it up.

        Args:
            name: The bridge's name.
            mtu: In bytes; 0 for the kernel's default, or the existing bridge's own.
            promisc: Set the bridge promiscuous; None to leave it.

        Raises:
            errors.InvalidConfig: the name is another device's (code 7).
        """
        with self._named(f'bridge "{name}"'):
            bridge = self.kernel.link(name) or self._new_bridge(name, mtu)
            if bridge.kind != "bridge":
                raise errors.InvalidConfig(
                    f'"{name}" already exists but is not a bridge '
                    f"({bridge.kind or 'a plain device'})",
                    details="remove or rename it, or configure another bridge name",
                )
            wanted_mtu = mtu if mtu and mtu != bridge.mtu else 0
            wanted_promisc = promisc if promisc and not bridge.promiscuity else None
            if not bridge.up or wanted_mtu or wanted_promisc:
                # CVE-2020-10749: no router advertisements from containers.
                self.set_sysctl(f"ipv6/conf/{name}/accept_ra", "0", required=False)
                self.kernel.change_link(
                    bridge.index, up=True, mtu=wanted_mtu, promisc=wanted_promisc
                )
                return self.interface(name)
        return self._shown(bridge)

    def _new_bridge(self, name: str, mtu: int) -> Link:
        try:
            # A MAC of its own: otherwise it changes with the lowest of its ports (cni#285).
            return self.kernel.add_link(name, "bridge", mac=_random_mac(), mtu=mtu)
        except FileExistsError:
            return self.expect_link(name)  # another container's ADD was faster

    def add_veth(
        self,
        *,
        peer: str,
        into: Namespace,
        mac: str | None = None,
        mtu: int = 0,
        master: str | None = None,
        hairpin: bool = False,
        isolated: bool = False,
    ) -> Veth:
        """Make a veth pair: one end here, the other in a container.

        Args:
            peer: Name of the container's end.
            into: The container's namespace.
            mac: Hardware address of the container's end; None for a random one.
            mtu: Of both ends, in bytes; 0 for the kernel's default.
            master: Bridge the end here becomes a port of.
            hairpin: Bridge port flag: frames may go back out where they came in.
            isolated: Bridge port flag: no traffic with other isolated ports.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
        """
        self._refuse_taken(peer, into)
        mac = normal_mac(mac) if mac else _random_mac()
        with self._named(f'veth for "{peer}" in {into}'):
            master_index = self.expect_link(master).index if master else None
            spec = PeerSpec(kernel=into.kernel, name=peer, mac=mac)
            host = self._add_host_end(spec, into, mtu, master_index)
            if self._rollback is not None:
                self._rollback.add(self.remove_link, host.name)
            self.set_sysctl(f"ipv6/conf/{host.name}/accept_ra", "0", required=False)
            port_flags = {"hairpin": hairpin or None, "isolated": isolated or None}
            self.kernel.change_link(host.index, up=True, **port_flags)
        container = into.expect_link(peer)
        return Veth(self._shown(host), Interface(peer, mac, container.mtu, into.path))

    def _refuse_taken(self, name: str, space: Namespace) -> None:
        taken = space.link(name)
        if taken is not None:
            raise errors.InvalidEnvironment(
                f'CNI_IFNAME: interface "{name}" already exists in {space}',
                details=f"it is a {taken.kind or 'plain'} device with MAC {taken.mac}; a DEL of the "
                "earlier attachment removes it",
            )

    def _add_host_end(self, peer: PeerSpec, into: Namespace, mtu: int, master: int | None) -> Link:
        alias = self._owner.owner_tag if self._owner is not None else ""
        for name in self._veth_names():
            try:
                return self.kernel.add_link(
                    name,
                    "veth",
                    mac=_random_mac(),
                    mtu=mtu,
                    alias=alias,
                    master=master,
                    peer=peer,
                )
            except FileExistsError:
                self._refuse_taken(peer.name, into)
                taken = self.kernel.link(name)
                if taken is not None and self._owner is not None and self._owner.owns(taken.alias):
                    # Left by a crash of an earlier ADD: the container's end is elsewhere or gone.
                    self.kernel.remove_link(taken.index)
        raise errors.TryAgainLater(f"no free name for a veth on {self}")

    def _veth_names(self) -> list[str]:
        """The names this attachment's host end may have; the first one nearly always is it."""
        if self._owner is None:
            return [f"veth{os.urandom(4).hex()}" for _ in range(_NAME_TRIES)]
        return veth_names(self._owner)

    def set_up(self, name: str) -> None:
        """Set a link up."""
        self._change(name, up=True)

    def set_down(self, name: str) -> None:
        """Set a link down."""
        self._change(name, up=False)

    def set_mac(self, name: str, mac: str) -> None:
        """Change a link's hardware address."""
        self._change(name, mac=normal_mac(mac))

    def set_alias(self, name: str, alias: str) -> None:
        """Change a link's alias."""
        self._change(name, alias=alias)

    def _change(
        self, name: str, *, up: bool | None = None, mac: str = "", alias: str | None = None
    ) -> None:
        with self._named(f'interface "{name}"'):
            self.kernel.change_link(self.expect_link(name).index, up=up, mac=mac, alias=alias)

    def remove_link(self, name: str, *, kind: str = "") -> bool:
        """Remove a link, if it is there.

        Args:
            name: The link.
            kind: Leave a link of another kind alone; "" for any.

        Returns:
            Whether there was one.
        """
        with self._named(f'interface "{name}"'):
            link = self.kernel.link(name)
            if link is None or (kind and link.kind != kind):
                return False
            return self._remove(link)

    def _remove(self, link: Link) -> bool:
        try:
            self.kernel.remove_link(link.index)
        except OSError as failure:
            if failure.errno in {errno.ENODEV, errno.ENXIO}:
                return False  # gone meanwhile, for example with the container
            raise
        return True

    def remove_owned(self, attachment: Attachment) -> None:
        """Remove whatever an attachment has here: host ends of veths, masquerading, spoof checks."""

        def remove_links() -> None:
            with self._named(f"links of {attachment}"):
                for name in veth_names(attachment)[:2]:
                    link = self.kernel.link(name)
                    if link is not None and attachment.owns(link.alias):
                        self._remove(link)

        self._all(
            remove_links,
            lambda: self.firewall.remove_masquerade(attachment),
            lambda: self.firewall.remove_spoof_check(attachment),
        )

    def retain_owned(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove whatever a network's attachments have here, but for the valid ones (GC)."""
        from cnisdk._names import short_hash

        prefix = f"{short_hash(network)}-"

        def remove_links() -> None:
            with self._named(f"links of network {network}"):
                for link in self.kernel.links():
                    tag = link.alias
                    if tag.startswith(prefix) and not any(each.owns(tag) for each in valid):
                        self._remove(link)

        self._all(
            remove_links,
            lambda: self.firewall.retain_masquerade(network, valid),
            lambda: self.firewall.retain_spoof_checks(network, valid),
        )

    def wait_port_up(self, name: str) -> None:
        """Wait until a bridge port can forward.

        Raises:
            errors.TryAgainLater: it does not come up in time (code 11).
        """
        with (
            self._named(f'interface "{name}"'),
            self._deadline.step(f"waiting for {name} to come up"),
        ):
            budget = Deadline(min(self._deadline.remaining(), _PORT_SECONDS))
            link = self.kernel.wait_link(name, _can_forward, budget)
        if link is None or not _can_forward(link):
            state = "gone" if link is None else link.operstate
            raise errors.TryAgainLater(f"bridge port {name} does not come up: it is {state}")

    # ---- addresses, routes, sysctls -------------------------------------------------------------

    def addresses(self, name: str) -> list[IpInterface]:
        """The addresses of a link, with prefix length."""
        with self._named(f'addresses of "{name}"'):
            found = self.kernel.addresses(self.expect_link(name).index)
        return [each.interface for each in found]

    def ensure_address(self, name: str, address: IpInterface, *, replace: bool = False) -> None:
        """Give a shared link a gateway address.

        Args:
            name: The link, for example the bridge.
            address: Address with prefix length.
            replace: Take away another IPv4 address, or an overlapping IPv6 one, instead of failing.

        Raises:
            errors.InvalidConfig: it has such an address and ``replace`` is not set (code 7).
        """
        with self._named(f'address {address} on "{name}"'):
            index = self.expect_link(name).index
            present = [each.interface for each in self.kernel.addresses(index)]
            if address in present:
                return
            for other in present:
                if other.version != address.version or other.is_link_local:
                    continue
                if address.version == 6 and not other.network.overlaps(address.network):
                    continue
                if not replace:
                    raise errors.InvalidConfig(
                        f'"{name}" already has an IP address different from {address}: {other}',
                        details="set forceAddress to replace it, use another bridge, or remove it: "
                        f"ip address del {other} dev {name}",
                    )
                self.kernel.remove_address(index, other)
            try:
                self.kernel.add_address(index, address)
            except FileExistsError:
                return  # another container's ADD was faster

    def configure(self, name: str, result: Result, *, dad: bool = False, up: bool = True) -> None:
        """Give a container's interface the addresses and routes of a result, and set it up.

        Args:
            name: The interface.
            result: Its addresses for this interface and its routes are applied: gw, mtu, advmss,
                priority, table and scope included.
            dad: Run IPv6 duplicate address detection and wait for it.
            up: Set the interface up.

        Raises:
            errors.CniError: names the address or route the kernel refused.
        """
        with self._named(f'configuration of "{name}" in {self}'):
            link = self.expect_link(name)
            configure(self, link, result, dad=dad, up=up, deadline=self._deadline)

    def enable_forwarding(self, version: int) -> None:
        """Let the kernel forward IPv4 or IPv6 packets; no write when it does already."""
        self.set_sysctl(_FORWARDING[version], "1")

    def sysctl(self, name: str) -> str | None:
        """A value below /proc/sys/net; None when the kernel has no such setting.

        Args:
            name: For example ``ipv4/conf/eth0/arp_notify``, or with dots and without ``net.``.
        """
        with self._named(f"sysctl {name}"):
            return self.kernel.sysctl(_sysctl_path(name))

    def set_sysctl(self, name: str, value: str, *, required: bool = True) -> None:
        """Write a value below /proc/sys/net, unless it is that already.

        Args:
            name: As for `sysctl`.
            value: The text to write.
            required: Fail when it cannot be written; otherwise a missing or read-only setting is fine.
        """
        path = _sysctl_path(name)
        with self._named(f"sysctl net/{path}"):
            try:
                if self.kernel.sysctl(path) != value:
                    self.kernel.set_sysctl(path, value)
            except OSError:
                if required:
                    raise

    # ---- packet filter --------------------------------------------------------------------------

    @property
    def firewall(self) -> Firewall:
        """Masquerading and spoof checks of this namespace."""
        if self._firewall is None:
            self._firewall = self._open_firewall()
        return self._firewall

    def add_masquerade(
        self,
        attachment: Attachment,
        addresses: Sequence[IpInterface],
        *,
        backend: str | None = None,
    ) -> None:
        """Masquerade what leaves the addresses' subnets.

        Args:
            attachment: The owner.
            addresses: The container's addresses with prefix length.
            backend: nftables, iptables, or None for nftables where it is usable.
        """
        if self._rollback is not None:
            self._rollback.add(self.firewall.remove_masquerade, attachment)
        self.firewall.add_masquerade(attachment, addresses, backend=backend)

    def expect_masquerade(
        self,
        attachment: Attachment,
        addresses: Sequence[IpInterface],
        *,
        backend: str | None = None,
    ) -> None:
        """Raise an error naming the masquerading rule that is missing or altered."""
        self.firewall.expect_masquerade(attachment, addresses, backend=backend)

    def add_spoof_check(self, attachment: Attachment, name: str, mac: str) -> None:
        """Drop frames from a container with another source than its own hardware address."""
        if self._rollback is not None:
            self._rollback.add(self.firewall.remove_spoof_check, attachment)
        self.firewall.add_spoof_check(attachment, name, mac)

    def expect_spoof_check(self, attachment: Attachment, name: str, mac: str) -> None:
        """Raise an error naming the spoof check rule that is missing or altered."""
        self.firewall.expect_spoof_check(attachment, name, mac)

    def firewall_problem(self, backend: str | None = None) -> str:
        """Why rules cannot be made here; "" when they can."""
        return self.firewall.usable(backend)

    # ---- comparing ------------------------------------------------------------------------------

    def expect_link(
        self,
        name: str,
        *,
        kind: str | None = None,
        mac: str | None = None,
        mtu: int | None = None,
        up: bool | None = None,
    ) -> Link:
        """The link of this name, as it should be.

        Args:
            name: The link.
            kind: Its kind.
            mac: Its hardware address.
            mtu: Its MTU in bytes.
            up: Its administrative state.

        Raises:
            errors.CniError: names the link and both values.
        """
        link = self.link(name)
        if link is None:
            raise errors.CniError(f'interface "{name}" not found in {self}')
        wanted: tuple[tuple[str, object, object], ...] = (
            ("kind", kind, link.kind),
            ("MAC", mac.lower() if mac else None, link.mac),
            ("MTU", mtu, link.mtu),
            ("up", up, link.up),
        )
        for what, value, found in wanted:
            if value is not None and value != found:
                raise errors.CniError(
                    f'interface "{name}" in {self}: {what} is {found}, not {value}'
                )
        return link

    def expect_peer(self, link: Link, *, master: str) -> Link:
        """The end here of a veth whose other end is ``link``, a port of the bridge ``master``.

        Raises:
            errors.CniError: there is none, or it is no port of that bridge.
        """
        with self._named(f'host end of "{link.name}"'):
            host = self.kernel.link_by_index(link.peer_index) if link.peer_index else None
        if host is None or host.kind != "veth":
            raise errors.CniError(f'the host end of the veth "{link.name}" was not found on {self}')
        if host.master != self.expect_link(master).index:
            raise errors.CniError(f'"{host.name}" is not a port of the bridge "{master}"')
        if not host.up:
            raise errors.CniError(f'bridge port "{host.name}" is down')
        return host

    def expect_address(self, name: str, address: IpInterface) -> None:
        """Raise an error when a link has not this address with this prefix length."""
        expect_address(self, self.expect_link(name), address)

    def expect_forwarding(self, version: int) -> None:
        """Raise an error when the kernel does not forward IPv4 or IPv6 packets."""
        if self.sysctl(_FORWARDING[version]) != "1":
            raise errors.CniError(f"IPv{version} forwarding is off on {self}")

    def expect(self, result: Result, name: str, *, up: bool = True) -> None:
        """Compare an interface with what a result says of it: CHECK.

        Interface state, MAC, MTU, addresses, and routes with gateway, table, metric, scope, mtu and
        advmss. What a later chained plugin added, or moved to another table, is tolerated.

        Raises:
            errors.CniError: names the object that is missing or altered.
        """
        with self._named(f'state of "{name}" in {self}'):
            expect_result(self, result, name, up=up)

    # ---- errors ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the namespace."""
        self.kernel.close()

    @contextmanager
    def _named(self, what: str) -> Generator[None]:
        """Turn the kernel's error into one that names the object."""
        try:
            yield
        except TimeoutError as failure:
            raise errors.TryAgainLater(f"{what}: the kernel did not answer") from failure
        except OSError as failure:
            text = failure.strerror or str(failure)
            name = errno.errorcode.get(failure.errno or 0, "")
            hint = "; the plugin needs CAP_NET_ADMIN" if failure.errno == errno.EPERM else ""
            raise errors.CniError(f"{what}: {text}", details=f"{name}{hint}") from failure

    @staticmethod
    def _all(*steps: Callable[[], object]) -> None:
        """Run every step, then raise the first error."""
        first: Exception | None = None
        for step in steps:
            try:
                step()
            except Exception as failure:  # noqa: BLE001  # the other steps must still run
                if first is None:
                    first = failure
                else:
                    first.add_note(str(failure))
        if first is not None:
            raise first

    def _shown(self, link: Link) -> Interface:
        return Interface(link.name, link.mac, link.mtu, self.path)


def veth_names(attachment: Attachment) -> list[str]:
    """Names for an attachment's host end, by hash so that DEL finds it without asking anybody."""
    from cnisdk._names import short_hash

    return [
        f"veth{short_hash(f'{attachment.key}-{attempt}')[:8]}" for attempt in range(_NAME_TRIES)
    ]


def normal_mac(mac: str) -> str:
    """A hardware address in colon form.

    Raises:
        errors.InvalidConfig: not six bytes in hexadecimal (code 7).
    """
    digits = mac.replace(":", "").replace("-", "").replace(".", "").lower()
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) != 6 or raw[0] & 1:
        raise errors.InvalidConfig(
            f'invalid hardware address "{mac}"',
            details="expected six bytes such as 02:00:00:00:00:01, not a multicast address",
        )
    return ":".join(f"{byte:02x}" for byte in raw)


def _random_mac() -> str:
    raw = os.urandom(6)
    # locally administered, unicast
    return ":".join(f"{byte:02x}" for byte in bytes([raw[0] & 0xFC | 0x02]) + raw[1:])


def _can_forward(link: Link) -> bool:
    return link.operstate in {"up", "unknown"}


def _sysctl_path(name: str) -> str:
    path = name if "/" in name else name.replace(".", "/")
    return path.removeprefix("net/")
