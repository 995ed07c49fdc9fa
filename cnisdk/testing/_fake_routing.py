"""The fake kernel's policy rules, routes between tables, VRFs, devices, and moves between namespaces."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from ipaddress import ip_network
from typing import TYPE_CHECKING

import attrs

from cnisdk._deadline import Deadline
from cnisdk._net._types import KernelRoute, PolicyRule
from cnisdk.testing._fake_addresses import FakeAddresses
from cnisdk.testing._fake_vlans import OF_A_NEW_PORT
from cnisdk.testing._state import DeviceState, LinkState


if TYPE_CHECKING:
    from cnisdk.testing._fake_kernel import FakeKernel

_RULES = ((255, 4, 0), (254, 4, 32766), (253, 4, 32767), (255, 6, 0), (254, 6, 32766))
"""What every namespace has: table, address family, priority."""
_VRF_MTU = 65575
_MADE_UP_MAC = "fa:00:00:00:00:98"


class FakeRouting(FakeAddresses):
    """What a fake namespace has beside links, addresses and sysctls."""

    # ---- policy rules and routes ----------------------------------------------------------------

    def policy_rules(self) -> list[PolicyRule]:
        """All policy rules."""
        own = [
            PolicyRule(src=None, table=table, version=version, priority=priority)
            for table, version, priority in _RULES
        ]
        added = [
            PolicyRule(
                src=ip_network(src) if src else None,
                table=int(table),
                version=int(version),
                priority=int(priority),
            )
            for src, table, version, priority in self.policies
        ]
        return sorted([*own, *added], key=lambda each: (each.version, each.priority))

    def add_policy_rule(self, rule: PolicyRule) -> None:
        """Add a policy rule, before the second one as the kernel does."""
        self.machine.change(f"add rule from {rule.src}")
        taken = [each.priority for each in self.policy_rules() if each.version == rule.version]
        priority = rule.priority or sorted(taken)[1] - 1
        src = "" if rule.src is None else str(rule.src)
        made = (src, str(rule.table), str(rule.version), str(priority))
        if made in self.policies:
            raise FileExistsError(errno.EEXIST, "File exists")
        self.policies.add(made)

    def remove_policy_rule(self, rule: PolicyRule) -> None:
        """Remove the first policy rule like this one."""
        self.machine.change(f"remove rule from {rule.src}")
        src = "" if rule.src is None else str(rule.src)
        wanted = (src, str(rule.table), str(rule.version))
        found = sorted(
            (each for each in self.policies if each[:3] == wanted), key=lambda each: int(each[3])
        )
        same = [each for each in found if not rule.priority or each[3] == str(rule.priority)]
        self.policies.difference_update(same[:1])

    def change_routes(
        self, index: int, *, add: Sequence[KernelRoute], remove: Sequence[KernelRoute]
    ) -> None:
        """Add routes, then remove others."""
        name = self.name(index)
        refusals: list[OSError] = []
        for route in add:
            try:
                self.machine.change(f"add route to {route.dst}")
                self._add_route(name, route)
            except FileExistsError:
                continue
            except OSError as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        for route in remove:
            self.machine.change(f"remove route to {route.dst}")
            bare = attrs.evolve(route, index=index)
            gone = [found for found in self.route_set if self.as_route(found) == bare]
            self.route_set.difference_update(gone)

    # ---- VRFs -----------------------------------------------------------------------------------

    def has_vrf(self) -> bool:
        """This kernel has them."""
        return True

    def add_vrf(self, name: str, table: int) -> None:
        """Make a VRF."""
        self.machine.change(f"add vrf {name}")
        if name in self.by_name:
            raise FileExistsError(errno.EEXIST, "File exists")
        self.put(name, LinkState(kind="vrf", mac=_MADE_UP_MAC, mtu=_VRF_MTU, vrf_table=table))

    def enslave(self, name: str, master: str) -> None:
        """Put a link into another one, or out of it; with a VRF it goes down and up."""
        state = self.by_name[name]
        was = self.by_name.get(state.master)
        kinds = {each.kind for each in (was, self.by_name.get(master)) if each is not None}
        if state.master == master:
            return
        into_bridge = master and self.by_name[master].kind == "bridge"
        vlans = OF_A_NEW_PORT if into_bridge else ()
        self.by_name[name] = attrs.evolve(state, master=master, vlans=vlans)
        if was is not None:
            self.fit_mtu(state.master)
        if "vrf" in kinds and state.up:
            self.switch(name, up=False)
            self.switch(name, up=True)

    # ---- devices --------------------------------------------------------------------------------

    def device_links(self, path: str) -> list[str]:
        """The links of a device that are in this namespace."""
        return [each for each in self._device(path).links if each in self.by_name]

    def device_driver(self, path: str) -> str:
        """The driver of a device."""
        return self._device(path).driver

    def _device(self, path: str) -> DeviceState:
        if path not in self.devices:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return self.devices[path]

    def identity(self) -> str:
        """One path leads to each namespace here."""
        return self.path

    def exclusive(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Nobody else is here."""
        return nullcontext()

    def move(self, name: str, other: FakeKernel, wanted: str) -> str:
        """Move a link to another namespace; under the wanted name where its own is taken."""
        state = self.by_name[name]
        there = wanted if wanted and name in other.by_name else name
        if there in other.by_name:
            raise FileExistsError(errno.EEXIST, "File exists")
        del self.by_name[name]
        for setting in self.link_sysctls(name):
            del self.values[setting]
        self.route_set = {each for each in self.route_set if each[2] != name}
        self.order = [f"({each})" if each == name else each for each in self.order]
        self.fit_mtu(state.master)
        free = attrs.evolve(state, up=False, master="", hairpin=False, isolated=False, addresses=())
        free = attrs.evolve(free, vlans=())
        other.put(there, free)
        self.repoint((self.path, name), (other.path, there))
        return there

    def repoint(self, old: tuple[str, str], new: tuple[str, str]) -> None:
        """Let what refers to a link that has moved or has another name follow it."""
        for space in self.machine.spaces.values():
            for name, each in space.by_name.items():
                peer = new if each.peer == old else each.peer
                lower = new if each.lower == old else each.lower
                space.by_name[name] = attrs.evolve(each, peer=peer, lower=lower)
