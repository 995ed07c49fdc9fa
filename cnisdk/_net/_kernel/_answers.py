"""What the kernel answers, as facts.

Read attribute by attribute, and only what is wanted: an ADD reads ten links, and pyroute2 takes five times as
long for one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from cnisdk._net._attributes import attributes, number, text
from cnisdk._net._kernel._requests import FAMILY, IPVLAN_MODES, LINK
from cnisdk._net._netlink import HEADER
from cnisdk._net._types import Address, KernelRoute, Link


_ADDRESS = struct.Struct("=BBBBi")  # struct ifaddrmsg
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_HOP = struct.Struct("=HBBi")  # struct rtnexthop
_IFF_UP, _IFF_PROMISC, _IFF_ALLMULTI = 0x1, 0x100, 0x200
_ON_TOP = ("macvlan", "ipvlan", "vlan")
_MACVLAN_MODES = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}
_TUN_TYPES = {1: "tun", 2: "tap"}
_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_UNICAST, _LOCAL_TABLE = 1, 255
_ONLINK = 0x4
_FORWARDING = 3
_ANYWHERE = {FAMILY[4]: bytes(4), FAMILY[6]: bytes(16)}

# include/uapi/linux/if_link.h
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_TXQLEN, _IFLA_OPERSTATE, _IFLA_LINKINFO, _IFLA_IFALIAS = 13, 16, 18, 20
_IFLA_PROMISCUITY, _IFLA_PARENT_DEV_NAME, _IFLA_PARENT_DEV_BUS_NAME = 30, 56, 57
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_PORT_STATE, _PORT_HAIRPIN, _PORT_ISOLATED = 1, 4, 33
_BRIDGE_STP, _BRIDGE_VLAN_FILTERING, _BRIDGE_DEFAULT_VLAN = 5, 7, 39
_TUN_OWNER, _TUN_GROUP, _TUN_TYPE, _TUN_MULTI_QUEUE = 1, 2, 3, 7
_MODE, _VLAN_ID, _VRF_TABLE, _MACVLAN_QUEUE = 1, 1, 1, 7
# include/uapi/linux/if_addr.h
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_PRIORITY = 1, 2, 3, 4, 8, 9
# include/uapi/linux/rtnetlink.h
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_RTA_METRICS, _RTA_MULTIPATH, _RTA_TABLE, _METRIC_MTU, _METRIC_ADVMSS = 8, 9, 15, 2, 8

_Found = Mapping[int, bytes]


def link(data: bytes) -> Link:
    """A link."""
    (_, _, index, flags, _), found = parts(data, LINK)
    info = dict(attributes(found.get(_IFLA_LINKINFO, b"")))
    kind = text(info.get(_INFO_KIND, b""))
    details = dict(attributes(info.get(_INFO_DATA, b"")))
    is_port = text(info.get(_INFO_SLAVE_KIND, b"")) == "bridge"
    port = dict(attributes(info.get(_INFO_SLAVE_DATA, b""))) if is_port else {}
    bridge = details if kind == "bridge" else {}
    tap = details if kind == "tun" else {}
    return Link(
        index=index,
        name=text(found.get(_IFLA_IFNAME, b"")),
        kind=kind,
        mac=found.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=number(found.get(_IFLA_MTU, b"")),
        up=bool(flags & _IFF_UP),
        master=_optional(found, _IFLA_MASTER),
        alias=text(found.get(_IFLA_IFALIAS, b"")),
        operstate=_operstate(number(found.get(_IFLA_OPERSTATE, b""))),
        peer_index=_optional(found, _IFLA_LINK) if kind == "veth" else None,
        lower_index=_optional(found, _IFLA_LINK) if kind in _ON_TOP else None,
        mode=_mode(kind, number(details.get(_TUN_TYPE if kind == "tun" else _MODE, b""))),
        vlan_id=number(details.get(_VLAN_ID, b"")) if kind == "vlan" else 0,
        owner=_optional(tap, _TUN_OWNER),
        group=_optional(tap, _TUN_GROUP),
        multi_queue=_flag(tap, _TUN_MULTI_QUEUE),
        vrf_table=number(details.get(_VRF_TABLE, b"")) if kind == "vrf" else 0,
        parent=text(found.get(_IFLA_PARENT_DEV_NAME, b"")),
        parent_bus=text(found.get(_IFLA_PARENT_DEV_BUS_NAME, b"")),
        bcqueuelen=number(details.get(_MACVLAN_QUEUE, b"")) if kind == "macvlan" else 0,
        promisc=bool(flags & _IFF_PROMISC),
        allmulti=bool(flags & _IFF_ALLMULTI),
        tx_queue_length=number(found.get(_IFLA_TXQLEN, b"")),
        promiscuity=number(found.get(_IFLA_PROMISCUITY, b"")),
        hairpin=_flag(port, _PORT_HAIRPIN),
        isolated=_flag(port, _PORT_ISOLATED),
        forwards=number(port.get(_PORT_STATE, b"")) == _FORWARDING if is_port else None,
        stp=bool(number(bridge.get(_BRIDGE_STP, b""))),
        # A kernel that cannot says "off", and nothing of a default VLAN.
        vlan_filtering=(
            _flag(bridge, _BRIDGE_VLAN_FILTERING) if _BRIDGE_DEFAULT_VLAN in bridge else None
        ),
        default_vlan=number(bridge.get(_BRIDGE_DEFAULT_VLAN, b"")),
    )


def addresses(index: int, messages: list[bytes]) -> list[Address]:
    """The addresses of one link; an older kernel sends those of all."""
    return [
        _address(each) for each in messages if _ADDRESS.unpack_from(each, HEADER.size)[-1] == index
    ]


def routes(data: bytes) -> list[KernelRoute]:
    """The next hops of one unicast route; nothing for a route of another kind or the local table."""
    fields, found = parts(data, _ROUTE)
    family, dst_len, _, _, small, protocol, scope, kind, flags = fields
    table = number(found.get(_RTA_TABLE, b"")) or small
    if kind != _UNICAST or table == _LOCAL_TABLE:
        return []
    metrics = dict(attributes(found.get(_RTA_METRICS, b"")))
    start = ip_address(found.get(_RTA_DST) or _ANYWHERE[family])
    src = found.get(_RTA_PREFSRC)
    plain = (found.get(_RTA_GATEWAY), _optional(found, _RTA_OIF), flags)
    return [
        KernelRoute(
            dst=ip_network(f"{start}/{dst_len}"),
            gw=ip_address(gw) if gw else None,
            index=index,
            table=table,
            priority=number(found.get(_RTA_PRIORITY, b"")),
            scope=scope,
            mtu=number(metrics.get(_METRIC_MTU, b"")),
            advmss=number(metrics.get(_METRIC_ADVMSS, b"")),
            src=ip_address(src) if src else None,
            protocol=protocol,
            onlink=bool(flags & _ONLINK),
        )
        for gw, index, flags in _hops(found.get(_RTA_MULTIPATH, b"")) or [plain]
    ]


def way(data: bytes) -> int | None:
    """The link a looked-up route goes by."""
    return _optional(parts(data, _ROUTE)[1], _RTA_OIF)


def parts(data: bytes, layout: struct.Struct) -> tuple[tuple[Any, ...], _Found]:
    """The fields a message begins with, and its attributes."""
    found = dict(attributes(data[HEADER.size + layout.size :]))
    return layout.unpack_from(data, HEADER.size), found


def _optional(found: _Found, kind: int) -> int | None:
    return number(found[kind]) if kind in found else None


def _flag(found: _Found, kind: int) -> bool | None:
    return bool(number(found[kind])) if kind in found else None


def _operstate(state: int) -> str:
    return _OPERSTATES[state] if state < len(_OPERSTATES) else "unknown"


def _mode(kind: str, mode: int) -> str:
    if kind == "ipvlan":
        return IPVLAN_MODES[mode]
    names = {"tun": _TUN_TYPES, "macvlan": _MACVLAN_MODES}.get(kind, {})
    return names.get(mode, "")


def _hops(data: bytes) -> list[tuple[bytes | None, int | None, int]]:
    """Gateway, link and flags of each way of a route that has several."""
    found: list[tuple[bytes | None, int | None, int]] = []
    while len(data) >= _HOP.size:
        length, flags, _, index = _HOP.unpack_from(data)
        gw = dict(attributes(data[_HOP.size : length])).get(_RTA_GATEWAY)
        found.append((gw, index, flags))
        data = data[max(_HOP.size, (length + 3) & ~3) :]
    return found


def _address(data: bytes) -> Address:
    (_, prefix, flags, scope, _), found = parts(data, _ADDRESS)
    end = found.get(_IFA_ADDRESS, b"")
    local = found.get(_IFA_LOCAL, end)
    broadcast = found.get(_IFA_BROADCAST)
    return Address(
        interface=ip_interface(f"{ip_address(local)}/{prefix}"),
        flags=number(found[_IFA_FLAGS]) if _IFA_FLAGS in found else flags,
        peer=ip_address(end) if end != local else None,
        broadcast=ip_address(broadcast) if broadcast else None,
        label=text(found.get(_IFA_LABEL, b"")),
        priority=number(found.get(_IFA_PRIORITY, b"")),
        scope=scope,
    )
