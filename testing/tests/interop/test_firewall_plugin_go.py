"""The firewall plugin beside Debian's Go firewall: the same rules, swaps both ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from tests.kernel.machine import Machine, Netns
else:
    from machine import Machine, Netns

GO = Path("/usr/lib/cni")
TOOLS = ("iptables", "ip6tables")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not (GO / "firewall").exists(),
        reason="needs the Debian packages containernetworking-plugins and iptables",
    ),
]


@pytest.fixture(autouse=True)
def no_bus(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own host has no firewalld, whatever the machine has."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={machine.root}/no-bus")


def conf(**keys: Any) -> dict[str, Any]:
    document = {"cniVersion": "1.0.0", "name": "mynet", "type": "firewall", "backend": "iptables"}
    return {**document, **keys}


def prev(container: Netns, number: int = 2) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": container.path}],
        "ips": [
            {"address": f"10.0.0.{number}/24", "interface": 1},
            {"address": f"2001:db8::{number}/64", "interface": 1},
        ],
    }


def rules(machine: Machine) -> list[str]:
    """Chains and rules of both families, but for those that say whose rules are."""
    lines = [line for tool in TOOLS for line in machine.host.run(tool, "-S").splitlines()]
    return [line for line in lines if "CNI-FORWARD-OWNERS" not in line]


@pytest.mark.parametrize("keys", [{}, {"iptablesAdminChainName": "FOO"}])
def test_the_same_rules(machine: Machine, container: Netns, keys: dict[str, str]) -> None:
    """Chains, jumps, their order, comments, the rules of each address."""
    found: list[list[str]] = []
    for plugins in (GO, machine.plugins):
        machine.add(conf(**keys), container, prev=prev(container), plugins=plugins)
        found.append(rules(machine))
        for tool in TOOLS:
            machine.host.run(tool, "-F")
            machine.host.run(tool, "-X")

    assert found[0] == found[1]


def test_the_same_policy(machine: Machine, container: Netns) -> None:
    """But for the comments: later releases of Go name both policies, and ours the owner."""
    found: list[list[str]] = []
    for plugins in (GO, machine.plugins):
        cfg = conf(ingressPolicy="same-bridge")
        machine.add(cfg, container, prev=prev(container), plugins=plugins)
        rest = [line.partition('--comment "') for line in rules(machine)]
        found.append([head + tail.rpartition('"')[2] for head, _, tail in rest])
        for tool in TOOLS:
            machine.host.run(tool, "-F")
            machine.host.run(tool, "-X")

    assert found[0] == found[1]


@pytest.mark.parametrize("maker", ["go", "ours"])
@pytest.mark.parametrize("policy", ["open", "same-bridge"])  # Debian's release has no isolated
def test_swap(machine: Machine, container: Netns, maker: str, policy: str) -> None:
    """What one has made, the other checks and deletes; what Go leaves of ours, GC removes."""
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    cfg = conf(ingressPolicy=policy)
    result = machine.add(cfg, container, prev=prev(container), plugins=first)
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)
    machine.gc(cfg)

    ruleset = machine.host.ruleset()
    assert "10.0.0.2" not in ruleset
    assert "2001:db8::2" not in ruleset
    assert "net: mynet" not in ruleset


def test_ours_leaves_the_others_of_go_alone(machine: Machine, container: Netns) -> None:
    """A node on its way from Go to ours: containers of either, one policy on one bridge."""
    cfg = conf(ingressPolicy="same-bridge")
    old = machine.add(cfg, container, prev=prev(container), plugins=GO)
    before = rules(machine)
    result = machine.add(cfg, container, prev=prev(container, 3), container_id="c2")
    machine.check(cfg, container, result, container_id="c2")
    machine.delete(cfg, container, prev=result, container_id="c2")
    machine.gc(cfg, ("c1", "eth0"))

    machine.check(cfg, container, old)
    machine.check(cfg, container, old, plugins=GO)
    assert set(before) <= set(rules(machine))


def test_check_of_what_go_made_is_sharp(machine: Machine, container: Netns) -> None:
    cfg = conf(ingressPolicy="same-bridge")
    result = machine.add(cfg, container, prev=prev(container), plugins=GO)
    machine.check(cfg, container, result)
    for rule in ("CNI-FORWARD -s 10.0.0.2 -j ACCEPT", "CNI-ISOLATION-STAGE-2 1"):
        machine.host.sh(f"iptables -D {rule}")
        error = machine.call("CHECK", cfg, container, prev=result).error
        assert rule.partition(" ")[0] in error
        machine.add(cfg, container, prev=result, plugins=GO)
