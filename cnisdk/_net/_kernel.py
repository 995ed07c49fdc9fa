"""The real kernel: one namespace's links, addresses and routes over rtnetlink."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any

from cnisdk._net._messages import AddressMessage, LinkMessage, RouteMessage
from cnisdk._net._netlink import KernelRefusal, Netlink
from cnisdk._net._setns import entered
from cnisdk._net._types import IFA_F_NODAD, MAIN_TABLE, Address, KernelRoute, Link


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._net._protocol import PeerSpec
    from cnisdk._result import IpInterface

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _GETROUTE = 24, 26
_REQUEST, _ACK, _EXCL, _CREATE, _DUMP = 0x1, 0x4, 0x200, 0x400, 0x300
_IFF_UP, _IFF_PROMISC = 0x1, 0x100
_GROUP_LINK, _GROUP_ADDR6 = 1 << 0, 1 << 8
_FAMILY = {4: 2, 6: 10}
_LARGEST_PREFIX_WITH_BROADCAST = 30
_UNICAST, _LOCAL_TABLE, _BOOT = 1, 255, 3


class NetlinkKernel:
    """Implements `Kernel` for a real namespace.

    Args:
        netns_fd: The namespace; None for the one the process is in.
    """

    def __init__(self, netns_fd: int | None = None) -> None:
        self.netns_fd = netns_fd
        self._netlink = Netlink(netns_fd)

    # ---- links ----------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        """The link of this name."""
        return self._one_link(_request(LinkMessage, _GETLINK, attrs=[("IFLA_IFNAME", name)]))

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index."""
        return self._one_link(_request(LinkMessage, _GETLINK, fields={"index": index}))

    def links(self) -> list[Link]:
        """All links."""
        request = _request(LinkMessage, _GETLINK, flags=_REQUEST | _DUMP)
        return [_link(_decoded(LinkMessage, each)) for each in self._netlink.dump(request)]

    def add_link(
        self,
        name: str,
        kind: str,
        *,
        mac: str,
        mtu: int = 0,
        alias: str = "",
        master: int | None = None,
        peer: PeerSpec | None = None,
    ) -> Link:
        """Make a link with all it has in one send; the kernel takes the alias only afterwards."""
        info: list[tuple[str, Any]] = [("IFLA_INFO_KIND", kind)]
        attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac)]
        if peer is not None:
            info.append(("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", _peer(peer, mtu))]}))
        if mtu:
            attrs.append(("IFLA_MTU", mtu))
        if master is not None:
            attrs.append(("IFLA_MASTER", master))
        attrs.append(("IFLA_LINKINFO", {"attrs": info}))
        requests = [_request(LinkMessage, _NEWLINK, attrs=attrs, flags=_CREATE | _EXCL)]
        if alias:
            requests.append(
                _request(
                    LinkMessage, _SETLINK, attrs=[("IFLA_IFNAME", name), ("IFLA_IFALIAS", alias)]
                )
            )
        requests.append(_request(LinkMessage, _GETLINK, attrs=[("IFLA_IFNAME", name)]))
        answers = self._netlink.batch(requests)
        return _link(_decoded(LinkMessage, answers[-1][0]))

    def change_link(
        self,
        index: int,
        *,
        up: bool | None = None,
        mac: str = "",
        mtu: int = 0,
        alias: str | None = None,
        promisc: bool | None = None,
        hairpin: bool | None = None,
        isolated: bool | None = None,
    ) -> None:
        """Change what is given."""
        attrs: list[tuple[str, Any]] = []
        if mac:
            attrs.append(("IFLA_ADDRESS", mac))
        if mtu:
            attrs.append(("IFLA_MTU", mtu))
        if alias is not None:
            attrs.append(("IFLA_IFALIAS", alias))
        wanted = {_IFF_UP: up, _IFF_PROMISC: promisc}
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
        # RTM_NEWLINK without NLM_F_CREATE changes what is there; RTM_SETLINK ignores slave data.
        self._netlink.batch([_request(LinkMessage, _NEWLINK, fields=fields, attrs=attrs)])

    def remove_link(self, index: int) -> None:
        """Remove a link."""
        self._netlink.batch([_request(LinkMessage, _DELLINK, fields={"index": index})])

    # ---- addresses and routes -------------------------------------------------------------------

    def addresses(self, index: int) -> list[Address]:
        """The addresses of a link."""
        request = _request(
            AddressMessage, _GETADDR, fields={"index": index}, flags=_REQUEST | _DUMP
        )
        found = [_decoded(AddressMessage, each) for each in self._netlink.dump(request)]
        return [_address(each) for each in found if each["index"] == index]

    def add_address(self, index: int, address: IpInterface) -> None:
        """Add an address; no duplicate address detection, for the link is ours."""
        self._netlink.batch([_new_address(index, address, dad=False)])

    def remove_address(self, index: int, address: IpInterface) -> None:
        """Remove an address."""
        request = _request(
            AddressMessage,
            _DELADDR,
            fields=_address_fields(index, address),
            attrs=[("IFA_LOCAL", str(address.ip))],
        )
        self._netlink.batch([request])

    def routes(self) -> list[KernelRoute]:
        """All unicast routes of all tables but the local one."""
        found: list[KernelRoute] = []
        for family in _FAMILY.values():
            request = _request(
                RouteMessage, _GETROUTE, fields={"family": family}, flags=_REQUEST | _DUMP
            )
            for message in self._netlink.dump(request):
                found += _routes(_decoded(RouteMessage, message))
        return found

    def configure(
        self,
        index: int,
        *,
        addresses: Sequence[IpInterface],
        routes: Sequence[KernelRoute],
        up: bool,
        dad: bool,
    ) -> None:
        """Add addresses, set the link up, add routes: one send."""
        requests = [_new_address(index, each, dad=dad) for each in addresses]
        names = [f"address {each}" for each in addresses]
        if up:
            fields = {"index": index, "flags": _IFF_UP, "change": _IFF_UP}
            requests.append(_request(LinkMessage, _SETLINK, fields=fields))
            names.append("link up")
        requests += [_new_route(index, each) for each in routes]
        names += [_route_name(each) for each in routes]
        if not requests:
            return
        try:
            self._netlink.batch(requests)
        except KernelRefusal as refusal:
            number, text = refusal.errno or errno.EIO, refusal.strerror
            raise OSError(number, f"{names[refusal.position]}: {text}") from refusal

    # ---- waiting --------------------------------------------------------------------------------

    def wait_link(
        self, name: str, ready: Callable[[Link], bool], deadline: Deadline
    ) -> Link | None:
        """Wait for a state of a link, woken by the kernel's events."""
        link = self.link(name)
        if link is None or ready(link):
            return link
        events = Netlink(self.netns_fd, _GROUP_LINK)
        try:
            while True:
                link = self.link(name)
                if link is None or ready(link) or not events.wait(deadline.remaining()):
                    return link
        finally:
            events.close()

    def wait_addresses(self, index: int, deadline: Deadline) -> list[Address]:
        """Wait until no address is tentative, woken by the kernel's events."""
        events = Netlink(self.netns_fd, _GROUP_ADDR6)
        try:
            while True:
                found = self.addresses(index)
                settled = not any(each.tentative and not each.duplicate for each in found)
                if settled or not events.wait(deadline.remaining()):
                    return found
        finally:
            events.close()

    # ---- sysctls --------------------------------------------------------------------------------

    def sysctl(self, name: str) -> str | None:
        """A value below /proc/sys/net."""
        try:
            with entered(self.netns_fd), open(f"/proc/sys/net/{name}", encoding="ascii") as file:
                return file.read().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def set_sysctl(self, name: str, value: str) -> None:
        """Write a value below /proc/sys/net."""
        with entered(self.netns_fd):
            fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the socket and the namespace."""
        self._netlink.close()
        if self.netns_fd is not None:
            os.close(self.netns_fd)

    def _one_link(self, request: bytearray) -> Link | None:
        try:
            answers = self._netlink.batch([request])
        except KernelRefusal as refusal:
            if refusal.errno in {errno.ENODEV, errno.ENXIO}:
                return None
            raise
        return _link(_decoded(LinkMessage, answers[0][0]))


# ---- messages -----------------------------------------------------------------------------------


def _request(
    message_class: Any,
    kind: int,
    *,
    fields: Mapping[str, int] | None = None,
    attrs: Sequence[tuple[str, Any]] = (),
    flags: int = 0,
) -> bytearray:
    message = message_class()
    for name, value in (fields or {}).items():
        message[name] = value
    message["attrs"] = list(attrs)
    message["header"]["type"] = kind
    message["header"]["flags"] = flags if flags & _DUMP == _DUMP else _REQUEST | _ACK | flags
    message.encode()
    return bytearray(message.data)


def _decoded(message_class: Any, data: bytes) -> Any:
    message = message_class(data)
    message.decode()
    return message


def _peer(peer: PeerSpec, mtu: int) -> dict[str, Any]:
    attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", peer.name), ("IFLA_ADDRESS", peer.mac)]
    if mtu:
        attrs.append(("IFLA_MTU", mtu))
    fd = getattr(peer.kernel, "netns_fd", None)
    if fd is not None:
        attrs.append(("IFLA_NET_NS_FD", fd))
    return {"attrs": attrs}


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
    port = None
    if info is not None and info.get_attr("IFLA_INFO_SLAVE_KIND") == "bridge":
        port = info.get_attr("IFLA_INFO_SLAVE_DATA")
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
        promiscuity=message.get_attr("IFLA_PROMISCUITY") or 0,
        hairpin=_port_flag(port, "IFLA_BRPORT_MODE"),
        isolated=_port_flag(port, "IFLA_BRPORT_ISOLATED"),
    )


def _port_flag(port: Any, name: str) -> bool | None:
    value = port.get_attr(name) if port is not None else None
    return None if value is None else bool(value)


def _address_fields(index: int, address: IpInterface) -> dict[str, int]:
    prefix = address.network.prefixlen
    return {"index": index, "family": _FAMILY[address.version], "prefixlen": prefix}


def _new_address(index: int, address: IpInterface, *, dad: bool) -> bytearray:
    attrs: list[tuple[str, Any]] = [
        ("IFA_LOCAL", str(address.ip)),
        ("IFA_ADDRESS", str(address.ip)),
    ]
    if address.version == 4 and address.network.prefixlen <= _LARGEST_PREFIX_WITH_BROADCAST:
        attrs.append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    if address.version == 6 and not dad:
        attrs.append(("IFA_FLAGS", IFA_F_NODAD))
    return _request(
        AddressMessage,
        _NEWADDR,
        fields=_address_fields(index, address),
        attrs=attrs,
        flags=_CREATE | _EXCL,
    )


def _address(message: Any) -> Address:
    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS")
    return Address(
        interface=ip_interface(f"{text}/{message['prefixlen']}"),
        flags=message["flags"] if flags is None else flags,
    )


def _new_route(index: int, route: KernelRoute) -> bytearray:
    attrs: list[tuple[str, Any]] = [("RTA_OIF", index), ("RTA_TABLE", route.table)]
    if route.dst.prefixlen:
        attrs.append(("RTA_DST", str(route.dst.network_address)))
    if route.gw is not None:
        attrs.append(("RTA_GATEWAY", str(route.gw)))
    if route.priority:
        attrs.append(("RTA_PRIORITY", route.priority))
    metrics: list[tuple[str, int]] = []
    if route.mtu:
        metrics.append(("RTAX_MTU", route.mtu))
    if route.advmss:
        metrics.append(("RTAX_ADVMSS", route.advmss))
    if metrics:
        attrs.append(("RTA_METRICS", {"attrs": metrics}))
    fields = {
        "family": _FAMILY[route.dst.version],
        "dst_len": route.dst.prefixlen,
        "table": route.table if route.table < 256 else 252,
        "proto": _BOOT,
        "type": _UNICAST,
        "scope": route.scope or 0,
    }
    # Not exclusive: several gateways for one destination may stand side by side.
    return _request(RouteMessage, _NEWROUTE, fields=fields, attrs=attrs, flags=_CREATE)


def _route_name(route: KernelRoute) -> str:
    return f"route to {route.dst}" + (f" by {route.gw}" if route.gw else "")


def _routes(message: Any) -> list[KernelRoute]:
    """The next hops of one route."""
    table = message.get_attr("RTA_TABLE") or message["table"]
    if message["type"] != _UNICAST or table == _LOCAL_TABLE:
        return []
    metrics = message.get_attr("RTA_METRICS")
    default = "0.0.0.0" if message["family"] == _FAMILY[4] else "::"
    dst = ip_network(f"{message.get_attr('RTA_DST') or default}/{message['dst_len']}")
    hops = message.get_attr("RTA_MULTIPATH")
    ends = (
        [(hop.get_attr("RTA_GATEWAY"), hop["oif"]) for hop in hops]
        if hops
        else [(message.get_attr("RTA_GATEWAY"), message.get_attr("RTA_OIF"))]
    )
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
        )
        for gw, index in ends
    ]


__all__ = ["MAIN_TABLE", "NetlinkKernel"]
