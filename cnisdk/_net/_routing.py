"""Policy routing and VRFs: which table the packets of a link's addresses look into."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk._net._routes import RouteVerbs
from cnisdk._net._types import MAIN_TABLE, Address, KernelRoute, Link, PolicyRule


if TYPE_CHECKING:
    from cnisdk._result import IpAddress

_RESERVED_TABLES = {0, 253, 254, 255}
"""Unspecified, default, main, local."""


class RoutingVerbs(RouteVerbs):
    """The verbs of `Namespace` for policy rules, routing tables and VRFs."""

    @contextmanager
    def exclusively(self) -> Generator[None]:
        """Keep other calls from choosing tables here meanwhile; Go's sbr plugin takes the same lock.

        Raises:
            errors.TryAgainLater: another call holds the lock until the deadline (code 11).
        """
        with ExitStack() as held:
            with self._deadline.step(f"waiting for the lock of {self}"):
                try:
                    held.enter_context(self.kernel.exclusive(self._deadline))
                except TimeoutError as failure:
                    raise self._deadline.expired() from failure
            yield

    def policy_rules(self) -> list[PolicyRule]:
        """All policy rules that look into a table."""
        with self._named(f"policy rules of {self}"):
            return self.kernel.policy_rules()

    def add_source_rule(self, address: IpAddress, table: int) -> None:
        """Let packets from an address look into a table; undone when ADD fails.

        Args:
            address: The source.
            table: The routing table.

        Raises:
            errors.CniError: the kernel refused.
        """
        rule = PolicyRule(src=ip_network(address), table=table, version=address.version)
        if self._rollback is not None:
            self._rollback.add(self.remove_policy_rules, [rule])
        with self._named(f"policy rule from {address} to table {table} in {self}"):
            self.kernel.add_policy_rule(rule)

    def remove_policy_rules(self, rules: Iterable[PolicyRule]) -> None:
        """Remove policy rules, as far as they are there."""
        for rule in rules:
            with self._named(f"policy rule from {rule.src} to table {rule.table} in {self}"):
                self.kernel.remove_policy_rule(rule)

    def free_table(self, first: int, *, besides: Collection[int] = ()) -> int:
        """The lowest routing table that no rule, route or VRF of this namespace uses.

        Args:
            first: The lowest number that will do.
            besides: Further tables not to take.
        """
        with self._named(f"routing tables of {self}"):
            used = {each.table for each in self.kernel.policy_rules()}
            used |= {each.table for each in self.kernel.routes()}
            used |= {each.vrf_table for each in self.kernel.links()} | _RESERVED_TABLES
        table = first
        while table in used or table in besides:
            table += 1
        return table

    # ---- VRFs -----------------------------------------------------------------------------------

    def vrf_problem(self) -> str:
        """Why no VRF can be made here; "" when it can."""
        with self._named(f"VRFs of {self}"):
            return "" if self.kernel.has_vrf() else "the kernel has no VRFs (CONFIG_NET_VRF)"

    def join_vrf(self, name: str, vrf: str, *, table: int = 0) -> None:
        """Put a link into a VRF, which is made when it is absent; undone when ADD fails.

        The link keeps its addresses; its routes move from the main table to the VRF's.

        Args:
            name: The link.
            vrf: The VRF.
            table: The VRF's routing table; 0 for the one it has, or a free one.

        Raises:
            errors.InvalidConfig: the VRF has another table, or its name is another link's (code 7).
            errors.CniError: the link is a port of something else.
        """
        link = self.expect_link(name)
        with self._named(f'VRF "{vrf}" in {self}'):
            master = self.kernel.link_by_index(link.master) if link.master else None
            if master is not None and master.name != vrf:
                raise errors.CniError(
                    f"interface {name} has already a master set: {master.name}",
                    details=f'it cannot be in the VRF "{vrf}" as well',
                )
            made = self._ensured_vrf(vrf, table)
            if master is not None:
                return
            addresses, routes = self.kernel.addresses(link.index), self.routes(name)
            if self._rollback is not None:
                self._rollback.add(self._restore, name, addresses, routes)
            moved = [
                # The kernel knows the address in the VRF's table alone.
                each if each.table == made.vrf_table else attrs.evolve(each, src=None)
                for each in _in_table(routes, MAIN_TABLE, made.vrf_table)
            ]
            self.kernel.change_link(link.index, master=made.index)
            self._bring_back(link, addresses, moved)

    def leave_vrf(self, name: str, vrf: str) -> None:
        """Take a link out of a VRF, as far as it is in it; the VRF goes with its last link.

        Args:
            name: The link; it may have gone.
            vrf: The VRF; it may have gone. "" for the one the link is in.
        """
        with self._named(f'VRF "{vrf}" in {self}'):
            link = self.kernel.link(name)
            if not vrf:
                found = self.kernel.link_by_index(link.master) if link and link.master else None
            else:
                found = self.kernel.link(vrf)
            if found is None or found.kind != "vrf":
                return
            # W-VRF-1: never out of something else.
            if link is not None and link.master == found.index:
                addresses, routes = self.kernel.addresses(link.index), self.routes(name)
                self.kernel.change_link(link.index, master=0)
                moved = _in_table(routes, found.vrf_table, MAIN_TABLE)
                self._bring_back(link, addresses, moved)
            self._remove_unused_vrf(found.name)

    def _remove_unused_vrf(self, name: str) -> None:
        found = self.kernel.link(name)
        if found is None or found.kind != "vrf":
            return
        if not any(each.master == found.index for each in self.kernel.links()):
            self.kernel.remove_link(found.index)

    def _ensured_vrf(self, name: str, table: int) -> Link:
        found = self.kernel.link(name)
        if found is None:
            if self._rollback is not None:
                self._rollback.add(self._remove_unused_vrf, name)
            # W-VRF-2: not one that rules or routes use.
            self.kernel.add_vrf(name, table or self.free_table(1))
            found = self.expect_link(name)
        if found.kind != "vrf":
            raise errors.InvalidConfig(
                f"Netlink {name} is not a VRF", details=f"it is {found.kind}"
            )
        if table and found.vrf_table != table:
            raise errors.InvalidConfig(
                f"VRF {name} already exist with different routing table {found.vrf_table}",
                details=f"the configuration has table {table}",
            )
        if not found.up:
            self.kernel.change_link(found.index, up=True)
        return found

    def _restore(
        self, name: str, addresses: Sequence[Address], routes: Sequence[KernelRoute]
    ) -> None:
        """Undo of `join_vrf`."""
        link = self.expect_link(name)
        self.kernel.change_link(link.index, master=0)
        self._bring_back(link, addresses, routes)
        self._change_routes(name, routes)


def _in_table(routes: Sequence[KernelRoute], old: int, new: int) -> list[KernelRoute]:
    """The routes, with those of one table in another."""
    return [attrs.evolve(each, table=new) if each.table == old else each for each in routes]
