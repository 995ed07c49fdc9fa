"""Limit what goes into a container and what comes out of it, on the host's end of its veth."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import capabilities, errors, on, versions


_LARGEST_BURST = 8 * (2**32 - 1)  # bits: the kernel counts bytes in 32
_NAME_LENGTH = 15


@cnisdk.config
class BandwidthConf(cnisdk.NetConf):
    """Configuration of the bandwidth plugin."""

    ingress_rate: int = attrs.field(default=0, validator=capabilities.unsigned)
    """Into the container, bits per second; 0 for no limit."""
    ingress_burst: int = attrs.field(default=0, validator=capabilities.unsigned)
    """Into the container at once, bits."""
    egress_rate: int = attrs.field(default=0, validator=capabilities.unsigned)
    """Out of the container, bits per second; 0 for no limit."""
    egress_burst: int = attrs.field(default=0, validator=capabilities.unsigned)
    """Out of the container at once, bits."""
    bandwidth: capabilities.Bandwidth = cnisdk.capability(
        "bandwidth",
        factory=capabilities.Bandwidth,
        description="The same four keys, from the runtime; unless the configuration has limits.",
    )

    @property
    def ingress(self) -> cnisdk.RateLimit | None:
        """The limit of what goes into the container."""
        return self._limit("ingress")

    @property
    def egress(self) -> cnisdk.RateLimit | None:
        """The limit of what comes out of the container."""
        return self._limit("egress")

    def _limit(self, direction: str) -> cnisdk.RateLimit | None:
        # W-BW-5: zeros alone do not hide the runtime's limits.
        static = self.ingress_rate or self.ingress_burst or self.egress_rate or self.egress_burst
        source = self if static else self.bandwidth
        rate: int = getattr(source, f"{direction}_rate")
        burst: int = getattr(source, f"{direction}_burst")
        given = f"{direction}Rate is {rate}, {direction}Burst is {burst}"
        if rate and not burst:
            raise errors.InvalidConfig("if rate is set, burst must also be set", hint=given)
        if burst and not rate:
            raise errors.InvalidConfig("if burst is set, rate must also be set", hint=given)
        if burst >= _LARGEST_BURST:
            raise errors.InvalidConfig("burst cannot be more than 4GB", details=given)
        if 0 < rate < 8:  # W-BW-3
            raise errors.InvalidConfig(
                f"{direction}Rate: {rate}: must be at least 8 bit/s", details=given
            )
        return cnisdk.RateLimit(rate, burst) if rate else None


class Bandwidth(cnisdk.ChainedPlugin[BandwidthConf], supported_versions=versions.since("0.3.0")):
    """Limit what goes into a container and what comes out of it."""

    @on.add
    def attach(self, op: cnisdk.ChainedAdd[BandwidthConf]) -> cnisdk.Result:
        """Limit the host's end, and an ifb that gets what comes in there."""
        ingress, egress, res = op.config.ingress, op.config.egress, op.result()
        if not ingress and not egress:
            return op.prev_result
        name = _host_end(op)
        mtu = op.host.expect_link(name).mtu
        for limit in (ingress, egress):
            if limit and limit.burst_bytes < mtu:
                op.log.warning("larger packets are lost", burst=limit.burst_bytes, mtu=mtu)
        if ingress:
            op.host.add_rate_limit(name, ingress)
        if egress:
            res.interface(op.host.add_incoming_rate_limit(name, egress, via=_ifb(op.attachment)))
        return res.build()

    @on.delete
    def detach(self, op: cnisdk.Del[BandwidthConf]) -> None:
        """Remove the limits of the host's end, which may stay, and the ifb."""
        link = op.netns.link(op.ifname) if op.netns is not None else None
        host = op.host.peer_of(link) if link is not None else None
        name, prev = host.name if host is not None else "", op.prev_result
        known = prev is not None and prev.interface(name, "") is not None
        op.host.remove_rate_limits(op.attachment, name, unmarked=known)
        op.host.remove_ifb(op.attachment, _ifb(op.attachment))

    @on.check
    def verify(self, op: cnisdk.Check[BandwidthConf]) -> None:
        """Compare both limits, the ifb and the redirection to it with the configuration."""
        ingress, egress = op.config.ingress, op.config.egress
        name = _host_end(op)
        if ingress:
            op.host.expect_rate_limit(name, ingress)
        if egress:
            ifb = op.host.expect_incoming_rate_limit(name, egress, via=_ifb(op.attachment))
            known = op.prev_result.interface(ifb.name, "")
            if known is None:
                raise errors.CniError(f'prevResult does not know the ifb "{ifb.name}"')
            op.host.expect_link(ifb.name, mac=known.mac or None)

    @on.gc
    def collect(self, op: cnisdk.Gc[BandwidthConf]) -> None:
        """Remove ifbs and limits of attachments that are not valid any more."""
        op.host.retain_rate_limits(op.network.name, op.valid_attachments)

    @on.status
    def ready(self, op: cnisdk.Status[BandwidthConf]) -> None:
        """Refuse limits that no ADD could set."""
        _ = op.config.ingress, op.config.egress


def _ifb(attachment: cnisdk.Attachment) -> tuple[str, str]:
    """Names an ifb may have: the Go plugin's, and one for a container's second limited interface."""
    go, own = (attachment.hashed_name("bwp", _NAME_LENGTH, ifname=each) for each in (False, True))
    return go, own


def _host_end(op: cnisdk.ChainedAdd[BandwidthConf] | cnisdk.Check[BandwidthConf]) -> str:
    """The name of the host's end of the container's veth, which prevResult must know."""
    if not op.prev_result.interfaces:
        raise errors.InvalidConfig("no interfaces provided", details="prevResult lists none")
    link = op.netns.expect_link(op.ifname)
    if not link.peer_index:
        raise errors.InvalidConfig(
            f"container interface {op.ifname} has no veth peer: it is a {link.kind or 'plain'} link"
        )
    host = op.host.peer_of(link)
    if host is None:
        raise errors.CniError(f"veth peer with index {link.peer_index} is not in host ns")
    if op.prev_result.interface(host.name, "") is None:
        raise errors.InvalidConfig(
            "no veth peer of container interface found in host ns",
            details=f'prevResult does not list "{host.name}"',
        )
    return host.name
