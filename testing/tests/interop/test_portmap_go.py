"""portmap side by side with the Go plugin 1.1.1 (iptables): swap both ways, with real packets."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))

from machine import Machine, new_machine
from portmap_chain import GO, Attached, Chain
from traffic import asked, neighbour, serving

from cnisdk.install import install


pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not os.path.exists(GO / "portmap"),
        reason="needs the Debian packages containernetworking-plugins and iptables",
    ),
]

MAPPINGS = (
    {"hostPort": 8080, "containerPort": 80},
    {"hostPort": 8053, "containerPort": 53, "protocol": "udp"},
    {"hostPort": 8081, "containerPort": 80, "hostIP": "192.0.2.1"},
    {"hostPort": 8082, "containerPort": 80, "hostIP": "2001:db8:2::1"},
    {"hostPort": 8083, "containerPort": 80, "hostIP": "0.0.0.0"},
    *({"hostPort": 9000 + number, "containerPort": 80} for number in range(20)),
)
KEYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "conditions": {"conditionsV4": ["!", "-s", "192.0.7.0/24"], "conditionsV6": ["-i", "veth+"]},
    "no snat": {"snat": False},
    "mark": {"markMasqBit": 5},
    "mark of others": {"externalSetMarkChain": "PLZ-SET-MARK"},
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    install(["reference"], str(tmp_path / "bin"))
    made = new_machine(tmp_path, tmp_path / "bin")
    for program in ("iptables", "ip6tables"):
        made.host.run(program, "-t", "nat", "-N", "PLZ-SET-MARK")
    yield made
    made.close()


def saved(machine: Machine) -> list[str]:
    """The nat tables, but for the rule that names the owner of a chain."""
    return [
        line
        for program in ("iptables-save", "ip6tables-save")
        for line in machine.host.run(program, "-t", "nat").splitlines()
        if not line.startswith("#") and ", net: " not in line and " ACCEPT [" not in line
    ]


def per_container(machine: Machine) -> list[str]:
    return [line for line in saved(machine) if "CNI-DN-" in line]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("kind", ["ptp", "bridge"])
def test_rules_are_the_go_plugins(machine: Machine, kind: str, keys: str) -> None:
    """Chain names, comments, order, 15 ports a rule: all but the owner's mark is the same."""
    chain, container = Chain(machine, kind), machine.container()
    neighbour(machine)
    made = chain.add(container, *MAPPINGS, plugins=GO, **KEYS[keys])
    theirs = saved(machine)
    conf = {**made.conf, "backend": "iptables"}
    chain.delete(container, *MAPPINGS)
    assert per_container(machine) == []
    machine.add(conf, container, prev=made.result)

    assert saved(machine) == theirs


@pytest.mark.parametrize("keys", KEYS)
def test_go_adds_we_check_and_delete(machine: Machine, keys: str) -> None:
    """Without being told the backend: ours is where the rules are."""
    chain, container = Chain(machine, "ptp"), machine.container()
    made = chain.add(container, *MAPPINGS, plugins=GO, **KEYS[keys])

    chain.check(container, made)
    chain.delete(None)

    assert per_container(machine) == []


@pytest.mark.parametrize("keys", KEYS)
def test_we_add_go_checks_and_deletes(machine: Machine, keys: str) -> None:
    chain, container = Chain(machine, "ptp"), machine.container()
    made = chain.add(container, *MAPPINGS, backend="iptables", **KEYS[keys])

    # It gets past IPv4, and then looks for the IPv4 rules among those of IPv6: so too after its own ADD.
    out = machine.call("CHECK", made.conf, container, prev=made.result, plugins=GO)
    assert "could not check ipv6 dnat" in out.error
    machine.delete(made.conf, container, prev=made.result, plugins=GO)

    assert per_container(machine) == []


def test_we_add_again_what_go_has_added(machine: Machine) -> None:
    """W-PM-4: mappings of before are gone, and so are those of the other backend (W-PM-7)."""
    chain, container = Chain(machine, "ptp"), machine.container()
    made = chain.add(container, *MAPPINGS, plugins=GO)
    again = Attached(made.result, chain.conf(MAPPINGS[0]))
    machine.add(again.conf, container, prev=made.result)

    chain.check(container, again)
    assert per_container(machine) == []  # the default is nftables


def test_gc_removes_what_go_has_added(machine: Machine) -> None:
    chain, other = Chain(machine, "ptp"), Chain(machine, "ptp", "othernet", "10.2.0.0/24")
    kept, stale, foreign = (machine.container() for _ in range(3))
    chain.add(kept, MAPPINGS[0], plugins=GO)
    other.add(foreign, MAPPINGS[1], plugins=GO, container_id="c3")
    before = per_container(machine)
    chain.add(stale, MAPPINGS[2], plugins=GO, container_id="c2")

    machine.gc(chain.conf(), ("c1", "eth0"))

    assert per_container(machine) == before


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_port_that_go_has_given_away_is_refused(machine: Machine, backend: str) -> None:
    """W-PM-8: the Go plugin's rules name the holder too."""
    chain = Chain(machine, "ptp")
    chain.add(machine.container(), MAPPINGS[0], plugins=GO)

    out = chain.try_add(machine.container(), MAPPINGS[0], backend=backend, container_id="c2")

    assert 'dnat name: "mynet" id: "c1"' in out.error


@pytest.mark.parametrize("ours", ["nftables", "iptables"])
def test_packets_to_containers_of_either(machine: Machine, ours: str) -> None:
    """On one node: the one plugin's ports do not get into the way of the other's."""
    chain, outside = Chain(machine, "bridge"), neighbour(machine)
    theirs, mine = machine.container(), machine.container()
    chain.add(theirs, MAPPINGS[0], plugins=GO)
    chain.add(mine, MAPPINGS[2], backend=ours, container_id="c2")

    for container, port in ((theirs, 8080), (mine, 8081)):
        with serving(container, "tcp", 80):
            assert asked(outside, "tcp", "192.0.2.1", port)
            assert asked(container, "tcp", "192.0.2.1", port)
