"""The routes of a link, and bringing back what a change has cost it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from cnisdk._net._space import Space
from cnisdk._net._types import Address, KernelRoute, Link


_IPV6_METRIC = 1024


class RouteVerbs(Space):
    """The verbs of `Namespace` for the routes of a link."""

    def routes(self, name: str) -> list[KernelRoute]:
        """The unicast routes on a link in all tables but the local one."""
        with self._named(f'routes of "{name}" in {self}'):
            index = self.expect_link(name).index
            return [each for each in self.kernel.routes() if each.index == index]

    def set_routes(self, name: str, routes: Sequence[KernelRoute]) -> None:
        """Make these the unicast routes on a link, in all tables; undone when ADD fails.

        What is missing is added before anything is removed, so that the link is never without routes.

        Args:
            name: The link, which is up.
            routes: The routes.

        Raises:
            errors.CniError: names the route the kernel refused.
        """
        before = self.routes(name)
        if self._rollback is not None:
            self._rollback.add(self._change_routes, name, before)
        self._change_routes(name, routes)

    def _change_routes(self, name: str, routes: Sequence[KernelRoute]) -> None:
        with self._named(f'routes of "{name}" in {self}'):
            index = self.expect_link(name).index
            present = {_bare(each) for each in self.routes(name)}
            wanted = dict.fromkeys(map(_bare, routes))
            # What is on the link comes before what is reached by it.
            add = sorted((each for each in wanted if each not in present), key=_by_gateway)
            remove = sorted((each for each in present if each not in wanted), key=_by_gateway)
            self.kernel.change_routes(index, add=add, remove=remove[::-1])

    def _bring_back(
        self, link: Link, addresses: Sequence[Address], routes: Sequence[KernelRoute]
    ) -> None:
        """Give a link what it has lost of its addresses and routes, besides what it has now."""
        self._bring_back_addresses(link, addresses)
        if link.up:
            self._bring_back_routes(link.name, routes)

    def _bring_back_routes(self, name: str, routes: Sequence[KernelRoute]) -> None:
        self._change_routes(name, [*routes, *self.routes(name)])

    def _bring_back_addresses(self, link: Link, addresses: Sequence[Address]) -> None:
        kept = {each.interface for each in self.kernel.addresses(link.index)}
        lost = [each for each in addresses if each.interface not in kept]
        lost = [each for each in lost if not each.interface.is_link_local]
        if lost:
            self.kernel.put_back_addresses(link.index, lost)
            # What goes with an address the kernel makes in its own time.
            interfaces = [each.interface for each in lost]
            self.kernel.wait_addresses(link.index, self._deadline, of=interfaces)


def _bare(route: KernelRoute) -> KernelRoute:
    """As the kernel shows it, but without the link: what makes two routes of a link the same."""
    if route.dst.version == 4:
        return attrs.evolve(route, index=None, scope=route.scope or 0)
    return attrs.evolve(route, index=None, scope=0, priority=route.priority or _IPV6_METRIC)


def _by_gateway(route: KernelRoute) -> bool:
    return route.gw is not None
