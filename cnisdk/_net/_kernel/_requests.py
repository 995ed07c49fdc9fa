"""Requests to the kernel, as the bytes rtnetlink takes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnisdk._net._attributes import string
from cnisdk._net._kernel._messages import AddressMessage, LinkMessage, RouteMessage
from cnisdk._net._netlink import HEADER
from cnisdk._net._types import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, Address, KernelRoute


if TYPE_CHECKING:
    from cnisdk._net._protocol import ContainerLinkSpec, Kernel, PeerSpec
    from cnisdk._result import IpAddress, IpInterface

FAMILY = {4: 2, 6: 10}
IPVLAN_MODES = ("l2", "l3", "l3s")
_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_REQUEST, _ACK, EXCL, CREATE, _APPEND, DUMP = 0x1, 0x4, 0x200, 0x400, 0x800, 0x300
_IFF_UP, _IFF_PROMISC, _IFF_ALLMULTI = 0x1, 0x100, 0x200
_LARGEST_PREFIX_WITH_BROADCAST = 30
_NAME_BYTES = 15
_UNICAST = 1
_ONLINK = 0x4
_BIG_TABLES = 252
"""RT_TABLE_COMPAT: the table's number does not fit into the header."""
_VLAN_FILTERING = ("IFLA_INFO_DATA", {"attrs": [("IFLA_BR_VLAN_FILTERING", 1)]})

LINK = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, hardware type, index, flags, change mask."""
_IFNAME, _ALT_IFNAME = 3, 53

Attributes = list[tuple[str, Any]]


def get_link(*, name: str = "", index: int = 0) -> bytearray:
    """Ask for a link by name, alternative ones included, or by index."""
    key = _IFNAME if len(name.encode()) <= _NAME_BYTES else _ALT_IFNAME
    body = LINK.pack(0, 0, index, 0, 0) + (string(key, name) if name else b"")
    # By hand: every second request is this one, and pyroute2 takes longer than the kernel.
    return bytearray(HEADER.pack(HEADER.size + len(body), _GETLINK, _REQUEST | _ACK, 0, 0) + body)


def dump_links() -> bytearray:
    """Ask for all links."""
    return request(LinkMessage, _GETLINK, flags=DUMP)


def new_link(
    name: str,
    kind: str,
    *,
    mac: str,
    mtu: int,
    master: int | None,
    peer: PeerSpec | None,
    vlan_filtering: bool,
) -> bytearray:
    """Make a link with all the kernel takes at once; a veth's other end included."""
    info: Attributes = [("IFLA_INFO_KIND", kind)]
    if peer is not None:
        info.append(("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", _peer(peer, mtu))]}))
    if vlan_filtering:
        info.append(_VLAN_FILTERING)
    attrs = _end(name, mac, mtu)
    if master is not None:
        attrs.append(("IFLA_MASTER", master))
    attrs.append(("IFLA_LINKINFO", {"attrs": info}))
    return request(LinkMessage, _NEWLINK, attrs=attrs, flags=CREATE | EXCL)


def new_container_link(name: str, spec: ContainerLinkSpec, into: Kernel) -> bytearray:
    """Make a link in another namespace."""
    info: Attributes = [("IFLA_INFO_KIND", spec.kind)]
    options = _options(spec)
    if options:
        info.append(("IFLA_INFO_DATA", {"attrs": options}))
    attrs: Attributes = [("IFLA_IFNAME", name), ("IFLA_LINKINFO", {"attrs": info})]
    given = {
        "IFLA_LINK": spec.lower,
        "IFLA_ADDRESS": spec.mac,
        "IFLA_MTU": spec.mtu,
        "IFLA_NET_NS_FD": getattr(into, "netns_fd", None),
    }
    attrs += [(key, value) for key, value in given.items() if value]
    return request(LinkMessage, _NEWLINK, attrs=attrs, flags=CREATE | EXCL)


def _options(spec: ContainerLinkSpec) -> Attributes:
    if spec.kind == "macvlan":
        queue = [("IFLA_MACVLAN_BC_QUEUE_LEN", spec.bcqueuelen)] if spec.bcqueuelen else []
        return [("IFLA_MACVLAN_MODE", spec.mode), *queue]
    if spec.kind == "ipvlan":
        return [("IFLA_IPVLAN_MODE", IPVLAN_MODES.index(spec.mode))]
    return [("IFLA_VLAN_ID", spec.vlan_id)] if spec.kind == "vlan" else []


def new_vrf(name: str, table: int) -> bytearray:
    """Make a VRF; the kernel refuses one without table."""
    info: Attributes = [("IFLA_INFO_KIND", "vrf")]
    if table:
        info.append(("IFLA_INFO_DATA", {"attrs": [("IFLA_VRF_TABLE", table)]}))
    attrs: Attributes = [("IFLA_IFNAME", name), ("IFLA_LINKINFO", {"attrs": info})]
    return request(LinkMessage, _NEWLINK, attrs=attrs, flags=CREATE | EXCL)


def change_link(
    index: int,
    *,
    name: str = "",
    master: int | None = None,
    up: bool | None = None,
    mac: str = "",
    mtu: int = 0,
    alias: str | None = None,
    promisc: bool | None = None,
    hairpin: bool | None = None,
    allmulti: bool | None = None,
    tx_queue_length: int | None = None,
    isolated: bool | None = None,
    vlan_filtering: bool = False,
    netns_fd: int | None = None,
) -> bytearray:
    """Change what is given; a move to another namespace comes first."""
    attrs: Attributes = [("IFLA_IFNAME", name)] if name else []
    if netns_fd is not None:
        attrs.append(("IFLA_NET_NS_FD", netns_fd))
    if master is not None:
        attrs.append(("IFLA_MASTER", master))
    if mac:
        attrs.append(("IFLA_ADDRESS", mac))
    if mtu:
        attrs.append(("IFLA_MTU", mtu))
    if alias is not None:
        attrs.append(("IFLA_IFALIAS", alias))
    if tx_queue_length is not None:
        attrs.append(("IFLA_TXQLEN", tx_queue_length))
    wanted = {_IFF_UP: up, _IFF_PROMISC: promisc, _IFF_ALLMULTI: allmulti}
    fields = {
        "index": index,
        "flags": sum(flag for flag, value in wanted.items() if value),
        "change": sum(flag for flag, value in wanted.items() if value is not None),
    }
    port = {"IFLA_BRPORT_MODE": hairpin, "IFLA_BRPORT_ISOLATED": isolated}
    flags = [(name, int(value)) for name, value in port.items() if value is not None]
    if flags:
        slave = [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": flags})]
        attrs.append(("IFLA_LINKINFO", {"attrs": slave}))
    if vlan_filtering:
        attrs.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge"), _VLAN_FILTERING]}))
    # RTM_NEWLINK without NLM_F_CREATE changes what is there; RTM_SETLINK ignores slave data.
    return request(LinkMessage, _NEWLINK, fields=fields, attrs=attrs)


def remove_link(index: int) -> bytearray:
    """Remove a link."""
    return request(LinkMessage, _DELLINK, fields={"index": index})


def dump_addresses(index: int) -> bytearray:
    """Ask for the addresses of a link."""
    return request(AddressMessage, _GETADDR, fields={"index": index}, flags=DUMP)


def new_address(
    index: int, address: IpInterface, *, dad: bool, connected: bool = True
) -> bytearray:
    """Add an address, with its broadcast address where there is one."""
    attrs: Attributes = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if address.version == 4 and address.network.prefixlen <= _LARGEST_PREFIX_WITH_BROADCAST:
        attrs.append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    flags = IFA_F_NODAD if address.version == 6 and not dad else 0
    flags |= 0 if connected else IFA_F_NOPREFIXROUTE
    if flags:
        attrs.append(("IFA_FLAGS", flags))
    fields = _address_fields(index, address)
    return request(AddressMessage, _NEWADDR, fields=fields, attrs=attrs, flags=CREATE | EXCL)


def same_address(index: int, address: Address) -> bytearray:
    """Add an address as it was found; no duplicate address detection, for it was settled then."""
    own = str(address.interface.ip)
    settled = IFA_F_NODAD if address.interface.version == 6 else 0
    given = {
        "IFA_LOCAL": own,
        "IFA_ADDRESS": str(address.peer) if address.peer else own,
        "IFA_BROADCAST": str(address.broadcast) if address.broadcast else "",
        "IFA_LABEL": address.label,
        "IFA_RT_PRIORITY": address.priority,
        "IFA_FLAGS": address.flags & IFA_F_NOPREFIXROUTE | settled,
    }
    attrs: Attributes = [(key, value) for key, value in given.items() if value]
    fields = {**_address_fields(index, address.interface), "scope": address.scope}
    return request(AddressMessage, _NEWADDR, fields=fields, attrs=attrs, flags=CREATE | EXCL)


def remove_address(index: int, address: IpInterface) -> bytearray:
    """Remove an address."""
    attrs: Attributes = [("IFA_LOCAL", str(address.ip))]
    return request(AddressMessage, _DELADDR, fields=_address_fields(index, address), attrs=attrs)


def dump_routes(version: int) -> bytearray:
    """Ask for the routes of IPv4 or IPv6."""
    return request(RouteMessage, _GETROUTE, fields={"family": FAMILY[version]}, flags=DUMP)


def get_route(address: IpAddress) -> bytearray:
    """Ask which way packets to an address go."""
    attrs: Attributes = [("RTA_DST", str(address))]
    fields = {"family": FAMILY[address.version], "dst_len": address.max_prefixlen}
    return request(RouteMessage, _GETROUTE, fields=fields, attrs=attrs)


def new_route(index: int, route: KernelRoute, *, last: bool = False) -> bytearray:
    """Add a route; several gateways for one destination may stand side by side.

    With ``last``, behind what is there for the same destination and metric.
    """
    flags = CREATE | (_APPEND if last else 0)
    attrs = _route_attributes(index, route)
    return request(RouteMessage, _NEWROUTE, fields=_route_fields(route), attrs=attrs, flags=flags)


def remove_route(index: int, route: KernelRoute) -> bytearray:
    """Remove a route."""
    attrs = _route_attributes(index, route)
    return request(RouteMessage, _DELROUTE, fields=_route_fields(route), attrs=attrs)


def _route_attributes(index: int, route: KernelRoute) -> Attributes:
    attrs: Attributes = [("RTA_OIF", index), ("RTA_TABLE", route.table)]
    if route.dst.prefixlen:
        attrs.append(("RTA_DST", str(route.dst.network_address)))
    if route.gw is not None:
        attrs.append(("RTA_GATEWAY", str(route.gw)))
    if route.src is not None:
        attrs.append(("RTA_PREFSRC", str(route.src)))
    if route.priority:
        attrs.append(("RTA_PRIORITY", route.priority))
    metrics = {"RTAX_MTU": route.mtu, "RTAX_ADVMSS": route.advmss}
    given = [(name, value) for name, value in metrics.items() if value]
    return [*attrs, ("RTA_METRICS", {"attrs": given})] if given else attrs


def _route_fields(route: KernelRoute) -> dict[str, int]:
    return {
        "family": FAMILY[route.dst.version],
        "dst_len": route.dst.prefixlen,
        "table": small_table(route.table),
        "proto": route.protocol,
        "type": _UNICAST,
        "scope": route.scope or 0,
        "flags": _ONLINK if route.onlink else 0,
    }


def small_table(table: int) -> int:
    """What goes into the header, where the number of a table has eight bits."""
    return table if table < 256 else _BIG_TABLES


def request(
    message_class: Any,
    kind: int,
    *,
    fields: Mapping[str, int] | None = None,
    attrs: Attributes | None = None,
    flags: int = 0,
) -> bytearray:
    """A message as bytes; unless it is a dump, the kernel is asked to acknowledge it."""
    message = message_class()
    for name, value in (fields or {}).items():
        message[name] = value
    message["attrs"] = attrs or []
    message["header"]["type"] = kind
    message["header"]["flags"] = _REQUEST | flags | (0 if flags == DUMP else _ACK)
    message.encode()
    return bytearray(message.data)


def _end(name: str, mac: str, mtu: int) -> Attributes:
    attrs: Attributes = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac)]
    return [*attrs, ("IFLA_MTU", mtu)] if mtu else attrs


def _peer(peer: PeerSpec, mtu: int) -> dict[str, Any]:
    attrs = _end(peer.name, peer.mac, mtu)
    fd = getattr(peer.kernel, "netns_fd", None)
    if fd is not None:
        attrs.append(("IFLA_NET_NS_FD", fd))
    return {"attrs": attrs}


def _address_fields(index: int, address: IpInterface) -> dict[str, int]:
    prefix = address.network.prefixlen
    return {"index": index, "family": FAMILY[address.version], "prefixlen": prefix}
