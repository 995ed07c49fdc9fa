"""The fake kernel's addresses and routes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address, ip_interface, ip_network

import attrs

from cnisdk._net._types import (
    IFA_F_NOPREFIXROUTE,
    IFA_F_PERMANENT,
    MAIN_TABLE,
    PROTO_KERNEL,
    Address,
    KernelRoute,
)
from cnisdk._result import IpAddress, IpInterface
from cnisdk.testing._fake_space import FakeSpace


_LOOPBACK = ("127.0.0.1/8", "::1/128")
_IPV6_METRIC = 1024


class FakeAddresses(FakeSpace):
    """Addresses and routes of one fake namespace."""

    # ---- addresses ------------------------------------------------------------------------------

    def addresses(self, index: int) -> list[Address]:
        """The addresses of a link."""
        name = self.name(index)
        return [
            Address(interface=each, flags=self._flags(name, each)) for each in self._present(name)
        ]

    def _flags(self, name: str, address: IpInterface) -> int:
        unconnected = (name, str(address)) in self.unconnected
        return IFA_F_PERMANENT | (IFA_F_NOPREFIXROUTE if unconnected else 0)

    def _present(self, name: str) -> list[IpInterface]:
        return [ip_interface(each) for each in self.by_name[name].addresses]

    def _keep(self, name: str, addresses: Sequence[IpInterface]) -> None:
        texts = tuple(map(str, addresses))
        self.by_name[name] = attrs.evolve(self.by_name[name], addresses=texts)

    def add_address(self, index: int, address: IpInterface) -> None:
        """Add an address and, on a link that is up, the route to its subnet."""
        name = self.name(index)
        self.machine.change(f"add {address} to {name}")
        self._add_address(name, address)

    def _add_address(self, name: str, address: IpInterface, *, connected: bool = True) -> None:
        present = self._present(name)
        if address in present:
            raise FileExistsError(errno.EEXIST, "File exists")
        self._keep(name, [*present, address])
        if not connected:
            self.unconnected.add((name, str(address)))
        elif self.by_name[name].up:
            self._connect(name, address)

    def put_back_addresses(self, index: int, addresses: Sequence[Address]) -> None:
        """Add addresses as they were found; labels and broadcast addresses are not kept here."""
        name = self.name(index)
        for each in addresses:
            self.machine.change(f"add {each.interface} to {name}")
            connected = not each.flags & IFA_F_NOPREFIXROUTE
            self._add_address(name, each.interface, connected=connected)

    def _connect(self, name: str, address: IpInterface) -> None:
        network = address.network
        if name == "lo" or (network.version == 4 and network.prefixlen == 32):
            return
        scope, priority = ("253", "0") if network.version == 4 else ("0", "256")
        src = str(address.ip) if network.version == 4 else ""
        table = str(self.table_of(name))
        made = (str(network), "", name, table, priority, scope, "0", "0", src, str(PROTO_KERNEL))
        same = [each for each in self.route_set if each[:8] == made[:8] and each[9] == made[9]]
        if not same:  # the first address of a subnet
            self.route_set.add(made)

    def remove_address(self, index: int, address: IpInterface) -> None:
        """Remove an address and what depends on it."""
        name = self.name(index)
        self.machine.change(f"remove {address} from {name}")
        present = self._present(name)
        if address not in present:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        first = next(each for each in present if each.network == address.network)
        # A subnet's first IPv4 address takes the others along (promote_secondaries is 0).
        falls = address.version == 4 and first == address
        rest = [
            each
            for each in present
            if each != address and not (falls and each.network == address.network)
        ]
        self._keep(name, rest)
        if not any(each.network == address.network for each in rest):
            self._drop_routes(name, lambda r: r[0] == str(address.network) and not r[1])
        if address.version == 4 and not any(each.version == 4 for each in rest):
            self._drop_routes(name, lambda r: ip_network(r[0]).version == 4)

    def _drop_routes(self, name: str, unwanted: Callable[[tuple[str, ...]], bool]) -> None:
        self.route_set = {each for each in self.route_set if each[2] != name or not unwanted(each)}

    def switch(self, name: str, *, up: bool) -> None:
        """Set a link up or down, with what that does to its addresses and routes."""
        self.by_name[name] = attrs.evolve(self.by_name[name], up=up)
        present = self._present(name)
        if up:
            if name == "lo":
                missing = [ip_interface(each) for each in _LOOPBACK]
                present += [each for each in missing if each not in present]
                self._keep(name, present)
            for address in present:
                if (name, str(address)) not in self.unconnected:
                    self._connect(name, address)
            return
        self._drop_routes(name, lambda _: True)
        settings = [self.sysctl(f"ipv6/conf/{each}/keep_addr_on_down") for each in (name, "all")]
        if "1" not in settings:
            self._keep(name, [each for each in present if each.version == 4])

    # ---- routes ---------------------------------------------------------------------------------

    def way_to(self, address: IpAddress) -> int | None:
        """The link of the most specific route."""
        own = {each.ip for name in self.by_name for each in self._present(name)}
        if address in own or address.is_loopback:
            return self.index("lo")
        fitting = [
            each for each in self.routes() if address in each.dst and each.table == MAIN_TABLE
        ]
        if not fitting:
            return None
        return max(fitting, key=lambda each: (each.dst.prefixlen, -each.priority)).index

    def routes(self) -> list[KernelRoute]:
        """All routes."""
        return [self.as_route(each) for each in sorted(self.route_set)]

    def as_route(self, found: tuple[str, ...]) -> KernelRoute:
        """One of the routes that are there."""
        dst, gw, name, table, priority, scope, mtu, advmss, src, protocol, *flags = found
        return KernelRoute(
            dst=ip_network(dst),
            gw=ip_address(gw) if gw else None,
            index=self.index(name),
            table=int(table),
            priority=int(priority),
            scope=int(scope),
            mtu=int(mtu),
            advmss=int(advmss),
            src=ip_address(src) if src else None,
            protocol=int(protocol),
            onlink=bool(flags),
        )

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
        """Add addresses, set the link up, add routes; like the kernel, go on after a refusal."""
        name = self.name(index)
        refusals: list[OSError] = []

        def step(what: str, change: Callable[[], None]) -> None:
            try:
                self.machine.change(what)
                change()
            except OSError as refusal:
                refusals.append(refusal)

        for address in addresses:
            step(
                f"add {address} to {name}",
                partial(self._add_address, name, address, connected=connected),
            )
        if up:
            step(f"set {name} up", partial(self.switch, name, up=True))
        for route in routes:
            step(f"add route to {route.dst}", partial(self._add_route, name, route))
        if refusals:
            raise refusals[0]

    def _add_route(self, name: str, route: KernelRoute) -> None:
        version, up = route.dst.version, self.by_name[name].up
        networks = [each.network for each in self._present(name)]
        networks += [ip_network(dst) for dst, gw, at, *_ in self.route_set if at == name and not gw]
        near = route.onlink or any(route.gw in each for each in networks if route.gw and up)
        if not up and route.gw is None:
            raise OSError(errno.ENETDOWN, f"route to {route.dst}: Network is down")
        if route.gw is not None and not near:
            number = errno.ENETUNREACH if version == 4 else errno.EHOSTUNREACH
            raise OSError(number, f"route to {route.dst}: Nexthop has invalid gateway")
        found = (
            str(route.dst),
            str(route.gw or ""),
            name,
            str(route.table),
            str(route.priority or (_IPV6_METRIC if version == 6 else 0)),
            str(route.scope or 0 if version == 4 else 0),
            str(route.mtu),
            str(route.advmss),
            str(route.src or ""),
            str(route.protocol),
            *(["onlink"] if route.onlink else []),
        )
        if any(each[:8] == found[:8] for each in self.route_set):
            raise FileExistsError(errno.EEXIST, f"route to {route.dst}: File exists")
        self.route_set.add(found)
