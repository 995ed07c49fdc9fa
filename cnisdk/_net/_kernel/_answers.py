"""What the kernel answers, as facts."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from cnisdk._net._kernel._messages import AddressMessage, LinkMessage, RouteMessage
from cnisdk._net._kernel._requests import IPVLAN_MODES
from cnisdk._net._types import Address, KernelRoute, Link


_IFF_UP, _IFF_PROMISC, _IFF_ALLMULTI = 0x1, 0x100, 0x200
_ON_TOP = ("macvlan", "ipvlan", "vlan")
_UNICAST, _LOCAL_TABLE = 1, 255
_ONLINK = 0x4
_FORWARDING = 3
_TUN_TYPES = {1: "tun", 2: "tap"}
_ANYWHERE = {2: "0.0.0.0", 10: "::"}  # noqa: S104  # by address family; nothing is bound


def link(data: bytes) -> Link:
    """A link."""
    message = decoded(LinkMessage, data)
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
    port = None
    if info is not None and info.get_attr("IFLA_INFO_SLAVE_KIND") == "bridge":
        port = info.get_attr("IFLA_INFO_SLAVE_DATA")
    details = None
    if info is not None and kind in {*_ON_TOP, "tun", "vrf"}:
        details = info.get_attr("IFLA_INFO_DATA")
    bridge = info.get_attr("IFLA_INFO_DATA") if info is not None and kind == "bridge" else None
    tap = details if kind == "tun" else None
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME") or "",
        kind=kind,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU") or 0,
        up=bool(message["flags"] & _IFF_UP),
        master=message.get_attr("IFLA_MASTER"),
        alias=message.get_attr("IFLA_IFALIAS") or "",
        operstate=(message.get_attr("IFLA_OPERSTATE") or "unknown").lower(),
        peer_index=message.get_attr("IFLA_LINK") if kind == "veth" else None,
        lower_index=message.get_attr("IFLA_LINK") if kind in _ON_TOP else None,
        mode=_mode(kind, details),
        vlan_id=_detail(details, "IFLA_VLAN_ID"),
        owner=tap.get_attr("IFLA_TUN_OWNER") if tap else None,
        group=tap.get_attr("IFLA_TUN_GROUP") if tap else None,
        multi_queue=_flag(tap, "IFLA_TUN_MULTI_QUEUE"),
        vrf_table=_detail(details, "IFLA_VRF_TABLE"),
        parent=message.get_attr("IFLA_PARENT_DEV_NAME") or "",
        parent_bus=message.get_attr("IFLA_PARENT_DEV_BUS_NAME") or "",
        bcqueuelen=_detail(details, "IFLA_MACVLAN_BC_QUEUE_LEN"),
        promisc=bool(message["flags"] & _IFF_PROMISC),
        allmulti=bool(message["flags"] & _IFF_ALLMULTI),
        tx_queue_length=message.get_attr("IFLA_TXQLEN") or 0,
        promiscuity=message.get_attr("IFLA_PROMISCUITY") or 0,
        hairpin=_flag(port, "IFLA_BRPORT_MODE"),
        isolated=_flag(port, "IFLA_BRPORT_ISOLATED"),
        forwards=port.get_attr("IFLA_BRPORT_STATE") == _FORWARDING if port is not None else None,
        stp=bool(_detail(bridge, "IFLA_BR_STP_STATE")),
        vlan_filtering=_vlan_filtering(bridge),
        default_vlan=_detail(bridge, "IFLA_BR_VLAN_DEFAULT_PVID"),
    )


def addresses(index: int, messages: list[bytes]) -> list[Address]:
    """The addresses of one link; an older kernel sends those of all."""
    found = [decoded(AddressMessage, each) for each in messages]
    return [_address(each) for each in found if each["index"] == index]


def routes(data: bytes) -> list[KernelRoute]:
    """The next hops of one unicast route; nothing for a route of another kind or the local table."""
    message = decoded(RouteMessage, data)
    table = message.get_attr("RTA_TABLE") or message["table"]
    if message["type"] != _UNICAST or table == _LOCAL_TABLE:
        return []
    metrics = message.get_attr("RTA_METRICS")
    start = message.get_attr("RTA_DST") or _ANYWHERE[message["family"]]
    dst = ip_network(f"{start}/{message['dst_len']}")
    hops = message.get_attr("RTA_MULTIPATH")
    ends = (
        [(hop.get_attr("RTA_GATEWAY"), hop["oif"], hop["flags"]) for hop in hops]
        if hops
        else [(message.get_attr("RTA_GATEWAY"), message.get_attr("RTA_OIF"), message["flags"])]
    )
    src = message.get_attr("RTA_PREFSRC")
    return [
        KernelRoute(
            dst=dst,
            gw=ip_address(gw) if gw else None,
            index=index,
            table=table,
            priority=message.get_attr("RTA_PRIORITY") or 0,
            scope=message["scope"],
            mtu=(metrics.get_attr("RTAX_MTU") if metrics else 0) or 0,
            advmss=(metrics.get_attr("RTAX_ADVMSS") if metrics else 0) or 0,
            src=ip_address(src) if src else None,
            protocol=message["proto"],
            onlink=bool(flags & _ONLINK),
        )
        for gw, index, flags in ends
    ]


def way(data: bytes) -> int | None:
    """The link a looked-up route goes by."""
    index: int | None = decoded(RouteMessage, data).get_attr("RTA_OIF")
    return index


def decoded(message_class: Any, data: bytes) -> Any:
    """A message with its attributes."""
    message = message_class(data)
    message.decode()
    return message


def _flag(data: Any, name: str) -> bool | None:
    value = data.get_attr(name) if data is not None else None
    return None if value is None else bool(value)


def _vlan_filtering(bridge: Any) -> bool | None:
    # A kernel that cannot says "off", and nothing of a default VLAN.
    if bridge is None or bridge.get_attr("IFLA_BR_VLAN_DEFAULT_PVID") is None:
        return None
    return _flag(bridge, "IFLA_BR_VLAN_FILTERING")


def _detail(details: Any, name: str) -> int:
    return (details.get_attr(name) if details is not None else 0) or 0


def _mode(kind: str, details: Any) -> str:
    if details is None or kind in {"vlan", "vrf"}:
        return ""
    if kind == "tun":
        return _TUN_TYPES.get(_detail(details, "IFLA_TUN_TYPE"), "")
    if kind == "ipvlan":
        return IPVLAN_MODES[_detail(details, "IFLA_IPVLAN_MODE")]
    return str(details.get_attr("IFLA_MACVLAN_MODE"))


def _address(message: Any) -> Address:
    end = message.get_attr("IFA_ADDRESS")
    text = message.get_attr("IFA_LOCAL") or end
    broadcast = message.get_attr("IFA_BROADCAST")
    flags = message.get_attr("IFA_FLAGS")
    return Address(
        interface=ip_interface(f"{text}/{message['prefixlen']}"),
        flags=message["flags"] if flags is None else flags,
        peer=ip_address(end) if end and end != text else None,
        broadcast=ip_address(broadcast) if broadcast else None,
        label=message.get_attr("IFA_LABEL") or "",
        priority=message.get_attr("IFA_RT_PRIORITY") or 0,
        scope=message["scope"],
    )
