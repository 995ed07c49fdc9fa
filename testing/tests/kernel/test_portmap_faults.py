"""portmap when something fails or somebody else is faster: calls of the kernel, programs, other ADDs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import MODES, sweep
from machine import Machine, Netns, Outcome, together
from portmap_chain import Chain


pytestmark = pytest.mark.kernel

BACKENDS = ("nftables", "iptables")
WEB = {"hostPort": 8080, "containerPort": 80}
DNS = {"hostPort": 8053, "containerPort": 53, "protocol": "udp"}


def attachments(machine: Machine) -> list[str]:
    """Rules of single containers."""
    words = ("dnat-", "masq-", "CNI-DN-", " id: ")
    found = machine.host.ruleset().splitlines()
    return [line for line in found if any(each in line for each in words)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("backend", "shared"), [("nftables", True), ("iptables", True), ("nftables", False)]
)
def test_an_add_whose_call_fails_leaves_nothing(
    machine: Machine, backend: str, mode: str, shared: bool
) -> None:
    """Issue 4: fault injection at every kernel call of every ADD; W-PM-10."""
    chain, netns = Chain(machine, "ptp"), machine.container()
    if shared:
        other = {**WEB, "hostPort": 1}
        chain.add(machine.container(), other, backend=backend, container_id="shared")
    prev = chain.add_first(netns)
    conf = chain.conf(WEB, DNS, backend=backend)

    calls = sweep(machine, conf, mode, lambda: netns, lambda _: prev, shared=False)

    assert calls >= {"nftables": 3, "iptables": 6}[backend]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_add_that_fails_is_undone(machine: Machine, backend: str) -> None:
    """A condition the tool does not know: nothing of this attachment stays, all of another's does."""
    chain, netns = Chain(machine, "ptp"), machine.container()
    chain.add(machine.container(), DNS, backend=backend, container_id="c2")
    before = machine.host.ruleset()
    made = chain.add(netns, WEB, backend=backend)
    words = ["nonsense", "7"] if backend == "nftables" else ["--nonsense", "7"]

    out = machine.call("ADD", {**made.conf, "conditionsV6": words}, netns, prev=made.result)

    assert "nonsense" in out.error
    assert machine.host.ruleset() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_add_of_a_host_that_fails_leaves_no_chain(machine: Machine, backend: str) -> None:
    """W-PM-10: IPv4 is done when IPv6 fails; what containers share goes too, for none is there."""
    # What is built into iptables comes to the kernel with its first use, and stays.
    chains = ("PREROUTING", "OUTPUT", "POSTROUTING")
    lines = [f"-{verb} {each} -j RETURN" for each in chains for verb in "AD"]
    for program in ("iptables-restore", "ip6tables-restore"):
        machine.host.run(program, stdin="\n".join(["*nat", *lines, "COMMIT", ""]))
    before = machine.host.ruleset()
    words = ["nonsense", "7"] if backend == "nftables" else ["--nonsense", "7"]

    out = Chain(machine, "ptp").try_add(
        machine.container(), WEB, backend=backend, conditionsV6=words
    )

    assert "nonsense" in out.error
    assert machine.host.ruleset() == before


@pytest.fixture
def crowd(machine: Machine) -> list[tuple[str, Netns, dict[str, Any]]]:
    """Containers, and what an earlier plugin has made in each."""
    chain, made = Chain(machine, "bridge"), list[tuple[str, Netns, dict[str, Any]]]()
    for number in range(6):
        netns, name = machine.container(), f"c{number}"
        made.append((name, netns, chain.add_first(netns, container_id=name)))
    return made


def executed(
    machine: Machine, verb: str, conf: dict[str, Any], who: tuple[str, Netns, dict[str, Any]]
) -> Callable[[], Outcome]:
    """A plugin as a process."""
    name, netns, prev = who
    env = machine.environment(verb, netns, container_id=name)
    document = {**conf, "prevResult": prev}
    return lambda: machine.execute(machine.plugins / "portmap", env, document)


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_many_adds_at_once_one_gets_the_port(
    machine: Machine, crowd: list[tuple[str, Netns, dict[str, Any]]], backend: str
) -> None:
    """W-PM-8: also where all of them have looked before any of them has made a rule."""
    conf = Chain(machine, "bridge").conf(WEB, backend=backend)

    outcomes = together([executed(machine, "ADD", conf, who) for who in crowd])

    won = [each for each in outcomes if each.code == 0]
    assert len(won) <= 1, outcomes
    assert all("already forwarded" in each.error for each in outcomes if each.code)
    who = crowd[0]
    for each in crowd:
        machine.delete(conf, each[1], container_id=each[0])
    assert executed(machine, "ADD", conf, who)().code == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_adds_and_dels_at_once(
    machine: Machine, crowd: list[tuple[str, Netns, dict[str, Any]]], backend: str
) -> None:
    """T: parallel deletes; shared chains are there once, whoever made them."""
    chain = Chain(machine, "bridge")
    confs = [
        chain.conf({**WEB, "hostPort": 9000 + number}, backend=backend)
        for number, _ in enumerate(crowd)
    ]
    pairs = list(zip(confs, crowd, strict=True))

    added = together([executed(machine, "ADD", conf, who) for conf, who in pairs])
    assert [each for each in added if each.code] == []
    for conf, (name, netns, prev) in pairs:
        machine.check(conf, netns, prev, container_id=name)
    shared = [line.strip() for line in machine.host.ruleset().splitlines()]
    assert sum("jump hostports_all" in line for line in shared) in {0, 4}
    removed = together([executed(machine, "DEL", conf, who) for conf, who in pairs])
    assert [each for each in removed if each.code] == []
    assert attachments(machine) == []


def test_iptables_legacy(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where ``iptables`` is iptables-legacy; DEL finds the rules also when it is not any more."""
    for tool in ("iptables", "ip6tables"):
        for action in ("save", "restore"):
            (tmp_path / f"{tool}-{action}").symlink_to(f"/usr/sbin/{tool}-legacy-{action}")
    chain, netns = Chain(machine, "ptp"), machine.container()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        made = chain.add(netns, WEB, DNS, backend="iptables")
        chain.check(netns, made)
        out = chain.try_add(machine.container(), WEB, backend="iptables", container_id="c2")
        assert "container c1, interface eth0, network mynet" in out.error
        chain.machine.add(made.conf, netns, prev=made.result)
    saved = machine.host.run("iptables-legacy-save", "-t", "nat")
    assert "CNI-DN-" in saved
    assert "CNI-DN-" not in machine.host.run("iptables-save", "-t", "nat")
    chain.check(netns, made)
    chain.delete(None)

    assert "CNI-DN-" not in machine.host.run("iptables-legacy-save", "-t", "nat")


def test_status_says_what_is_missing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code 50, for the backend that would be used; what is there is no error."""
    chain = Chain(machine, "ptp", version="1.1.0")
    for keys in ({}, {"backend": "nftables"}, {"backend": "iptables"}):
        assert machine.call("STATUS", chain.conf(**keys)).code == 0
    monkeypatch.setattr("cnisdk._net._programs._USUAL_PLACES", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")

    assert machine.call("STATUS", chain.conf()).code == 0
    for keys in ({"backend": "iptables"}, {"externalSetMarkChain": "X"}):
        out = machine.call("STATUS", chain.conf(**keys))
        assert out.document["code"] == 50
        assert "iptables-save was not found" in out.error


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC"])
def test_nftables_starts_no_process(
    machine: Machine, container: Netns, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """plugins#510: not one program, not even to see that iptables has nothing of ours."""
    chain = Chain(machine, "bridge")
    prev = chain.add_first(container)
    conf = chain.conf(WEB, DNS)
    if verb != "ADD":
        machine.add(conf, container, prev=prev)
    monkeypatch.setattr("subprocess.Popen", None)

    if verb == "GC":
        machine.gc(conf)
    else:
        assert machine.call(verb, conf, container, prev=prev).code == 0


def test_iptables_starts_four_processes_in_add(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W-PM-10: 27 there; here one to read and one to write for each family, and none in DEL."""
    chain = Chain(machine, "bridge")
    prev = chain.add_first(container)
    started: list[str] = []
    original = __import__("subprocess").Popen.__init__

    def record(self: object, arguments: list[str], **keys: Any) -> None:
        started.append(os.path.basename(arguments[0]))
        original(self, arguments, **keys)

    monkeypatch.setattr("subprocess.Popen.__init__", record)
    machine.add(chain.conf(WEB, DNS, backend="iptables"), container, prev=prev)
    assert sorted(started) == [
        "ip6tables-restore",
        "ip6tables-save",
        "iptables-restore",
        "iptables-save",
    ]
    started.clear()
    machine.delete(chain.conf(), container)
    assert started == []
