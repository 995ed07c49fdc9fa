"""The real kernel: one namespace's links, addresses and routes over rtnetlink."""

# ruff: noqa: PLC0415  # late imports: few plugins make taps or put ports into VLANs

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from cnisdk._net._kernel import _answers, _requests
from cnisdk._net._kernel._routing import RoutingKernel, route_name
from cnisdk._net._kernel._shaping import Shaping
from cnisdk._net._kernel._sysfs import SysfsKernel
from cnisdk._net._netlink import KernelRefusal, Netlink
from cnisdk._net._setns import entered
from cnisdk._net._types import Address, KernelRoute, Link, PortVlan


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._net._protocol import ContainerLinkSpec, Kernel, PeerSpec
    from cnisdk._result import IpAddress, IpInterface

_GROUP_LINK, _GROUP_ADDR6 = 1 << 0, 1 << 8
_CLOSED = -1


class NetlinkKernel(Shaping, RoutingKernel, SysfsKernel):
    """Implements `Kernel` for a real namespace.

    Args:
        netns_fd: The namespace, owned from now on; None for the one the process is in.
    """

    def __init__(self, netns_fd: int | None = None) -> None:
        self.netns_fd = netns_fd
        self._netlink = Netlink(netns_fd)

    def __del__(self) -> None:
        # A handler need not close what it was given.
        if hasattr(self, "_netlink"):
            self.close()

    # ---- links ----------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        """The link of this name."""
        return self._one_link(_requests.get_link(name=name))

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index."""
        return self._one_link(_requests.get_link(index=index))

    def links(self) -> list[Link]:
        """All links."""
        return [_answers.link(each) for each in self._netlink.dump(_requests.dump_links())]

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
        vlan_filtering: bool = False,
    ) -> Link:
        """Make a link with all it has at once; but the kernel takes the alias only afterwards."""
        new = _requests.new_link(
            name, kind, mac=mac, mtu=mtu, master=master, peer=peer, vlan_filtering=vlan_filtering
        )
        get = _requests.get_link(name=name)
        # Not in one go with the alias: the kernel goes on after a refusal, and would give the alias to
        # whoever has the name.
        self._netlink.batch([new])
        link = _answers.link(self._netlink.batch([get])[0][0])
        if not alias:
            return link
        self._netlink.batch([_requests.change_link(link.index, alias=alias)])
        return attrs.evolve(link, alias=alias)

    def add_container_link(
        self,
        name: str,
        spec: ContainerLinkSpec,
        *,
        into: Kernel,
        temporary: str,
        alias: str = "",
    ) -> Link:
        """Make a link in another namespace; name and owner come in one message."""
        self._netlink.batch([_requests.new_container_link(temporary, spec, into)])
        made = into.link(temporary)
        if made is None:
            raise OSError(errno.ENODEV, "the new link has gone")
        into.change_link(made.index, name=name, alias=alias)
        return attrs.evolve(made, name=name, alias=alias)

    def add_tap(
        self, name: str, *, owner: int | None, group: int | None, multi_queue: bool
    ) -> Link:
        """Make a tap device; netlink cannot."""
        from cnisdk._net._kernel._tap import make_tap

        with entered(self.netns_fd):
            make_tap(name, owner=owner, group=group, multi_queue=multi_queue)
        made = self.link(name)
        if made is None:
            raise OSError(errno.ENODEV, "the new tap has gone")
        return made

    def change_link(self, index: int, *, into: Kernel | None = None, **changes: Any) -> None:
        """Change what is given."""
        if into is None:
            self._netlink.batch([_requests.change_link(index, **changes)])
            return
        with _opened(getattr(into, "netns_fd", None)) as fd:
            self._netlink.batch([_requests.change_link(index, netns_fd=fd, **changes)])

    def remove_link(self, index: int) -> None:
        """Remove a link."""
        self._netlink.batch([_requests.remove_link(index)])

    def port_vlans(self, index: int) -> list[PortVlan]:
        """The VLANs of a bridge port."""
        from cnisdk._net._kernel import _vlans

        return _vlans.of_port(index, self._netlink.dump(_vlans.dump_ports()))

    def change_port_vlans(
        self, index: int, *, add: Sequence[PortVlan], remove: Collection[int] = ()
    ) -> None:
        """Take a bridge port out of VLANs and into others: one send."""
        from cnisdk._net._kernel import _vlans

        requests = [_vlans.remove(index, remove)] if remove else []
        self._netlink.batch([*requests, _vlans.add(index, add)])

    def _one_link(self, request: bytearray) -> Link | None:
        try:
            answers = self._netlink.batch([request])
        except KernelRefusal as refusal:
            if refusal.errno in {errno.ENODEV, errno.ENXIO}:
                return None
            raise
        return _answers.link(answers[0][0])

    # ---- addresses and routes -------------------------------------------------------------------

    def addresses(self, index: int) -> list[Address]:
        """The addresses of a link."""
        return _answers.addresses(index, self._netlink.dump(_requests.dump_addresses(index)))

    def add_address(self, index: int, address: IpInterface) -> None:
        """Add an address; no duplicate address detection, for the link is ours."""
        self._netlink.batch([_requests.new_address(index, address, dad=False)])

    def put_back_addresses(self, index: int, addresses: Sequence[Address]) -> None:
        """Add addresses as they were found, in one send."""
        self._netlink.batch([_requests.same_address(index, each) for each in addresses])

    def remove_address(self, index: int, address: IpInterface) -> None:
        """Remove an address."""
        self._netlink.batch([_requests.remove_address(index, address)])

    def routes(self) -> list[KernelRoute]:
        """All unicast routes of all tables but the local one."""
        found: list[KernelRoute] = []
        for version in _requests.FAMILY:
            for message in self._netlink.dump(_requests.dump_routes(version)):
                found += _answers.routes(message)
        return found

    def way_to(self, address: IpAddress) -> int | None:
        """Index of the link packets to an address go by; that of lo for a local one, None without route."""
        try:
            (answers,) = self._netlink.batch([_requests.get_route(address)])
        except KernelRefusal as refusal:
            if refusal.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES}:
                return None
            raise
        return _answers.way(answers[0]) if answers else None

    def configure(
        self,
        index: int,
        *,
        addresses: Sequence[IpInterface],
        routes: Sequence[KernelRoute],
        up: bool,
        dad: bool,
        connected: bool = True,
    ) -> None:
        """Add addresses, set the link up, add routes: one send."""
        requests = [
            _requests.new_address(index, each, dad=dad, connected=connected) for each in addresses
        ]
        names = [f"address {each}" for each in addresses]
        if up:
            requests.append(_requests.change_link(index, up=True))
            names.append("link up")
        requests += [_requests.new_route(index, each) for each in routes]
        names += [route_name(each) for each in routes]
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

    def wait_addresses(
        self, index: int, deadline: Deadline, *, of: Collection[IpInterface] | None = None
    ) -> list[Address]:
        """Wait until no address is tentative, woken by the kernel's events."""
        events = Netlink(self.netns_fd, _GROUP_ADDR6)
        try:
            while True:
                found = self.addresses(index)
                waiting = [each for each in found if each.tentative and not each.duplicate]
                settled = not any(of is None or each.interface in of for each in waiting)
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
        # Not None: what is closed must not become the namespace the process is in.
        fd, self.netns_fd = self.netns_fd, _CLOSED
        if fd is not None and fd != _CLOSED:
            os.close(fd)


@contextmanager
def _opened(netns_fd: int | None) -> Generator[int]:
    """A namespace's descriptor; None is the one the thread is in."""
    if netns_fd is not None:
        yield netns_fd
        return
    fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
