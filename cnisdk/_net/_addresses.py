"""Giving links addresses, routes and forwarding."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._net._configure import configure
from cnisdk._net._routes import RouteVerbs
from cnisdk._net._types import SCOPE_HOST, Address, KernelRoute, Link
from cnisdk._net._verify import expect_address


if TYPE_CHECKING:
    from cnisdk._result import Ip, IpInterface, Result

FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}


class AddressVerbs(RouteVerbs):
    """The verbs of `Namespace` for addresses, routes and forwarding."""

    def addresses(self, name: str) -> list[IpInterface]:
        """The addresses of a link, with prefix length."""
        with self._named(f'addresses of "{name}"'):
            found = self.kernel.addresses(self.expect_link(name).index)
        return [each.interface for each in found]

    def ensure_address(self, name: str, address: IpInterface, *, replace: bool = False) -> None:
        """Give a shared link a gateway address.

        Args:
            name: The link, for example the bridge.
            address: Address with prefix length.
            replace: Take away another IPv4 address, or an overlapping IPv6 one, instead of failing; it
                comes back when ADD fails.

        Raises:
            errors.InvalidConfig: it has such an address and ``replace`` is not set (code 7).
        """
        with self._named(f'address {address} on "{name}"'):
            link = self.expect_link(name)
            before = self.kernel.addresses(link.index)
            present = [each.interface for each in before]
            if address in present:
                return
            rivals = [each for each in present if _are_rivals(each, address)]
            if rivals and not replace:
                raise errors.InvalidConfig(
                    f'"{name}" already has an IP address different from {address}: {rivals[0]}',
                    details="set forceAddress to replace it, use another bridge, or remove it: "
                    f"ip address del {rivals[0]} dev {name}",
                )
            if rivals and self._rollback is not None:
                routes = self.routes(name)
                self._rollback.add(self._undo_replacement, name, address, before, routes)
            for rival in rivals:
                self._remove_address(link, rival)
            self._add_shared_address(link, address)

    def _undo_replacement(
        self,
        name: str,
        address: IpInterface,
        before: Sequence[Address],
        routes: Sequence[KernelRoute],
    ) -> None:
        link = self.expect_link(name)
        self._remove_address(link, address)
        self._bring_back(link, before, routes)

    def remove_address(self, name: str, address: IpInterface) -> None:
        """Take an address from a link, if it has it.

        Args:
            name: The link.
            address: Address with prefix length. A subnet's first IPv4 address takes the others along.

        Raises:
            errors.CniError: there is no such link.
        """
        with self._named(f'address {address} on "{name}"'):
            self._remove_address(self.expect_link(name), address)

    def _remove_address(self, link: Link, address: IpInterface) -> None:
        try:
            self.kernel.remove_address(link.index, address)
        except OSError as failure:
            # A subnet's first IPv4 address takes the others of the subnet along.
            if failure.errno != errno.EADDRNOTAVAIL:
                raise

    def _add_shared_address(self, link: Link, address: IpInterface) -> None:
        try:
            self.kernel.add_address(link.index, address)
        except FileExistsError:
            return  # another container's ADD was faster
        if link.kind == "bridge":
            # Somebody else's bridge may take its MAC from its ports; containers remember the gateway's.
            self.kernel.change_link(link.index, mac=link.mac)

    def configure(
        self,
        name: str,
        result: Result,
        *,
        dad: bool = False,
        up: bool = True,
        by_gateway: bool = False,
    ) -> None:
        """Give a container's interface the addresses and routes of a result, and set it up.

        Args:
            name: The interface.
            result: Its addresses for this interface and its routes are applied: gw, mtu, advmss,
                priority, table and scope included.
            dad: Run IPv6 duplicate address detection and wait for it.
            up: Set the interface up.
            by_gateway: Reach even the addresses' own subnets through their gateways, as on a
                point-to-point link.

        Raises:
            errors.CniError: names the address or route the kernel refused.
        """
        with self._named(f'configuration of "{name}" in {self}'):
            link = self.expect_link(name)
            configure(
                self,
                link,
                result,
                dad=dad,
                up=up,
                by_gateway=by_gateway,
                deadline=self._deadline,
            )

    def add_point_to_point(self, name: str, ips: Sequence[Ip]) -> None:
        """Give the host's end of a point-to-point link the gateways, and routes to the other end.

        Addresses and routes go with the link.

        Args:
            name: The link.
            ips: The container's addresses, each with a gateway.

        Raises:
            errors.CniError: names the address or route the kernel refused.
        """
        gateways = dict.fromkeys(ip_interface(each.gateway) for each in ips if each.gateway)
        with self._named(f'routes to the container by "{name}"'):
            self.kernel.configure(
                self.expect_link(name).index,
                addresses=list(gateways),
                routes=[_to_container(each) for each in ips],
                up=True,
                dad=False,
            )

    def expect_point_to_point(self, name: str, ips: Sequence[Ip]) -> None:
        """Raise an error naming the gateway's address or the route that is missing on a host's end."""
        link = self.expect_link(name, up=True)
        with self._named(f'routes to the container by "{name}"'):
            for gateway in (each.gateway for each in ips if each.gateway):
                expect_address(self, link, ip_interface(gateway))
            present = {(each.dst, each.index) for each in self.kernel.routes()}
        for ip in ips:
            if (_to_container(ip).dst, link.index) not in present:
                raise errors.CniError(
                    f'the route to {ip.address.ip} by "{name}" is missing on {self}'
                )

    def enable_forwarding(self, version: int) -> None:
        """Let the kernel forward IPv4 or IPv6 packets; no write when it does already."""
        self.set_sysctl(FORWARDING[version], "1")


def _to_container(ip: Ip) -> KernelRoute:
    scope = SCOPE_HOST if ip.version == 4 else None
    return KernelRoute(dst=ip_network(ip.address.ip), scope=scope)


def _are_rivals(present: IpInterface, wanted: IpInterface) -> bool:
    """Whether a gateway cannot have both: any two of IPv4, overlapping ones of IPv6."""
    if present.version != wanted.version:
        return False
    return wanted.version == 4 or (
        present.network.overlaps(wanted.network) and not present.is_link_local
    )
