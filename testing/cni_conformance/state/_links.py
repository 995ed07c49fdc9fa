"""Links, addresses, routes, rules, neighbours and traffic control of the current namespace."""

from __future__ import annotations

import ipaddress
from typing import Any

from pyroute2 import IPRoute


_IFF_UP = 0x1
_IFF_PROMISC = 0x100
_IFF_ALLMULTI = 0x200
_NUD_PERMANENT = 0x80
_RT_TABLE_LOCAL = 255
_BY_THE_KERNEL = 2
_DEFAULT_RULES = {0, 32766, 32767}
_ANY = {2: "0.0.0.0", 10: "::"}  # noqa: S104
_RTN = {1: "", 2: "local ", 3: "broadcast ", 5: "multicast ", 6: "blackhole ", 7: "unreachable "}


def of_this_namespace() -> dict[str, list[str]]:
    """All of it, a topic at a time."""
    with IPRoute() as netlink:
        links = list(netlink.get_links())
        names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in links}
        return {
            "link": [_link(link, names) for link in links],
            "address": [
                line for message in netlink.get_addr() if (line := _address(message, names))
            ],
            "route": [
                line
                for family in (2, 10)
                for message in netlink.get_routes(family=family)
                if (line := _route(message, names))
            ],
            "rule": [
                line
                for family in (2, 10)
                for message in netlink.get_rules(family=family)
                if (line := _rule(message))
            ],
            "neighbour": [
                line for message in netlink.get_neighbours() if (line := _neighbour(message, names))
            ],
            "qdisc": [line for message in netlink.get_qdiscs() if (line := _qdisc(message, names))],
            "filter": _filters(netlink, names),
        }


def _link(message: Any, names: dict[int, str]) -> str:
    flags = message["flags"]
    info = message.get_attr("IFLA_LINKINFO")
    words = [
        str(message.get_attr("IFLA_IFNAME")),
        str(info.get_attr("IFLA_INFO_KIND")) if info else "",
        "up" if flags & _IFF_UP else "down",
        f"mtu {message.get_attr('IFLA_MTU')}",
        f"mac {message.get_attr('IFLA_ADDRESS')}",
        f"txqlen {message.get_attr('IFLA_TXQLEN')}",
    ]
    words += ["promisc"] if flags & _IFF_PROMISC else []
    words += ["allmulti"] if flags & _IFF_ALLMULTI else []
    master = message.get_attr("IFLA_MASTER")
    words += [f"master {names.get(master, master)}"] if master else []
    alias = message.get_attr("IFLA_IFALIAS")
    words += [f"alias {alias!r}"] if alias else []
    return " ".join(word for word in words if word)


def _address(message: Any, names: dict[int, str]) -> str:
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    if ipaddress.ip_address(address).is_link_local and message["family"] == 10:
        return ""  # comes and goes with the link, later than the link
    return (
        f"{names.get(message['index'])} {address}/{message['prefixlen']} scope {message['scope']}"
    )


def _route(message: Any, names: dict[int, str]) -> str:
    table = message.get_attr("RTA_TABLE") or message["table"]
    destination = message.get_attr("RTA_DST") or _ANY[message["family"]]
    if table == _RT_TABLE_LOCAL or message["flags"] & 0x200:  # RTM_F_CLONED: a cache entry
        return ""
    if message["family"] == 10 and ipaddress.ip_address(destination).is_link_local:
        return ""
    if ipaddress.ip_address(destination).is_multicast:
        return ""
    words = [f"{_RTN.get(message['type'], str(message['type']))}{destination}/{message['dst_len']}"]
    device = message.get_attr("RTA_OIF")
    for key, value in (
        ("via", message.get_attr("RTA_GATEWAY")),
        ("dev", names.get(device, device) if device else None),
        ("src", message.get_attr("RTA_PREFSRC")),
        ("metric", message.get_attr("RTA_PRIORITY")),
        ("table", None if table == 254 else table),
        ("scope", message["scope"] or None),
    ):
        words += [f"{key} {value}"] if value is not None else []
    metrics = message.get_attr("RTA_METRICS")
    if metrics:
        words += [f"{key.removeprefix('RTAX_').lower()} {value}" for key, value in metrics["attrs"]]
    return " ".join(words)


def _rule(message: Any) -> str:
    priority = message.get_attr("FRA_PRIORITY") or 0
    table = message.get_attr("FRA_TABLE") or message["table"]
    if priority in _DEFAULT_RULES and table in {253, 254, 255}:
        return ""
    if message.get_attr("FRA_L3MDEV") and message.get_attr("FRA_PROTOCOL") == _BY_THE_KERNEL:
        return ""  # comes with the first VRF of a namespace, and stays when the last one has gone
    family = "inet6" if message["family"] == 10 else "inet"
    words = [f"{family} {priority}:"]
    for key, name, length in (
        ("from", "FRA_SRC", "src_len"),
        ("to", "FRA_DST", "dst_len"),
    ):
        address = message.get_attr(name)
        words += [f"{key} {address}/{message[length]}"] if address else []
    for key, name in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME"), ("fwmark", "FRA_FWMARK")):
        value = message.get_attr(name)
        words += [f"{key} {value}"] if value else []
    return " ".join([*words, f"table {table}"])


def _neighbour(message: Any, names: dict[int, str]) -> str:
    if not message["state"] & _NUD_PERMANENT:
        return ""
    address = message.get_attr("NDA_DST")
    return f"{names.get(message['ifindex'])} {address} {message.get_attr('NDA_LLADDR')}"


def _qdisc(message: Any, names: dict[int, str]) -> str:
    if message["handle"] == 0:
        return ""  # the kernel's default
    kind = message.get_attr("TCA_KIND")
    options = message.get_attr("TCA_OPTIONS")
    detail = ""
    if kind == "tbf" and options is not None:
        rate = options.get_attr("TCA_TBF_PARMS")
        detail = f" rate {rate['rate']} buffer {rate['buffer']}" if rate else ""
    return f"{names.get(message['index'])} {kind} handle {message['handle']:#x}{detail}"


def _filters(netlink: IPRoute, names: dict[int, str]) -> list[str]:
    parents = {
        (message["index"], message["handle"])
        for message in netlink.get_qdiscs()
        if message["handle"]
    }
    lines: list[str] = []
    for index, handle in sorted(parents):
        for message in netlink.get_filters(index=index, parent=handle):
            kind = message.get_attr("TCA_KIND")
            if kind:
                lines.append(
                    f"{names.get(index)} {kind} parent {handle:#x} info {message['info']:#x}"
                )
    return lines
