"""The state of a fake machine, as a value: give one, get one, compare."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from cnisdk._net._qdisc import Qdisc
from cnisdk._net._types import PortVlan


@attrs.frozen(kw_only=True)
class LinkState:
    """One link of a fake namespace."""

    kind: str = ""
    """bridge, veth and so on; "" for a plain device."""
    mac: str = ""
    """Hardware address in colon form."""
    mtu: int = 1500
    """In bytes."""
    up: bool = False
    """Administrative state."""
    master: str = ""
    """Name of the bridge the link is a port of, or of the VRF it is in."""
    alias: str = ""
    """The owner tag of what the SDK makes."""
    peer: tuple[str, str] | None = None
    """Namespace path ("" for the host) and name of a veth's other end."""
    lower: tuple[str, str] | None = None
    """Namespace path ("" for the host) and name of the link this one is on."""
    mode: str = ""
    """Mode of a macvlan or ipvlan; tap."""
    owner: int | None = None
    """User id that may open a tap."""
    group: int | None = None
    """Group id that may open a tap."""
    multi_queue: bool | None = None
    """Whether a tap may be opened more than once."""
    vlan_id: int = 0
    """VLAN id of a vlan."""
    vrf_table: int = 0
    """Routing table of a VRF."""
    parent: str = ""
    """The device on a bus the link belongs to; "" for a virtual link."""
    promisc: bool = False
    """Whether the link is promiscuous."""
    allmulti: bool = False
    """Whether the link receives all multicast packets."""
    tx_queue_length: int = 1000
    """Length of the transmit queue, in packets."""
    hairpin: bool = False
    """Bridge port flag."""
    isolated: bool = False
    """Bridge port flag."""
    vlan_filtering: bool = False
    """Whether a bridge tells VLANs apart."""
    vlans: tuple[PortVlan, ...] = ()
    """VLANs a bridge port is in, by id."""
    addresses: tuple[str, ...] = ()
    """Addresses in CIDR notation, in the order they were added."""
    qdiscs: tuple[Qdisc, ...] = ()
    """Queueing disciplines at the root and for what comes in."""
    redirect: str | None = None
    """The link that what comes in is redirected to."""


@attrs.frozen(kw_only=True)
class DeviceState:
    """A device on a bus of a fake machine."""

    driver: str = ""
    """The driver it is bound to."""
    links: tuple[str, ...] = ()
    """Its network interfaces, by their names on the host."""


def _lo() -> dict[str, LinkState]:
    return {"lo": LinkState(mac="00:00:00:00:00:00", mtu=65536)}


@attrs.frozen(kw_only=True)
class NsState:
    """One fake network namespace."""

    links: Mapping[str, LinkState] = attrs.field(factory=_lo)
    """Links by name."""
    routes: frozenset[tuple[str, ...]] = frozenset()
    """Routes as (destination, gateway, interface, table, metric, scope, mtu, advmss, source, protocol),
    with "onlink" as the last where the gateway need not be in any subnet."""
    sysctls: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Values below net. that differ from the default "0"."""
    rules: frozenset[tuple[str, ...]] = frozenset()
    """Packet filter rules as (kind, owner tag, what they match)."""
    policies: frozenset[tuple[str, ...]] = frozenset()
    """Policy rules beside the kernel's own as (source, table, address family, priority)."""
    devices: Mapping[str, DeviceState] = attrs.field(factory=dict[str, "DeviceState"])
    """Devices below /sys by their directory."""


DEFAULT_NETNS = "/run/netns/c1"
"""The container's namespace of a state that names none."""


def _one_container() -> dict[str, NsState]:
    return {DEFAULT_NETNS: NsState()}


@attrs.frozen(kw_only=True)
class HostState:
    """A fake machine: the host's namespace and the containers'."""

    host: NsState = attrs.field(factory=NsState)
    """The namespace the plugin runs in."""
    namespaces: Mapping[str, NsState] = attrs.field(factory=_one_container)
    """The containers' namespaces by path."""

    @classmethod
    def with_bridge(
        cls, name: str, *, mac: str = "02:00:00:00:00:01", mtu: int = 1500
    ) -> HostState:
        """A machine that already has a bridge, as the SDK makes them, and one container."""
        bridge = LinkState(kind="bridge", mac=mac, mtu=mtu, up=True)
        settled = {f"ipv6/conf/{name}/accept_ra": "0"}
        return cls(host=NsState(links={**_lo(), name: bridge}, sysctls=settled))

    def without_namespace(self, path: str = DEFAULT_NETNS) -> HostState:
        """The machine after a container's namespace has gone, with the veth ends that go with it."""
        links = {
            name: link
            for name, link in self.host.links.items()
            if link.peer is None or link.peer[0] != path
        }
        rest = {each: state for each, state in self.namespaces.items() if each != path}
        return HostState(host=attrs.evolve(self.host, links=links), namespaces=rest)

    def without_shared(self) -> HostState:
        """The machine without what ADD makes for all containers alike: bridges, gateways and forwarding."""
        links = {
            name: each
            for name, each in self.host.links.items()
            # The ends of a pair that is wholly on the host: a gateway in a VLAN of a bridge.
            if each.kind != "bridge" and (each.peer is None or each.peer[0])
        }
        routes = frozenset(each for each in self.host.routes if each[2] in links)
        rules = frozenset(each for each in self.host.rules if each[0] != "shared")
        host = attrs.evolve(self.host, links=links, routes=routes, sysctls={}, rules=rules)
        return attrs.evolve(self, host=host)

    def with_namespace(self, path: str, space: NsState) -> HostState:
        """The machine with another state of one namespace; "" is the host's."""
        if not path:
            return attrs.evolve(self, host=space)
        return attrs.evolve(self, namespaces={**self.namespaces, path: space})

    def with_link(self, path: str, name: str, link: LinkState) -> HostState:
        """The machine with one link added or altered."""
        space = self.namespaces[path] if path else self.host
        return self.with_namespace(path, attrs.evolve(space, links={**space.links, name: link}))

    def without_link(self, path: str, name: str) -> HostState:
        """The machine with one link taken away, and with it the other end of a veth."""
        space = self.namespaces[path] if path else self.host
        links = {each: link for each, link in space.links.items() if each != name}
        routes = frozenset(each for each in space.routes if each[2] != name)
        rest = self.with_namespace(path, attrs.evolve(space, links=links, routes=routes))
        peer = space.links[name].peer
        other = rest.namespaces.get(peer[0]) if peer and peer[0] else rest.host
        if peer is not None and other is not None and peer[1] in other.links:
            return rest.without_link(*peer)
        return rest
