"""Attach containers to a Linux bridge on the host by a veth pair."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_interface, ip_network

import attrs

import cnisdk
from cnisdk import errors, on, validators


_DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}
_MAIN_TABLE = 254
_LARGEST_VLAN, _DEFAULT_VLAN = 4094, 1
_NAME_BYTES = 15


@cnisdk.config
class VlanTrunk:
    """One entry of ``vlanTrunk``: a range of VLAN ids, a single id, or both."""

    min_id: int | None = cnisdk.key("minID", default=None)
    """First id of a range, 1 to 4094."""
    max_id: int | None = cnisdk.key("maxID", default=None)
    """Last id of a range, 1 to 4094."""
    id: int | None = None
    """A single id, 1 to 4094."""

    def __attrs_post_init__(self) -> None:
        for name, value in (("minID", self.min_id), ("maxID", self.max_id), ("id", self.id)):
            if value is not None and not 1 <= value <= _LARGEST_VLAN:
                raise ValueError(f"incorrect trunk {name} parameter: {value} is not in 1 to 4094")
        if (self.min_id is None) != (self.max_id is None):
            missing = "minID" if self.min_id is None else "maxID"
            raise ValueError(
                f"minID and maxID should be configured simultaneously, {missing} is missing"
            )
        if self.min_id is not None and self.max_id is not None and self.min_id > self.max_id:
            raise ValueError(
                "minID is greater than maxID in trunk parameter: "
                f"minID is {self.min_id}, maxID is {self.max_id}"
            )

    @property
    def ids(self) -> set[int]:
        """All ids of the entry."""
        found = set[int]() if self.id is None else {self.id}
        if self.min_id is not None and self.max_id is not None:
            found |= set(range(self.min_id, self.max_id + 1))
        return found


def _vlan(_: object, _field: object, value: int) -> None:
    if not 0 <= value <= _LARGEST_VLAN:
        raise ValueError(f"invalid VLAN ID {value} (must be between 0 and {_LARGEST_VLAN})")


@cnisdk.config
class BridgeConf(cnisdk.NetConf):
    """Configuration of the bridge plugin."""

    bridge: str = attrs.field(default="cni0", validator=validators.ifname)
    """Name of the bridge; made when it is absent."""
    is_gateway: bool = False
    """Give the bridge the subnet's gateway address and turn forwarding on."""
    is_default_gateway: bool = False
    """Also make the bridge the container's default route; implies isGateway."""
    force_address: bool = False
    """Replace another address of the bridge instead of failing."""
    ip_masq: bool = False
    """Masquerade what leaves the subnet."""
    ip_masq_backend: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.in_(("nftables", "iptables"))),
    )
    """nftables or iptables; by default nftables where it is usable."""
    mtu: int = attrs.field(default=0, validator=validators.mtu)
    """MTU in bytes of the veth pair and of a new bridge; 0 for the kernel's default."""
    hairpin_mode: bool = False
    """Let the container reach itself through the bridge."""
    promisc_mode: bool = False
    """Set the bridge promiscuous."""
    vlan: int = attrs.field(default=0, validator=_vlan)
    """VLAN id of the container's port; 0 for none."""
    vlan_trunk: tuple[VlanTrunk, ...] | None = None
    """VLAN ids the container's port carries tagged; without vlan, what has no tag is in VLAN 1."""
    preserve_default_vlan: bool = False
    """Keep VLAN 1 on the port when vlan or vlanTrunk is set."""
    macspoofchk: bool = False
    """Drop frames from the container with another source address than its own."""
    enabledad: bool = False
    """Run IPv6 duplicate address detection in the container."""
    disable_container_interface: bool = False
    """Leave the container's interface down; not possible with IPAM."""
    port_isolation: bool = False
    """Keep the container from talking to other isolated ports of the bridge."""
    mac: str | None = cnisdk.capability(
        "mac",
        arg="MAC",
        default=None,
        validator=validators.mac,
        description="Hardware address of the container's interface.",
    )

    def __attrs_post_init__(self) -> None:
        if self.hairpin_mode and self.promisc_mode:
            raise ValueError("cannot set hairpin mode and promiscuous mode at the same time")
        if self.disable_container_interface and self.ipam is not None:
            raise ValueError("cannot use IPAM when DisableContainerInterface flag is set")
        with_gateway = self.vlan and self.gateway and self.ipam is not None
        if with_gateway and len(f"{self.bridge}.{self.vlan}".encode()) > _NAME_BYTES:
            raise ValueError(  # W-BR-8
                f'the gateway of vlan {self.vlan} would be the interface "{self.bridge}.{self.vlan}", '
                f"and {_NAME_BYTES} bytes is the most; take a shorter name for the bridge"
            )

    @property
    def gateway(self) -> bool:
        """Whether the bridge is the container's gateway."""
        return self.is_gateway or self.is_default_gateway

    @property
    def filters_vlans(self) -> bool:
        """Whether the bridge has to tell VLANs apart."""
        return self.vlan != 0 or self.vlan_trunk is not None

    @property
    def trunk(self) -> set[int]:
        """All ids of vlanTrunk."""
        return {each for entry in self.vlan_trunk or () for each in entry.ids}

    @property
    def pvid(self) -> int:
        """The VLAN of frames without a tag; 0 when the port stays as the bridge makes it."""
        return self.vlan or (_DEFAULT_VLAN if self.trunk else 0)


class Bridge(cnisdk.Plugin[BridgeConf]):
    """Attach containers to a Linux bridge on the host by a veth pair."""

    @on.add
    def attach(self, op: cnisdk.Add[BridgeConf]) -> cnisdk.Result:
        """Make the bridge and the veth pair, ask IPAM, configure both ends."""
        cfg, res = op.config, op.result()
        bridge = res.interface(
            op.host.ensure_bridge(
                cfg.bridge,
                mtu=cfg.mtu,
                promisc=cfg.promisc_mode or None,
                vlan_filtering=cfg.filters_vlans,
            )
        )
        veth = op.host.add_veth(
            peer=op.ifname,
            into=op.netns,
            mac=cfg.mac,
            mtu=cfg.mtu,
            master=bridge.name,
            hairpin=cfg.hairpin_mode,
            isolated=cfg.port_isolation,
        )
        res.interface(veth.host)
        eth = res.interface(veth.peer)
        if cfg.pvid:
            op.host.set_port_vlans(
                veth.host.name,
                pvid=cfg.pvid,
                tagged=cfg.trunk,
                keep_others=cfg.preserve_default_vlan,
            )
        if cfg.macspoofchk:
            op.host.add_spoof_check(op.attachment, veth.host.name, eth.mac)
        if cfg.ipam is not None:
            res.adopt(_with_gateways(cfg, op.ipam.add(needs_address=True)), on=eth)
        result = res.dns(cfg.dns).build()
        op.netns.configure(
            op.ifname, result, dad=cfg.enabledad, up=not cfg.disable_container_interface
        )
        if not cfg.disable_container_interface:
            op.host.wait_port_up(veth.host.name)
        ips = result.ips_of(op.ifname, op.netns.path)
        if cfg.gateway and ips:
            gateway = bridge.name
            if cfg.vlan:
                made = op.host.ensure_vlan_gateway(
                    cfg.bridge, cfg.vlan, keep_others=cfg.preserve_default_vlan
                )
                gateway = res.interface(made).name
            for ip in ips:
                op.host.ensure_address(gateway, _on_bridge(ip), replace=cfg.force_address)
                op.host.enable_forwarding(ip.version)
        if cfg.ip_masq and ips:
            addresses = [ip.address for ip in ips]
            op.host.add_masquerade(op.attachment, addresses, backend=cfg.ip_masq_backend)
        # Another ADD may have given a bridge its MAC back meanwhile.
        return res.update(bridge.name, sandbox="", mac=op.host.interface(bridge.name).mac).build()

    @on.delete
    def detach(self, op: cnisdk.Del[BridgeConf]) -> None:
        """Remove the veth pair; what is left on the host goes by its owner tag."""
        if op.netns is not None:
            op.host.remove_veth(op.ifname, op.netns)

    @on.check
    def verify(self, op: cnisdk.Check[BridgeConf]) -> None:
        """Compare bridge, port, container interface, gateway and rules with the configuration."""
        cfg, prev = op.config, op.prev_result
        eth = prev.interface(op.ifname, op.netns.path)
        if eth is None:
            raise errors.InvalidConfig(
                f'prevResult has no interface "{op.ifname}" in {op.netns.path}'
            )
        recorded = prev.interface(cfg.bridge, "")
        if recorded is None:
            raise errors.InvalidConfig(f'prevResult has no interface "{cfg.bridge}" on the host')
        bridge = op.host.expect_link(cfg.bridge, kind="bridge", up=True, mac=recorded.mac or None)
        if cfg.promisc_mode and not bridge.promiscuity:
            raise errors.CniError(
                f'bridge "{cfg.bridge}" is not promiscuous any more',
                details=f"set it: ip link set {cfg.bridge} promisc on",
            )
        peer = op.netns.expect_link(op.ifname, kind="veth", mac=eth.mac or None)
        op.netns.expect(prev, op.ifname, up=not cfg.disable_container_interface)
        port = op.host.expect_peer(peer, master=cfg.bridge)
        made = prev.interface(port.name, "")
        if made is None:
            raise errors.CniError(
                f'prevResult does not know the bridge port "{port.name}"',
                details="the veth was replaced after ADD; delete the attachment and add it again",
            )
        op.host.expect_link(port.name, mac=made.mac or None, mtu=made.mtu or cfg.mtu or None)
        for key, wanted, found in (
            ("hairpinMode", cfg.hairpin_mode, port.hairpin),
            ("portIsolation", cfg.port_isolation, port.isolated),
        ):
            if found is not None and wanted != found:
                raise errors.CniError(f'bridge port "{port.name}": {key} is {found}, not {wanted}')
        if cfg.filters_vlans:
            op.host.expect_port_vlans(
                port.name,
                pvid=cfg.pvid,
                tagged=cfg.trunk,
                keep_others=cfg.preserve_default_vlan or not cfg.pvid,
            )
        ips = prev.ips_of(op.ifname, op.netns.path)
        if cfg.gateway and ips:
            _expect_gateway(op, ips)
        if cfg.ip_masq and ips:
            addresses = [ip.address for ip in ips]
            op.host.expect_masquerade(op.attachment, addresses, backend=cfg.ip_masq_backend)
        if cfg.macspoofchk:
            op.host.expect_spoof_check(op.attachment, port.name, eth.mac)

    @on.status
    def ready(self, op: cnisdk.Status[BridgeConf]) -> None:
        """Answer 50 when the bridge's name is taken or a tool the configuration needs is missing."""
        cfg = op.config
        link = op.host.link(cfg.bridge)
        if link is not None and link.kind != "bridge":
            raise errors.PluginNotAvailable(
                f'"{cfg.bridge}" exists but is no bridge ({link.kind or "a plain device"})',
                details="remove or rename it, or choose another name with the key bridge",
            )
        if link is not None and cfg.filters_vlans and link.vlan_filtering is None:
            raise errors.PluginNotAvailable(
                "this kernel cannot tell the VLANs of a bridge apart",
                details="it was built without CONFIG_BRIDGE_VLAN_FILTERING; remove vlan and vlanTrunk",
            )
        for wanted, backend in (
            (cfg.ip_masq and cfg.ipam is not None, cfg.ip_masq_backend),
            (cfg.macspoofchk, "nftables"),
        ):
            problem = op.host.firewall_problem(backend) if wanted else ""
            if problem:
                raise errors.PluginNotAvailable(problem)


def _expect_gateway(op: cnisdk.Check[BridgeConf], ips: Sequence[cnisdk.Ip]) -> None:
    """Raise an error when what the containers' packets go to is not as ADD had made it."""
    cfg, name = op.config, op.config.bridge
    if cfg.vlan:
        name = op.host.expect_vlan_gateway(
            name, cfg.vlan, keep_others=cfg.preserve_default_vlan
        ).name
        made = op.prev_result.interface(name, "")
        op.host.expect_link(name, mac=made.mac if made else None)
    for ip in ips:
        op.host.expect_address(name, _on_bridge(ip))
        op.host.expect_forwarding(ip.version)


def _with_gateways(cfg: BridgeConf, ipam: cnisdk.Result) -> cnisdk.Result:
    """The IPAM result with the gateways and default routes the configuration implies."""
    if not cfg.gateway:
        return ipam
    ips = tuple(
        attrs.evolve(ip, gateway=ip.gateway or ip.address.network.network_address + 1)
        for ip in ipam.ips
    )
    routes = list(ipam.routes)
    if cfg.is_default_gateway:
        for ip in ips:
            default = ip_network(_DEFAULT_ROUTES[ip.version])
            # W-BR-6: one that IPAM gave without a gateway gets this gateway anyway.
            if not any(_replaces(route, default) for route in routes):
                routes.append(cnisdk.Route(default, ip.gateway))
    return attrs.evolve(ipam, ips=ips, routes=tuple(routes))


def _replaces(route: cnisdk.Route, default: cnisdk.IpNetwork) -> bool:
    in_main = route.table in {None, _MAIN_TABLE}
    return route.dst == default and (in_main or route.gw is not None)


def _on_bridge(ip: cnisdk.Ip) -> cnisdk.IpInterface:
    """The gateway's address with the prefix length of the subnet."""
    return ip_interface(f"{ip.gateway}/{ip.address.network.prefixlen}")
