"""macvlan beside Debian's Go macvlan: what one has made, the other checks and deletes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from tests.kernel.machine import Machine
else:
    from machine import Machine

GO = Path("/usr/lib/cni")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not (GO / "macvlan").exists(), reason="needs the Debian package containernetworking-plugins"
    ),
]


@pytest.fixture
def machine(machine: Machine) -> Machine:
    machine.host.ip("link add m0 type veth peer name m1")
    machine.host.ip("link set m0 up")
    machine.host.ip("link set m1 up")
    return machine


@pytest.mark.parametrize("keys", [{}, {"mode": "private", "mtu": 1400}, {"mode": "vepa"}])
@pytest.mark.parametrize("maker", ["go", "ours"])
def test_swap(machine: Machine, maker: str, keys: dict[str, Any]) -> None:
    container = machine.container()
    cfg = machine.conf("10.1.0.0/24", "fd01::/64", type="macvlan", master="m0", **keys)
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)

    result = machine.add(cfg, container, plugins=first)
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)

    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


def test_equal_results(machine: Machine) -> None:
    """Apart from the names of namespaces, the random MAC, and the mtu that only ours reports."""
    cfg = machine.conf("10.1.0.0/24", "fd01::/64", type="macvlan", master="m0", version="1.0.0")
    found: list[dict[str, Any]] = []
    for plugins in (GO, machine.plugins):
        container = machine.container()
        args = "IgnoreUnknown=1;MAC=02:00:00:00:00:77"
        result = machine.add(cfg, container, plugins=plugins, args=args)
        machine.delete(cfg, container, plugins=plugins)
        for interface in result["interfaces"]:
            del interface["sandbox"]
            interface.pop("mtu", None)
        found.append({**result, "dns": result.get("dns") or {}})
    for result in found:  # host-local hands out the next address
        result["ips"] = [{**ip, "address": ""} for ip in result["ips"]]

    assert found[0] == found[1]
