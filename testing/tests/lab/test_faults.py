"""Every call on the kernel that an ADD makes fails in turn, for what only the lab's kernel has."""

from __future__ import annotations

from typing import Any

import pytest
from faults import MODES, sweep
from machine import Machine


pytestmark = pytest.mark.lab

V4, V6 = "10.1.0.0/24", "fd01::/64"
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "bridge with VLAN": (
        (V4, V6),
        {"type": "bridge", "vlan": 100, "vlanTrunk": [{"id": 7}], "isDefaultGateway": True},
    ),
    "ipvlan": ((V4, V6), {"type": "ipvlan", "master": "m0"}),
    "vlan": ((V4, V6), {"type": "vlan", "master": "m0", "vlanId": 7, "mtu": 1400}),
    "dummy": ((V4, V6), {"type": "dummy", "mtu": 1400}),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_an_add_whose_call_fails_leaves_nothing(machine: Machine, name: str, mode: str) -> None:
    """Issue 4: fault injection at every kernel call of every ADD."""
    subnets, keys = CASES[name]
    machine.host.ip("link add m0 type dummy")
    machine.host.ip("link set m0 up")
    conf = machine.conf(*subnets, **keys)

    shared = name != "vlan"  # a VLAN of a master is one interface's
    # This kernel takes its time: each call fails in one of the two ways.
    calls = sweep(
        machine,
        conf,
        mode,
        machine.container,
        lambda _: None,
        vlans=name == "bridge with VLAN",
        shared=shared,
        points=(MODES.index(mode), len(MODES)),
    )
    assert calls > 8
