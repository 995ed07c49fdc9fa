"""Connect each container to the host by a veth pair of its own, with a route on either side."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on, validators


@cnisdk.config
class PtpConf(cnisdk.NetConf):
    """Configuration of the ptp plugin; IPAM is required."""

    ip_masq: bool = False
    """Masquerade what leaves the subnet."""
    ip_masq_backend: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.in_(("nftables", "iptables"))),
    )
    """nftables or iptables; by default nftables where it is usable."""
    mtu: int = attrs.field(default=0, validator=validators.mtu)
    """MTU in bytes of the veth pair; 0 for the kernel's default."""


class Ptp(cnisdk.Plugin[PtpConf]):
    """Connect each container to the host by a veth pair of its own."""

    @on.add
    def attach(self, op: cnisdk.Add[PtpConf]) -> cnisdk.Result:
        """Ask IPAM, make the veth pair, route between its ends."""
        cfg, res = op.config, op.result()
        given = op.ipam.add(needs_address=True)
        veth = op.host.add_veth(peer=op.ifname, into=op.netns, mtu=cfg.mtu)
        res.interface(veth.host)
        eth = res.interface(veth.peer)
        result = res.adopt(given, on=eth).dns(cfg.dns).build()
        op.netns.configure(op.ifname, result, by_gateway=True)
        ips = result.ips_of(op.ifname, op.netns.path)
        op.host.add_point_to_point(veth.host.name, ips)
        for version in {ip.version for ip in ips}:
            op.host.enable_forwarding(version)
        if cfg.ip_masq:
            addresses = [ip.address for ip in ips]
            op.host.add_masquerade(op.attachment, addresses, backend=cfg.ip_masq_backend)
        return result

    @on.delete
    def detach(self, op: cnisdk.Del[PtpConf]) -> None:
        """Remove the veth pair; what is left on the host goes by its owner tag."""
        if op.netns is not None:
            op.host.remove_veth(op.ifname, op.netns)

    @on.check
    def verify(self, op: cnisdk.Check[PtpConf]) -> None:
        """Compare both ends, the routes between them, and the rules with the result."""
        cfg = op.config
        eth = op.verified("veth", by_gateway=True, mtu=cfg.mtu)
        port = op.host.expect_peer(eth)
        made = op.prev_result.interface(port.name, "")
        if made is None:
            raise errors.CniError(f'prevResult does not know the host\'s end "{port.name}"')
        op.host.expect_link(port.name, mac=made.mac or None, mtu=made.mtu or None)
        ips = op.prev_result.ips_of(op.ifname, op.netns.path)
        op.host.expect_point_to_point(port.name, ips)
        for version in {ip.version for ip in ips}:
            op.host.expect_forwarding(version)
        if cfg.ip_masq:
            addresses = [ip.address for ip in ips]
            op.host.expect_masquerade(op.attachment, addresses, backend=cfg.ip_masq_backend)

    @on.status
    def ready(self, op: cnisdk.Status[PtpConf]) -> None:
        """Answer 50 when a tool the configuration needs is missing."""
        _ = op.ipam  # required: each end has an address
        problem = op.host.firewall_problem(op.config.ip_masq_backend) if op.config.ip_masq else ""
        if problem:
            raise errors.PluginNotAvailable(problem)
