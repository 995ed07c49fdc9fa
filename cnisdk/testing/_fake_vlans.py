"""The fake kernel's VLANs of bridge ports."""

from __future__ import annotations

import errno
from collections.abc import Collection, Sequence

import attrs

from cnisdk._net._types import PortVlan
from cnisdk.testing._fake_space import FakeSpace


DEFAULT_VLAN = 1
OF_A_NEW_PORT = (PortVlan(DEFAULT_VLAN, pvid=True, untagged=True),)


class FakeVlans(FakeSpace):
    """The VLANs of one fake namespace."""

    def port_vlans(self, index: int) -> list[PortVlan]:
        """The VLANs of a bridge port."""
        try:
            return list(self.by_name[self.name(index)].vlans)
        except OSError:
            return []

    def change_port_vlans(
        self, index: int, *, add: Sequence[PortVlan], remove: Collection[int] = ()
    ) -> None:
        """Take a bridge port out of VLANs, then put it into others; one VLAN at most is the pvid."""
        name = self.name(index)
        self.machine.change(f"VLANs of {name}")
        state = self.by_name[name]
        if not state.master:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        found = {each.id: each for each in state.vlans if each.id not in remove}
        for vlan in add:
            if vlan.pvid:
                found = {key: each._replace(pvid=False) for key, each in found.items()}
            found[vlan.id] = vlan
        self.by_name[name] = attrs.evolve(state, vlans=tuple(sorted(found.values())))
