"""The result of an attachment, in one current model; versions are the edge's business.

Plugin code sees only these types. Conversion from and to the seven versions of the specification
is in `cnisdk._result_json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
)
from typing import Any

import attrs

from cnisdk import errors


IpAddress = IPv4Address | IPv6Address
IpInterface = IPv4Interface | IPv6Interface
IpNetwork = IPv4Network | IPv6Network


@attrs.frozen
class Interface:
    """One entry of a result's ``interfaces`` (SPEC section 5)."""

    name: str
    """The interface's name in its namespace."""
    mac: str = ""
    """Hardware address in colon form; "" when there is none."""
    mtu: int = 0
    """MTU in bytes; 0 when not known. Reported from specification 1.0.0 on."""
    sandbox: str = ""
    """The container's CNI_NETNS; "" for an interface on the host."""
    socket_path: str = ""
    """Absolute path of a socket that serves the interface (``socketPath``)."""
    pci_id: str = ""
    """Identifier of the PCI device behind the interface (``pciID``)."""


@attrs.frozen
class Ip:
    """One entry of a result's ``ips``."""

    address: IpInterface
    """Address with prefix length, for example 10.1.0.5/16."""
    gateway: IpAddress | None = None
    """The default gateway of the subnet, if it has one."""
    interface: int | None = None
    """Index into the result's interfaces; None in an IPAM plugin's result."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.address.version


@attrs.frozen
class Route:
    """One entry of a result's ``routes``; every key beyond ``dst`` is applied to the kernel."""

    dst: IpNetwork
    """Destination in CIDR notation."""
    gw: IpAddress | None = None
    """Next hop; None means the gateway of the address of the same family, if there is one."""
    mtu: int = 0
    """Path MTU in bytes; 0 means not set."""
    advmss: int = 0
    """Maximal segment size to advertise, in bytes; 0 means not set."""
    priority: int = 0
    """Metric, lower is preferred; 0 means the kernel's default."""
    table: int | None = None
    """Routing table; None means main (254)."""
    scope: int | None = None
    """0 global, 253 link, 254 host; None lets the kernel choose."""
    written: str = attrs.field(default="", eq=False, kw_only=True)
    """The destination with the host bits it was given, as in 10.1.0.7/16: a result hands it on like that;
    "" where there are none."""


@attrs.frozen
class Dns:
    """DNS settings (SPEC sections 1 and 5)."""

    nameservers: tuple[str, ...] = ()
    """Addresses of name servers, most preferred first."""
    domain: str = ""
    """Local domain for short names."""
    search: tuple[str, ...] = ()
    """Search domains, most preferred first."""
    options: tuple[str, ...] = ()
    """Resolver options."""

    @classmethod
    def from_resolv_conf(cls, path: str, *, key: str) -> Dns:
        """Read a file in resolv.conf(5) format; a later domain wins, all else adds up.

        Args:
            path: The file.
            key: The configuration key that names it, for the message.

        Raises:
            errors.IoFailure: the file cannot be read (code 5).
        """
        found: dict[str, list[str]] = {"nameserver": [], "domain": [], "search": [], "options": []}
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    words = line.split()
                    # Comment lines start with # or ;, so their first word is none of these.
                    if len(words) > 1 and words[0] in found:
                        single = words[0] in {"nameserver", "domain"}
                        found[words[0]] += words[1:2] if single else words[1:]
        except OSError as failure:
            raise errors.IoFailure(f"{key}: cannot read {path}: {failure.strerror}") from failure
        return cls(
            tuple(found["nameserver"]),
            found["domain"][-1] if found["domain"] else "",
            tuple(found["search"]),
            tuple(found["options"]),
        )

    def __bool__(self) -> bool:
        return bool(self.nameservers or self.domain or self.search or self.options)


@attrs.frozen
class Result:
    """What ADD returns and what prevResult holds."""

    interfaces: tuple[Interface, ...] = ()
    """Interfaces the attachment made, host side included."""
    ips: tuple[Ip, ...] = ()
    """Addresses the attachment assigned."""
    routes: tuple[Route, ...] = ()
    """Routes the attachment made."""
    dns: Dns = Dns()
    """DNS settings for the container."""
    previous: Result | None = attrs.field(default=None, kw_only=True, eq=False, repr=False)
    """The prevResult it was built on, whose addresses and routes come first; not part of the JSON."""

    @property
    def own(self) -> Result:
        """It without the addresses and routes of prevResult, which other plugins have applied."""
        if self.previous is None:
            return self
        return attrs.evolve(
            self,
            ips=self.ips[len(self.previous.ips) :],
            routes=self.routes[len(self.previous.routes) :],
            previous=None,
        )

    @property
    def addresses(self) -> tuple[IpAddress, ...]:
        """All addresses, without prefix length."""
        return tuple(ip.address.ip for ip in self.ips)

    def interface(self, name: str, sandbox: str | None = None) -> Interface | None:
        """The interface of this name; with ``sandbox``, the one in that namespace."""
        for interface in self.interfaces:
            if interface.name == name and sandbox in {None, interface.sandbox}:
                return interface
        return None

    def ips_of(self, name: str, sandbox: str) -> tuple[Ip, ...]:
        """The addresses assigned to one interface."""
        wanted = {
            index
            for index, interface in enumerate(self.interfaces)
            if interface.name == name and interface.sandbox == sandbox
        }
        return tuple(ip for ip in self.ips if ip.interface in wanted)

    def container_addresses(self, name: str) -> dict[int, IpInterface]:
        """The first address of each family (4 and 6) that a container's interface has.

        Args:
            name: The interface's name in the container. Addresses that name no interface are its own.
        """
        found: dict[int, IpInterface] = {}
        for ip in self.ips:
            place = None
            if ip.interface is not None and 0 <= ip.interface < len(self.interfaces):
                place = self.interfaces[ip.interface]
            if place is None or (place.name == name and place.sandbox):
                found.setdefault(ip.version, ip.address)
        return found

    def expect_ips(self, ips: Iterable[Ip], *, on: str) -> None:
        """Compare the addresses with those that an IPAM plugin would give now (CHECK).

        Args:
            ips: Each must be in the result, with its gateway if it has one; there may be others.
            on: The interface's name, for the message.

        Raises:
            errors.CniError: names the address that is missing, or has another gateway (code 999).
        """
        assigned = {ip.address: ip.gateway for ip in self.ips}
        for ip in ips:
            if ip.address not in assigned:
                raise errors.CniError(
                    f"address {ip.address} is missing in prevResult",
                    details=f"prevResult has {', '.join(map(str, assigned)) or 'no addresses'}",
                )
            if ip.gateway is not None and ip.gateway != assigned[ip.address]:
                raise errors.CniError(
                    f"address {ip.address} on interface {on}: the gateway is "
                    f"{assigned[ip.address]} in prevResult, not {ip.gateway}"
                )

    def gateway(self, version: int) -> IpAddress | None:
        """The first gateway of an address family (4 or 6): what routes without ``gw`` use."""
        for ip in self.ips:
            if ip.gateway is not None and ip.version == version:
                return ip.gateway
        return None


class ResultBuilder:
    """Builds a `Result`; starts from prevResult in a chain, resolves ``ips[].interface`` itself.

    Every method returns something to go on with: `interface` the interface, the others the
    builder, so that ``op.result().ip(address, gateway=gw).build()`` reads as one sentence.
    """

    def __init__(self, previous: Result | None = None, *, allow_interfaces: bool = True) -> None:
        start = previous or Result()
        self._previous = previous
        self._allow_interfaces = allow_interfaces
        self._interfaces = list(start.interfaces)
        self._ips = list(start.ips)
        self._routes = list(start.routes)
        self._dns = start.dns

    def interface(self, interface: Interface) -> Interface:
        """Add an interface and return it, to be named in ``on=`` later.

        Raises:
            errors.InternalError: in an IPAM plugin, whose result has no interfaces (SPEC section 5).
        """
        if not self._allow_interfaces:
            raise errors.InternalError(
                f'an IPAM result must not contain interfaces, got "{interface.name}"',
                details='CNI SPEC section 5, "Delegated plugins (IPAM)"',
            )
        self._interfaces.append(interface)
        return interface

    def update(self, name: str, *, sandbox: str | None = None, **changes: Any) -> ResultBuilder:
        """Change fields of an interface that is already in the result, by name.

        Raises:
            errors.InvalidConfig: prevResult has no such interface (code 7).
        """
        for index, interface in enumerate(self._interfaces):
            if interface.name == name and sandbox in {None, interface.sandbox}:
                self._interfaces[index] = attrs.evolve(interface, **changes)
                return self
        raise errors.InvalidConfig(f'prevResult has no interface "{name}"')

    def ip(
        self,
        address: IpInterface | str,
        *,
        gateway: IpAddress | None = None,
        on: Interface | None = None,
    ) -> ResultBuilder:
        """Add an address, on one of the result's interfaces when ``on`` is given."""
        index = None if on is None else self._index(on)
        self._ips.append(Ip(ip_interface(address), gateway, index))
        return self

    def route(self, route: Route) -> ResultBuilder:
        """Add a route."""
        self._routes.append(route)
        return self

    def routes(self, routes: tuple[Route, ...]) -> ResultBuilder:
        """Add several routes."""
        self._routes.extend(routes)
        return self

    def dns(self, dns: Dns | None) -> ResultBuilder:
        """Set the DNS settings; None leaves them as they are."""
        if dns is not None:
            self._dns = dns
        return self

    def adopt(self, ipam: Result, *, on: Interface) -> ResultBuilder:
        """Take over an IPAM result: its addresses go on one interface, routes and DNS are added."""
        index = self._index(on)
        self._ips.extend(attrs.evolve(ip, interface=index) for ip in ipam.ips)
        self._routes.extend(ipam.routes)
        if ipam.dns:
            self._dns = ipam.dns
        return self

    def build(self) -> Result:
        """The finished result."""
        return Result(
            tuple(self._interfaces),
            tuple(self._ips),
            tuple(self._routes),
            self._dns,
            previous=self._previous,
        )

    def _index(self, wanted: Interface) -> int:
        for index, interface in enumerate(self._interfaces):
            if interface is wanted or (interface.name, interface.sandbox) == (
                wanted.name,
                wanted.sandbox,
            ):
                return index
        raise errors.InternalError(
            f'interface "{wanted.name}" is not in the result',
            details="add it with result.interface() before naming it in on=",
        )
