"""CHECK where the order of rules is what they are for: who accepts first has decided. And where they sleep."""

from __future__ import annotations

from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

SUBNET = "10.1.0.0/24"
COMMENT = "CNI firewall plugin rules"
STAGES = f"{COMMENT} (ingressPolicy: same-bridge|isolated)"
OVERRIDES = "CNI firewall plugin admin overrides"


@pytest.fixture(autouse=True)
def no_bus(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own host has no firewalld, whatever the machine has."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={machine.root}/bus")


def shell(machine: Machine, command: str) -> str:
    return machine.host.run("sh", "-ec", command).strip()


def filtered(machine: Machine, container: Netns, **keys: Any) -> tuple[dict[str, Any], Any]:
    """A container behind a bridge and the firewall plugin."""
    first = machine.add(machine.conf(SUBNET), container)
    cfg = {"cniVersion": "1.0.0", "name": "mynet", "type": "firewall", **keys}
    result = machine.add(cfg, container, prev=first)
    machine.check(cfg, container, result)
    return cfg, result


@pytest.mark.parametrize("policy", ["same-bridge", "isolated"])
@pytest.mark.parametrize(
    ("chain", "rule"),
    [
        ("CNI-ISOLATION-STAGE-1", f'-m comment --comment "{STAGES}" -j RETURN'),
        ("CNI-ISOLATION-STAGE-2", f'-m comment --comment "{STAGES}" -j RETURN'),
        ("FORWARD", f'-m comment --comment "{COMMENT}" -j CNI-FORWARD'),
    ],
)
def test_what_ends_isolation_comes_last(
    machine: Machine, container: Netns, chain: str, rule: str, policy: str
) -> None:
    cfg, result = filtered(machine, container, backend="iptables", ingressPolicy=policy)

    shell(machine, f"iptables -D {chain} {rule}; iptables -I {chain} 1 {rule}")

    assert f"in chain {chain} of" in machine.call("CHECK", cfg, container, prev=result).error


def test_the_administrators_rules_come_first_in_iptables(
    machine: Machine, container: Netns
) -> None:
    cfg, result = filtered(machine, container, backend="iptables")
    jump = f'CNI-FORWARD -m comment --comment "{OVERRIDES}" -j CNI-ADMIN'

    shell(machine, f"iptables -D {jump}; iptables -A {jump}")

    assert "CNI-ADMIN" in machine.call("CHECK", cfg, container, prev=result).error


def test_the_administrators_rules_come_first_in_nftables(
    machine: Machine, container: Netns
) -> None:
    cfg, result = filtered(machine, container, backend="nftables")
    chain = "inet cni_firewall accept_forward"
    handle = shell(machine, f"nft -a list chain {chain} | sed -n 's/.*jump CNI-ADMIN # handle //p'")

    shell(machine, f"nft delete rule {chain} handle {handle}; nft add rule {chain} jump CNI-ADMIN")

    assert "jump CNI-ADMIN" in machine.call("CHECK", cfg, container, prev=result).error


def test_a_second_container_changes_nothing_for_the_first(
    machine: Machine, container: Netns
) -> None:
    for backend in ("iptables", "nftables"):
        cid = {"container_id": backend}
        one, two = machine.container(), machine.container()
        conf = machine.conf(SUBNET)
        results = []
        for netns, policy in ((one, "isolated"), (two, "open")):
            name = f"{policy}-{backend}"
            cfg = {"cniVersion": "1.0.0", "name": name, "type": "firewall", "backend": backend}
            cfg["ingressPolicy"] = policy
            first = machine.add({**conf, "name": name}, netns, **cid)
            results.append((cfg, netns, machine.add(cfg, netns, prev=first, **cid)))
        for cfg, netns, result in results:
            machine.check(cfg, netns, result, **cid)


def test_neighbours_are_told_before_the_world_is(machine: Machine, container: Netns) -> None:
    """Else what goes to the subnet is masqueraded as well."""
    cfg = machine.conf(SUBNET, ipMasq=True, ipMasqBackend="iptables")
    result = machine.add(cfg, container)
    machine.check(cfg, container, result)
    saved = machine.host.run("iptables", "-t", "nat", "-S").splitlines()
    accept = next(each for each in saved if each.endswith("-j ACCEPT") and "-A CNI-" in each)

    shell(machine, f"iptables -t nat {accept.replace('-A', '-D', 1)}; iptables -t nat {accept}")

    assert "comes too late" in machine.call("CHECK", cfg, container, prev=result).error


def test_the_spoof_check_comes_before_the_end(machine: Machine, container: Netns) -> None:
    cfg = machine.conf(SUBNET, macspoofchk=True)
    result = machine.add(cfg, container)
    machine.check(cfg, container, result)
    chain = "bridge nat cni-br-iface-c1-eth0"
    tag = shell(machine, f"nft list chain {chain} | sed -n 's/.*return comment //p'")
    handle = shell(machine, f"nft -a list chain {chain} | sed -n 's/.*return.*# handle //p'")

    shell(machine, f"nft delete rule {chain} handle {handle}")
    shell(machine, f"nft 'insert rule {chain} return comment {tag}'")

    assert "MAC spoof check" in machine.call("CHECK", cfg, container, prev=result).error


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("inet cni_plugins_masquerade", {"ipMasq": True, "ipMasqBackend": "nftables"}),
        ("bridge nat", {"macspoofchk": True}),
    ],
)
def test_a_table_that_sleeps_is_noticed(
    machine: Machine, container: Netns, table: str, keys: dict[str, Any]
) -> None:
    cfg = machine.conf(SUBNET, **keys)
    result = machine.add(cfg, container)
    machine.check(cfg, container, result)

    shell(machine, f"nft 'table {table} {{ flags dormant; }}'")

    assert table in machine.call("CHECK", cfg, container, prev=result).error
    if "masquerade" in table:  # the next ADD wakes it
        machine.add(cfg, machine.container(), container_id="c2")
        machine.check(cfg, container, result)


def test_a_firewall_that_sleeps_is_noticed(machine: Machine, container: Netns) -> None:
    cfg, result = filtered(machine, container, backend="nftables")

    shell(machine, "nft 'table inet cni_firewall { flags dormant; }'")

    assert "dormant" in machine.call("CHECK", cfg, container, prev=result).error
