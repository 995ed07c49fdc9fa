"""CHECK: comparing a namespace with what ADD had made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._net._addresses import FORWARDING
from cnisdk._net._links import LinkVerbs, veth_names
from cnisdk._net._types import Link
from cnisdk._net._verify import expect_address, expect_result


if TYPE_CHECKING:
    from cnisdk._result import IpInterface, Result


class CheckVerbs(LinkVerbs):
    """The verbs of `Namespace` that compare."""

    def expect_peer(self, link: Link, *, master: str = "") -> Link:
        """The end here of a veth whose other end is ``link``, a port of the bridge ``master``.

        Args:
            link: The end in the container.
            master: The bridge; "" when it need not be a port.

        Raises:
            errors.CniError: there is none, it is down, it is no port of that bridge or does not
                forward, or it has lost the tag that ADD gave it.
        """
        host = self.peer_of(link)
        if host is None:
            raise errors.CniError(f'the host end of the veth "{link.name}" was not found on {self}')
        bridge = self.expect_link(master) if master else None
        if bridge and host.master != bridge.index:
            raise errors.CniError(f'"{host.name}" is not a port of the bridge "{master}"')
        self._compare(host, up=True)
        if bridge and not bridge.stp and host.operstate == "up" and not host.forwards:
            raise errors.CniError(
                f'the bridge port "{host.name}" does not forward',
                details=f"set its state: bridge link set dev {host.name} state forwarding",
            )
        owner = self._owner
        # The Go plugins' names are others, and have no tags.
        if owner and host.name in veth_names(owner) and not owner.owns(host.alias):
            raise errors.CniError(
                f'"{host.name}": the alias is "{host.alias}", not the owner tag by which GC finds it',
                details=f'it was "{owner.owner_tag}"',
            )
        return host

    def expect_address(self, name: str, address: IpInterface) -> None:
        """Raise an error when a link has not this address with this prefix length."""
        link = self.expect_link(name)
        with self._named(f'addresses of "{name}" in {self}'):
            expect_address(self, link, address)

    def expect_forwarding(self, version: int) -> None:
        """Raise an error when the kernel does not forward IPv4 or IPv6 packets."""
        if self.sysctl(FORWARDING[version]) != "1":
            raise errors.CniError(
                f"IPv{version} forwarding is off on {self}",
                details=f"sysctl net/{FORWARDING[version]} should be 1",
            )

    def expect(
        self, result: Result, name: str, *, up: bool = True, by_gateway: bool = False
    ) -> None:
        """Compare an interface with what a result says of it: CHECK.

        Interface state, MAC, MTU, addresses, and routes with gateway, table, metric, scope, mtu and
        advmss. What a later chained plugin added is tolerated, and so are routes of the main table
        that have moved to a VRF's, or to one that a policy rule names for these addresses.

        Args:
            result: What ADD had said.
            name: The interface.
            up: Whether it should be up, with addresses and routes in use.
            by_gateway: As for `configure`.

        Raises:
            errors.CniError: names the object that is missing or altered.
        """
        with self._named(f'state of "{name}" in {self}'):
            expect_result(self, result, name, up=up, by_gateway=by_gateway)
