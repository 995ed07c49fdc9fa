"""firewall against the real packet filter: the test cases of the Go plugin, and its known faults."""

from __future__ import annotations

import json
import socket
from functools import partial
from typing import Any

import pytest
from machine import Machine, Netns, together


pytestmark = pytest.mark.kernel

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
BOTH = ("10.0.0.2/24", "2001:db8:1:2::1/64")
BACKENDS = ("iptables", "nftables")
EVERY_POLICY = ("open", "same-bridge", "isolated")


@pytest.fixture(autouse=True)
def no_bus(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own host has no firewalld, whatever the machine has."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={machine.root}/bus")


def conf(*, version: str = "1.0.0", backend: str = "iptables", **keys: Any) -> dict[str, Any]:
    document = {"cniVersion": version, "name": "mynet", "type": "firewall", "backend": backend}
    return {**document, **keys}


def prev(
    *addresses: str, version: str = "1.0.0", bridge: str = "br0", sandbox: str = "/run/netns/c1"
) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "interfaces": [{"name": bridge}, {"name": "veth0"}, {"name": "eth0", "sandbox": sandbox}],
        "ips": [
            {
                **({"version": "6" if ":" in each else "4"} if version < "1.0.0" else {}),
                "interface": 2,
                "address": each,
            }
            for each in addresses or BOTH
        ],
    }


def rules(machine: Machine, tool: str = "iptables") -> list[str]:
    """What iptables has in its table filter, but for the policies."""
    found = machine.host.run(tool, "-S").splitlines()
    return [each for each in found if not each.startswith("-P")]


def chain(machine: Machine, name: str, tool: str = "iptables") -> list[str]:
    return [each for each in rules(machine, tool) if each.startswith(f"-A {name} ")]


def owned(machine: Machine) -> list[str]:
    """What is an attachment's: rules about addresses or bridges, or with an owner tag."""
    lines = [line.strip() for line in machine.host.ruleset().splitlines()]
    words = ("net: ", "saddr", "daddr", "br0", "br1")
    return [line for line in lines if any(word in line for word in words)]


def expected(address: str, prefix: int) -> list[str]:
    return [
        '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
        f"-A CNI-FORWARD -d {address}/{prefix} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        f"-A CNI-FORWARD -s {address}/{prefix} -j ACCEPT",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_rules_of_iptables(machine: Machine, container: Netns, version: str) -> None:
    """T: full ruleset after ADD and idempotent second ADD; prev unchanged; DEL leaves chains."""
    cfg, given = conf(version=version), prev(version=version, sandbox=container.path)
    given |= {"routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["10.0.0.53"]}}
    result: dict[str, Any] = {}
    for _ in range(2):
        result = machine.add(cfg, container, prev=given)
        assert result == given
        for tool, address, size in (
            ("iptables", "10.0.0.2", 32),
            ("ip6tables", "2001:db8:1:2::1", 128),
        ):
            jump = '-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD'
            assert chain(machine, "FORWARD", tool) == [jump]
            assert chain(machine, "CNI-FORWARD", tool) == expected(address, size)
    if version not in {"0.3.0", "0.3.1"}:
        machine.check(cfg, container, result)
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert owned(machine) == []
        for tool in ("iptables", "ip6tables"):
            assert chain(machine, "CNI-FORWARD", tool) == expected("", 0)[:1]
            assert "-N CNI-ADMIN" in rules(machine, tool)


@pytest.mark.parametrize("name", ["FOO-ADMIN", "_1"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_own_admin_chain(machine: Machine, container: Netns, backend: str, name: str) -> None:
    """T: custom admin chain in both families; what the administrator says there comes first."""
    cfg = conf(backend=backend, iptablesAdminChainName=name)
    result = machine.add(cfg, container, prev=prev())
    machine.check(cfg, container, result)
    if backend == "iptables":
        for tool in ("iptables", "ip6tables"):
            assert f"-N {name}" in rules(machine, tool)
            assert chain(machine, "CNI-FORWARD", tool)[0].endswith(f"-j {name}")
    else:
        table = machine.host.sh("nft list table inet cni_firewall")
        assert f"chain {name}" in table
        assert table.index(f"jump {name}") < table.index(" accept comment")


def test_the_rules_of_nftables(machine: Machine, container: Netns) -> None:
    """W-FW-5: no nftables backend exists in Go. Every rule carries its owner (W-FW-2)."""
    cfg = conf(backend="nftables")
    result: dict[str, Any] = {}
    for _ in range(2):
        result = machine.add(cfg, container, prev=prev())
        text = machine.host.run("nft", "list", "table", "inet", "cni_firewall")
        for rule in (
            "ip daddr 10.0.0.2 ct state established,related accept",
            "ip saddr 10.0.0.2 accept",
            "ip6 saddr 2001:db8:1:2::1 accept",
        ):
            assert text.count(f"{rule} comment") == 1
    assert rules(machine) == []
    machine.check(cfg, container, result)
    machine.delete(cfg, "")
    assert owned(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", EVERY_POLICY)
@pytest.mark.parametrize("address", BOTH)
def test_one_family(
    machine: Machine, container: Netns, backend: str, policy: str, address: str
) -> None:
    """Only the families of the addresses (W-FW-5: in Go ip6tables is needed for IPv4)."""
    cfg = conf(backend=backend, ingressPolicy=policy)
    result = machine.add(cfg, container, prev=prev(address))

    machine.check(cfg, container, result)
    if backend == "iptables":
        assert (rules(machine) == []) == (":" in address)
        assert (rules(machine, "ip6tables") == []) == (":" not in address)
    machine.delete(cfg, "")
    assert owned(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", EVERY_POLICY)
@pytest.mark.parametrize("what", ["empty", "no prevResult", "broken", "other backend"])
def test_del_needs_nothing(
    machine: Machine, container: Netns, backend: str, policy: str, what: str
) -> None:
    """W-FW-1: without prev nothing is removed in Go; W-FW-3: isolation rules never are."""
    cfg = conf(backend=backend, ingressPolicy=policy)
    machine.add(cfg, container, prev=prev())
    other = {
        "broken": {"ingressPolicy": "x"},
        "other backend": {"backend": "", "ingressPolicy": ""},
    }
    path = "" if what == "empty" else container.path
    machine.delete({**cfg, **other.get(what, {})}, path)

    assert owned(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", EVERY_POLICY)
def test_two_attachments_and_gc(
    machine: Machine, container: Netns, backend: str, policy: str
) -> None:
    """W-FW-1: GC. What one attachment needs stays when the other goes."""
    cfg = conf(backend=backend, ingressPolicy=policy)
    first = machine.add(cfg, container, prev=prev("10.0.0.2/24"))
    second = machine.add(cfg, container, prev=prev("10.0.0.3/24"), container_id="c2")
    machine.gc(cfg, ("c1", "eth0"), ("c2", "eth0"))
    machine.gc({**cfg, "name": "other"})
    machine.check(cfg, container, first)
    machine.check(cfg, container, second, container_id="c2")
    machine.gc(cfg, ("c2", "eth0"))

    machine.check(cfg, container, second, container_id="c2")
    assert not any("10.0.0.2" in each for each in owned(machine))
    assert machine.call("CHECK", cfg, container, prev=first).code != 0
    machine.gc(cfg)
    assert owned(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_address_used_again(machine: Machine, container: Netns, backend: str) -> None:
    """W-FW-2: a late DEL of the container that had the address spares the one that has it now."""
    cfg = conf(backend=backend)
    machine.add(cfg, container, prev=prev("10.0.0.2/24"))
    result = machine.add(cfg, container, prev=prev("10.0.0.2/24"), container_id="c2")
    machine.delete(cfg, "", prev=prev("10.0.0.2/24"))

    machine.check(cfg, container, result, container_id="c2")
    machine.delete(cfg, "", container_id="c2")
    assert owned(machine) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"backend": "foo"}, 'unrecognized backend "foo"'),
        ({"ingressPolicy": "foo"}, 'unknown ingress policy: "foo"'),
        ({"iptablesAdminChainName": "-j DROP"}, "iptablesAdminChainName"),
        ({"iptablesAdminChainName": "a" * 29}, "iptablesAdminChainName"),
    ],
)
def test_bad_configurations_change_nothing(
    machine: Machine, container: Netns, keys: dict[str, str], message: str
) -> None:
    """W-FW-3: the policy is looked at before rules are made; W-FW-5: no guessing at backends."""
    cfg = conf(version="1.1.0", **keys)
    for verb in ("ADD", "CHECK", "STATUS"):
        out = machine.call(verb, cfg, container, prev=prev(version="1.1.0"))
        assert message in out.error
        assert out.document["code"] == 7
    assert machine.host.ruleset() == ""
    machine.delete(cfg, container)
    machine.gc(cfg)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interfaces": [], "ips": []}, "interface needs to be set for ingress policy"),
        ({"interfaces": [{"name": ""}], "ips": []}, "got empty bridge name"),
        ({"interfaces": [{"name": 'br"; flush ruleset'}], "ips": []}, "got no bridge name"),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_policy_needs_a_bridge(
    machine: Machine, container: Netns, given: dict[str, Any], message: str, backend: str
) -> None:
    cfg = conf(backend=backend, ingressPolicy="same-bridge")
    out = machine.call("ADD", cfg, container, prev={"cniVersion": "1.0.0", **given})

    assert message in out.error
    assert machine.host.ruleset() == ""


def test_the_bridge_is_looked_for(machine: Machine, container: Netns) -> None:
    """W-FW-3: not blindly the first interface."""
    machine.host.ip("link add br7 type bridge")
    given = prev()
    given["interfaces"] = [{"name": "lo"}, {"name": "br7"}, *given["interfaces"][2:]]
    machine.add(conf(ingressPolicy="same-bridge"), container, prev=given)

    (rule,) = [each for each in chain(machine, "CNI-ISOLATION-STAGE-2") if "DROP" in each]
    assert "-o br7" in rule


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", EVERY_POLICY)
def test_check_notices_each_removal(
    machine: Machine, container: Netns, backend: str, policy: str
) -> None:
    """W-FW-3: CHECK ignores isolation rules in Go. Each rule in turn is missed by name."""
    cfg = conf(backend=backend, ingressPolicy=policy)
    result = machine.add(cfg, container, prev=prev("10.0.0.2/24"))
    family, table = ("ip", "filter") if backend == "iptables" else ("inet", "cni_firewall")
    listed = json.loads(machine.host.run("nft", "-a", "-j", "list", "table", family, table))
    found = [each["rule"] for each in listed["nftables"] if "rule" in each]
    assert len(found) >= (5 if policy == "open" else 7)
    for rule in found:
        place = ("rule", family, table, rule["chain"], "handle", str(rule["handle"]))
        machine.host.run("nft", "delete", *place)
        error = machine.call("CHECK", cfg, container, prev=result).error
        assert rule["chain"] in error
        # A second ADD makes everything anew.
        machine.host.run("nft", "flush", "ruleset")
        machine.add(cfg, container, prev=result)
        listed = json.loads(machine.host.run("nft", "-a", "-j", "list", "table", family, table))
        machine.check(cfg, container, result)


@pytest.mark.parametrize("backend", BACKENDS)
def test_addresses_of_later_plugins_are_theirs(
    machine: Machine, container: Netns, backend: str
) -> None:
    cfg = conf(backend=backend)
    machine.add(cfg, container, prev=prev())
    machine.check(cfg, container, prev(*BOTH, "10.9.0.9/24"))


def test_a_failing_second_family_is_rolled_back(machine: Machine, container: Netns) -> None:
    """W-FW-6: in Go a failure in the second family leaves the first."""
    machine.host.sh("ip6tables -N CNI-FORWARD")
    machine.host.sh("nft add chain ip6 filter CNI-ADMIN { type filter hook input priority 5 ; }")
    out = machine.call("ADD", conf(), container, prev=prev())

    assert out.code != 0
    assert owned(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_at_once(machine: Machine, container: Netns, backend: str) -> None:
    """A node that starts or stops all its containers: nothing is lost, nothing stays."""
    cfg = conf(backend=backend, ingressPolicy="same-bridge")
    numbers = range(8)

    def call(verb: str, number: int) -> int:
        env = machine.environment(verb, container, container_id=f"c{number}")
        document = {**cfg, "prevResult": prev(f"10.0.0.{number + 2}/24")}
        return machine.execute(machine.plugins / "firewall", env, document).code

    def all_at_once(verb: str) -> list[int]:
        return together([partial(call, verb, number) for number in numbers])

    assert all_at_once("ADD") == [0] * len(numbers)
    for number in numbers:
        assert call("CHECK", number) == 0
    assert all_at_once("DEL") == [0] * len(numbers)
    assert owned(machine) == []


def test_status_and_the_default(machine: Machine, container: Netns) -> None:
    """T: backend auto-detect: iptables where firewalld does not run."""
    for backend in ("", *BACKENDS):
        out = machine.call("STATUS", conf(version="1.1.0", backend=backend))
        assert (out.code, out.stdout) == (0, "")
    out = machine.call("STATUS", conf(version="1.1.0", backend="firewalld"))
    assert (out.document["code"], "firewalld does not run" in out.error) == (50, True)
    machine.add(conf(backend=""), container, prev=prev())
    assert len(chain(machine, "CNI-FORWARD")) == 3


def test_a_bus_that_hangs(
    machine: Machine, container: Netns, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """ADD says what it waited for; DEL of what firewalld never had does not ask it."""
    cfg = conf(backend="")
    result = machine.add(cfg, container, prev=prev())
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("bus") / "bus"
        server.bind(str(path))
        server.listen()
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
        out = machine.call("ADD", {**cfg, "timeoutSeconds": 0.5}, container, prev=prev())
        assert (out.document["code"], "the system bus" in out.error) == (11, True)
        machine.delete(cfg, "", prev=result)
    assert owned(machine) == []


def test_without_prev_result(machine: Machine, container: Netns) -> None:
    out = machine.call("ADD", conf(), container)
    assert out.document["code"] == 7
    machine.delete(conf(), container)
