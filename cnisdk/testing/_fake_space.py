"""What all parts of a fake kernel stand on: links by name and index, routing tables, sysctls."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import attrs

from cnisdk._net._types import MAIN_TABLE
from cnisdk.testing._state import LinkState, NsState


if TYPE_CHECKING:
    from cnisdk.testing._fake_machine import FakeMachine

PER_LINK_SYSCTLS = ("ipv4/conf/", "ipv6/conf/")
_DEFAULTS = {"accept_ra": "1", "accept_dad": "1", "enhanced_dad": "1"}
_ALONE = {"dummy", "ifb", "vrf"}


class FakeSpace:
    """One fake namespace, without what the kernel does in it."""

    def __init__(self, machine: FakeMachine, path: str, state: NsState) -> None:
        self.machine = machine
        self.path = path
        self.by_name = dict(state.links)
        self.order = list(state.links)
        self.route_set = set(state.routes)
        self.values = dict(state.sysctls)
        self.filters = set(state.rules)
        self.policies = set(state.policies)
        self.devices = dict(state.devices)
        self.unconnected: set[tuple[str, str]] = set()
        """Links and their addresses without a route to their subnet."""
        self.fixed_mtus: set[str] = set()
        """Links whose MTU was set by a call of its own."""

    def state(self) -> NsState:
        """This namespace as a value."""
        return NsState(
            links=dict(self.by_name),
            routes=frozenset(self.route_set),
            sysctls=dict(self.values),
            rules=frozenset(self.filters),
            policies=frozenset(self.policies),
            devices=dict(self.devices),
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

    def put(self, name: str, state: LinkState) -> None:
        """Place a link."""
        self.by_name[name] = state
        # A name used again gets a new index.
        self.order = [f"({each})" if each == name else each for each in self.order] + [name]

    def fit_mtu(self, bridge: str) -> None:
        """Keep a bridge at the MTU of its smallest port, unless its MTU was set."""
        ports = [each.mtu for each in self.by_name.values() if bridge and each.master == bridge]
        if ports and bridge not in self.fixed_mtus:
            self.by_name[bridge] = attrs.evolve(self.by_name[bridge], mtu=min(ports))

    def table_of(self, name: str) -> int:
        """The table for the subnets of a link's addresses: its VRF's, or main."""
        master = self.by_name.get(self.by_name[name].master)
        return master.vrf_table if master is not None and master.vrf_table else MAIN_TABLE

    # ---- sysctls --------------------------------------------------------------------------------

    def sysctl(self, name: str) -> str | None:
        """A value; the default where nothing was written. Settings of a link exist with the link."""
        default = self.sysctl_default(name)
        return None if default is None else self.values.get(name, default)

    def sysctl_default(self, name: str) -> str | None:
        """The value of a setting that was never written; None when there is no such setting."""
        _, _, setting = name.rpartition("/")
        if name.startswith(PER_LINK_SYSCTLS):
            link = name.split("/")[2]
            if link not in {*self.by_name, "all", "default"}:
                return None
            state = self.by_name.get(link)
            if setting == "accept_dad" and (link == "lo" or (state and state.kind in _ALONE)):
                return "-1"  # a link without neighbours
        return _DEFAULTS.get(setting, "0")

    def link_sysctls(self, name: str) -> dict[str, str]:
        """The settings of a link that were changed."""
        starts = tuple(f"{each}{name}/" for each in PER_LINK_SYSCTLS)
        return {key: value for key, value in self.values.items() if key.startswith(starts)}

    def set_sysctl(self, name: str, value: str) -> None:
        """Write a value."""
        if self.sysctl(name) is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.machine.change(f"set {name}")
        self.values[name] = value
        if self.sysctl_default(name) == value:
            del self.values[name]
