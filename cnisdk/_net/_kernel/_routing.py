"""Policy rules, routes between tables and VRFs over rtnetlink."""

# ruff: noqa: PLC0415  # late imports: few plugins have policy rules

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnisdk._net._kernel import _requests
from cnisdk._net._netlink import KernelRefusal


if TYPE_CHECKING:
    from cnisdk._net._netlink import Netlink
    from cnisdk._net._types import KernelRoute, PolicyRule

_THERE = {errno.EEXIST}
_GONE = {errno.ESRCH, errno.ENOENT}


class RoutingKernel:
    """The part of `NetlinkKernel` that chained plugins need to rearrange routing."""

    _netlink: Netlink

    def policy_rules(self) -> list[PolicyRule]:
        """All policy rules that look into a table."""
        from cnisdk._net._kernel import _policy_rules

        messages = [
            each
            for version in _requests.FAMILY
            for each in self._netlink.dump(_policy_rules.dump_rules(version))
        ]
        return [found for found in map(_policy_rules.rule, messages) if found is not None]

    def add_policy_rule(self, rule: PolicyRule) -> None:
        """Add a policy rule."""
        from cnisdk._net._kernel import _policy_rules

        self._netlink.batch([_policy_rules.new_rule(rule)])

    def remove_policy_rule(self, rule: PolicyRule) -> None:
        """Remove a policy rule."""
        from cnisdk._net._kernel import _policy_rules

        self._netlink.batch([_policy_rules.remove_rule(rule)], tolerated=_GONE)

    def change_routes(
        self, index: int, *, add: Sequence[KernelRoute], remove: Sequence[KernelRoute]
    ) -> None:
        """Add routes, then remove others; one batch each."""
        try:
            self._netlink.batch(
                [_requests.new_route(index, each, last=True) for each in add], tolerated=_THERE
            )
        except KernelRefusal as refusal:
            name = route_name(add[refusal.position])
            raise OSError(refusal.errno, f"{name}: {refusal.strerror}") from refusal
        self._netlink.batch(
            [_requests.remove_route(index, each) for each in remove], tolerated=_GONE
        )

    def add_vrf(self, name: str, table: int) -> None:
        """Make a VRF."""
        self._netlink.batch([_requests.new_vrf(name, table)])

    def has_vrf(self) -> bool:
        """Whether the kernel knows VRFs: one without table is refused, but not as an unknown kind."""
        try:
            self._netlink.batch([_requests.new_vrf("cnivrfprobe", 0)])
        except KernelRefusal as refusal:
            return refusal.errno != errno.EOPNOTSUPP
        return True


def route_name(route: KernelRoute) -> str:
    """A route as an error names it."""
    return f"route to {route.dst}" + (f" by {route.gw}" if route.gw else "")
