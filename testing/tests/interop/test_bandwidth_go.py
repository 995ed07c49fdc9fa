"""bandwidth beside Debian's Go bandwidth: the same numbers and names, swaps both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from tests.kernel.machine import Machine, Netns
else:
    from machine import Machine, Netns

GO = Path("/usr/lib/cni")
INTO = {"ingressRate": 8_000_000, "ingressBurst": 800_000}
OUT = {"egressRate": 4_000_000, "egressBurst": 400_000}
LIMITS: dict[str, dict[str, Any]] = {
    "both": INTO | OUT,
    "ingress": INTO,
    "egress": OUT,
    "smallest": {"ingressRate": 8, "ingressBurst": 8, "egressRate": 16, "egressBurst": 8},
    "odd": {
        "ingressRate": 1_234_567,
        "ingressBurst": 7_654_321,
        "egressRate": 8,
        "egressBurst": 80,
    },
    "runtime": {"runtimeConfig": {"bandwidth": INTO | OUT}},
}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not (GO / "bandwidth").exists(),
        reason="needs the Debian package containernetworking-plugins",
    ),
]


@pytest.fixture
def container(machine: Machine) -> Netns:
    made = machine.container()
    machine.host.ip(f"link add veth0 mtu 1400 type veth peer name eth0 netns {made.path}")
    machine.host.ip("link set veth0 up")
    made.ip("link set eth0 up")
    return made


def conf(**keys: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "name": "mynet", "type": "bandwidth", **keys}


def prev(container: Netns) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "veth0"}, {"name": "eth0", "sandbox": container.path}],
        "ips": [{"address": "10.0.0.2/24", "interface": 1}],
    }


def limits(machine: Machine) -> list[Any]:
    """Names of links, qdiscs and the filter, but for the action that Go has twice (W-BW-3)."""
    host, found = machine.host, list[Any]()
    for name in host.links():
        found.append((name, host.sh(f"tc -d qdisc show dev {name}").replace("refcnt 3", "")))
    text = host.sh("tc -j filter show dev veth0 parent ffff:")
    for each in json.loads(text or "[]"):
        options = each.get("options", {})
        actions = [action["to_dev"] for action in options.pop("actions", [])[:1]]
        found.append((each["protocol"], each["pref"], each["kind"], options, actions))
    return found


@pytest.mark.parametrize("maker", ["go", "ours"])
@pytest.mark.parametrize("keys", LIMITS.values(), ids=LIMITS)
def test_swap(machine: Machine, container: Netns, maker: str, keys: dict[str, Any]) -> None:
    """What one has limited, the other checks and deletes."""
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    cfg = conf(**keys)
    before = limits(machine)
    result = machine.add(cfg, container, prev=prev(container), plugins=first)
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)

    assert set(machine.host.links()) == {"lo", "veth0"}
    if maker == "go":
        assert limits(machine) == before


@pytest.mark.parametrize("keys", LIMITS.values(), ids=LIMITS)
def test_the_same_numbers_and_names(
    machine: Machine, container: Netns, keys: dict[str, Any]
) -> None:
    found: list[Any] = []
    for plugins in (GO, machine.plugins):
        result = machine.add(conf(**keys), container, prev=prev(container), plugins=plugins)
        names = [each["name"] for each in result["interfaces"]]
        found.append((names, limits(machine)))
        machine.delete(conf(**keys), container, prev=result)

    assert found[0] == found[1]


@pytest.mark.parametrize("maker", ["go", "ours"])
def test_the_go_plugins_burst_of_containerd(machine: Machine, container: Netns, maker: str) -> None:
    """containerd's burst of 2^32-1 fits at 100 Mbit/s: the same numbers again."""
    cfg = conf(
        ingressRate=100_000_000,
        ingressBurst=2**32 - 1,
        egressRate=100_000_000,
        egressBurst=2**32 - 1,
    )
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    result = machine.add(cfg, container, prev=prev(container), plugins=first)
    machine.check(cfg, container, result, plugins=second)
