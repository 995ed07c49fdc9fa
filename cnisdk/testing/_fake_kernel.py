"""A fake kernel: the primitives of `cnisdk._net._protocol.Kernel` over plain values.

A contract test runs it side by side with the real one, so that the two cannot drift apart.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, cast

import attrs

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._names import Attachment
from cnisdk._net import Namespace
from cnisdk._net._protocol import PeerSpec
from cnisdk._net._types import MAIN_TABLE, Address, KernelRoute, Link
from cnisdk._result import IpInterface
from cnisdk._rollback import Rollback
from cnisdk.testing._errors import InjectedFault
from cnisdk.testing._fake_firewall import FakeFirewall
from cnisdk.testing._state import HostState, LinkState, NsState


_PER_LINK_SYSCTLS = ("ipv4/conf/", "ipv6/conf/")
_FIRST_FREE_INDEX = 2


class FakeMachine:
    """The host's namespace and the containers', changed in place by one call.

    Args:
        state: What is there before.
        fail_at: The n-th change fails once, counted from 0.
        kill_at: From the n-th change on nothing is changed any more, as after kill -9.
    """

    def __init__(
        self, state: HostState, *, fail_at: int | None = None, kill_at: int | None = None
    ) -> None:
        self.calls = 0
        self.fail_at = fail_at
        self.kill_at = kill_at
        self.spaces: dict[str, FakeKernel] = {}
        self.spaces[""] = FakeKernel(self, "", state.host)
        for path, space in state.namespaces.items():
            self.spaces[path] = FakeKernel(self, path, space)

    def namespace(
        self,
        path: str,
        *,
        owner: Attachment | None = None,
        rollback: Rollback | None = None,
        deadline: Deadline | None = None,
    ) -> Namespace:
        """One of the machine's namespaces, as the real `open_namespace` opens it."""
        kernel = self.spaces.get(path)
        if kernel is None:
            raise errors.InvalidNetns(
                f'CNI_NETNS: cannot open network namespace "{path}": no such file or directory'
            )
        return Namespace(
            kernel,
            lambda: FakeFirewall(kernel.rules, self.change),
            path=path,
            owner=owner,
            rollback=rollback,
            deadline=deadline,
        )

    def change(self, what: str) -> None:
        """Count a change; fail or die at the chosen one."""
        point, self.calls = self.calls, self.calls + 1
        if self.kill_at is not None and point >= self.kill_at:
            raise InjectedFault(errno.EIO, f"killed before {what}")
        if point == self.fail_at:
            raise InjectedFault(errno.EIO, f"injected fault: {what}")

    def state(self) -> HostState:
        """What is there now."""
        return HostState(
            host=self.spaces[""].state(),
            namespaces={path: each.state() for path, each in self.spaces.items() if path},
        )


class FakeKernel:
    """One fake namespace."""

    def __init__(self, machine: FakeMachine, path: str, state: NsState) -> None:
        self.machine = machine
        self.path = path
        self.by_name = dict(state.links)
        self.order = list(state.links)
        self.route_set = set(state.routes)
        self.values = dict(state.sysctls)
        self.rules = set(state.rules)

    def state(self) -> NsState:
        """This namespace as a value."""
        return NsState(
            links=dict(self.by_name),
            routes=frozenset(self.route_set),
            sysctls=dict(self.values),
            rules=frozenset(self.rules),
        )

    # ---- links ----------------------------------------------------------------------------------

    def index(self, name: str) -> int:
        """A link's index; that of a removed link is not used again."""
        return self.order.index(name) + 1

    def name(self, index: int) -> str:
        """The link of an index."""
        name = self.order[index - 1] if 0 < index <= len(self.order) else ""
        if name not in self.by_name:
            raise OSError(errno.ENODEV, "No such device")
        return name

    def link(self, name: str) -> Link | None:
        """The link of this name."""
        state = self.by_name.get(name)
        if state is None:
            return None
        peer = self.machine.spaces.get(state.peer[0]) if state.peer else None
        is_port = bool(state.master)
        return Link(
            index=self.index(name),
            name=name,
            kind=state.kind,
            mac=state.mac,
            mtu=state.mtu,
            up=state.up,
            master=self.index(state.master) if is_port else None,
            alias=state.alias,
            operstate="up" if state.up else "down",
            peer_index=peer.index(state.peer[1]) if peer and state.peer else None,
            promiscuity=int(state.promisc),
            hairpin=state.hairpin if is_port else None,
            isolated=state.isolated if is_port else None,
        )

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index."""
        try:
            return self.link(self.name(index))
        except OSError:
            return None

    def links(self) -> list[Link]:
        """All links."""
        return [link for link in map(self.link, list(self.by_name)) if link is not None]

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
        """Make a link."""
        self.machine.change(f"add {kind} {name}")
        other = peer.kernel if peer is not None else None
        if name in self.by_name:
            raise FileExistsError(errno.EEXIST, "File exists")
        if peer is not None and isinstance(other, FakeKernel):
            if peer.name in other.by_name:
                raise FileExistsError(errno.EEXIST, "File exists")
            other.put(
                peer.name,
                LinkState(kind=kind, mac=peer.mac, mtu=mtu or 1500, peer=(self.path, name)),
            )
        self.put(
            name,
            LinkState(
                kind=kind,
                mac=mac,
                mtu=mtu or 1500,
                alias=alias,
                master=self.name(master) if master is not None else "",
                peer=(other.path, peer.name) if peer and isinstance(other, FakeKernel) else None,
            ),
        )
        return cast("Link", self.link(name))

    def put(self, name: str, state: LinkState) -> None:
        """Place a link."""
        self.by_name[name] = state
        # A name used again gets a new index.
        self.order = [f"({each})" if each == name else each for each in self.order] + [name]

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
        name = self.name(index)
        self.machine.change(f"change {name}")
        given: dict[str, Any] = {"up": up, "mac": mac or None, "mtu": mtu or None, "alias": alias}
        given |= {"promisc": promisc, "hairpin": hairpin, "isolated": isolated}
        changes = {key: value for key, value in given.items() if value is not None}
        self.by_name[name] = attrs.evolve(self.by_name[name], **changes)
        if up is False:
            self.route_set = {each for each in self.route_set if each[2] != name}

    def remove_link(self, index: int) -> None:
        """Remove a link, its peer and its ports' membership."""
        name = self.name(index)
        self.machine.change(f"remove {name}")
        self.drop(name)

    def drop(self, name: str) -> None:
        """Take a link and its peer away."""
        state = self.by_name.pop(name)
        self.route_set = {each for each in self.route_set if each[2] != name}
        self.values = {
            key: value
            for key, value in self.values.items()
            if not (key.startswith(_PER_LINK_SYSCTLS) and key.split("/")[2] == name)
        }
        for other, each in self.by_name.items():
            if each.master == name:
                self.by_name[other] = attrs.evolve(each, master="")
        peer = self.machine.spaces.get(state.peer[0]) if state.peer else None
        if peer is not None and state.peer is not None and state.peer[1] in peer.by_name:
            peer.drop(state.peer[1])

    # ---- addresses and routes -------------------------------------------------------------------

    def addresses(self, index: int) -> list[Address]:
        """The addresses of a link."""
        state = self.by_name[self.name(index)]
        return [Address(interface=ip_interface(each)) for each in state.addresses]

    def add_address(self, index: int, address: IpInterface) -> None:
        """Add an address and, on a link that is up, the route to its subnet."""
        name = self.name(index)
        self.machine.change(f"add {address} to {name}")
        self._add_address(name, address)

    def _add_address(self, name: str, address: IpInterface) -> None:
        state = self.by_name[name]
        if str(address) in state.addresses:
            raise FileExistsError(errno.EEXIST, "File exists")
        self.by_name[name] = attrs.evolve(state, addresses=(*state.addresses, str(address)))
        if state.up:
            self._connect(name, address)

    def _connect(self, name: str, address: IpInterface) -> None:
        network = address.network
        if network.prefixlen != network.max_prefixlen:
            scope = "253" if network.version == 4 else "0"
            priority = "0" if network.version == 4 else "256"
            route = (str(network), "", name, str(MAIN_TABLE), priority, scope, "0", "0")
            self.route_set.add(route)

    def remove_address(self, index: int, address: IpInterface) -> None:
        """Remove an address and the route to its subnet."""
        name = self.name(index)
        self.machine.change(f"remove {address} from {name}")
        state = self.by_name[name]
        rest = tuple(each for each in state.addresses if each != str(address))
        self.by_name[name] = attrs.evolve(state, addresses=rest)
        self.route_set = {
            each
            for each in self.route_set
            if not (each[0] == str(address.network) and each[1] == "" and each[2] == name)
        }

    def routes(self) -> list[KernelRoute]:
        """All routes."""
        return [
            KernelRoute(
                dst=ip_network(dst),
                gw=ip_address(gw) if gw else None,
                index=self.index(name),
                table=int(table),
                priority=int(priority),
                scope=int(scope),
                mtu=int(mtu),
                advmss=int(advmss),
            )
            for dst, gw, name, table, priority, scope, mtu, advmss in sorted(self.route_set)
        ]

    def configure(
        self,
        index: int,
        *,
        addresses: Sequence[IpInterface],
        routes: Sequence[KernelRoute],
        up: bool,
        dad: bool,
    ) -> None:
        """Add addresses, set the link up, add routes."""
        name = self.name(index)
        for address in addresses:
            self.machine.change(f"add {address} to {name}")
            self._add_address(name, address)
        if up:
            self.machine.change(f"set {name} up")
            self.by_name[name] = attrs.evolve(self.by_name[name], up=True)
            for text in self.by_name[name].addresses:
                self._connect(name, ip_interface(text))
        for route in routes:
            self.machine.change(f"add route to {route.dst} on {name}")
            self._add_route(name, route)

    def _add_route(self, name: str, route: KernelRoute) -> None:
        if not self.by_name[name].up:
            raise OSError(errno.ENETDOWN, f"route to {route.dst}: Network is down")
        if route.gw is not None and not any(
            route.gw in ip_interface(each).network for each in self.by_name[name].addresses
        ):
            raise OSError(errno.ENETUNREACH, f"route to {route.dst}: Nexthop has invalid gateway")
        metric = route.priority or (1024 if route.dst.version == 6 else 0)
        found = (
            str(route.dst),
            str(route.gw or ""),
            name,
            str(route.table),
            str(metric),
            str(route.scope or 0 if route.dst.version == 4 else 0),
            str(route.mtu),
            str(route.advmss),
        )
        if found in self.route_set:
            raise FileExistsError(errno.EEXIST, f"route to {route.dst}: File exists")
        self.route_set.add(found)

    # ---- waiting, sysctls -----------------------------------------------------------------------

    def wait_link(
        self, name: str, ready: Callable[[Link], bool], deadline: Deadline
    ) -> Link | None:
        """Nothing changes by itself here."""
        return self.link(name)

    def wait_addresses(self, index: int, deadline: Deadline) -> list[Address]:
        """No address is ever tentative here."""
        return self.addresses(index)

    def sysctl(self, name: str) -> str | None:
        """A value; "0" where nothing was written. Settings of a link exist with the link."""
        if name.startswith(_PER_LINK_SYSCTLS):
            link = name.split("/")[2]
            if link not in {*self.by_name, "all", "default"}:
                return None
        return self.values.get(name, "0")

    def set_sysctl(self, name: str, value: str) -> None:
        """Write a value."""
        if self.sysctl(name) is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.machine.change(f"set {name}")
        self.values[name] = value

    def close(self) -> None:
        """Nothing to let go."""
