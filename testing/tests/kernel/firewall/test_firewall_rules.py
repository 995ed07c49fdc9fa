"""Rules that a plugin describes: made once, replaced, compared exactly, removed by their owner."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import pytest

from cnisdk import FoundRule, Rule, RuleTable, errors
from cnisdk._names import Attachment
from cnisdk._net._firewall import KernelFirewall


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel

OTHER = Attachment("mynet", "cid2", "eth0")
ELSEWHERE = Attachment("othernet", "cid1", "eth0")


def nft(owner: Attachment, family: str = "ip", port: int = 80) -> RuleTable:
    own = f"own-{owner.key}"
    return RuleTable(
        family=family,
        name="example",
        comment="An example",
        chains={"pre": "nat prerouting -100", "ports": "", "checks": ""},
        shared=[Rule("pre", "fib daddr type local jump ports"), Rule("ports", "jump checks")],
        own_chains=[own],
        rules=[
            Rule("checks", f"tcp dport {port} jump {own}", comment=owner.container_id),
            Rule(
                own,
                "meta l4proto tcp ct status dnat iifname != { eth0, eth1 } limit rate 1/second drop",
            ),
        ],
    )


def iptables(owner: Attachment, family: str = "ip", port: int = 80) -> RuleTable:
    own = f"OWN-{owner.network_hash[:8]}{owner.instance_hash[:8]}"
    return RuleTable(
        backend="iptables",
        family=family,
        name="nat",
        chains={"CHECKS": ""},
        shared=[
            Rule("PREROUTING", "-m addrtype --dst-type LOCAL -j CHECKS"),
            Rule("POSTROUTING", "-m mark --mark 0x2000/0x2000 -j MASQUERADE", first=True),
        ],
        own_chains=[own],
        rules=[
            Rule("CHECKS", f"-p tcp -m tcp --dport {port} -j {own}", comment='say "x"'),
            # Not as iptables-save writes it.
            Rule(own, "-p udp --dport 53 -j MARK --set-mark 5"),
        ],
    )


@pytest.fixture(params=["nftables", "iptables", "legacy"])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "legacy":
        request.getfixturevalue("legacy")
    return str(request.param)


def tables(backend: str, owner: Attachment, port: int = 80) -> list[RuleTable]:
    make = nft if backend == "nftables" else iptables
    return [make(owner, family, port) for family in ("ip", "ip6")]


def rules(netns: Netns, backend: str) -> list[str]:
    """Rules and chains, without handles and counters."""
    if backend == "nftables":
        return netns.ruleset("")
    programs = ("iptables-save", "ip6tables-save")
    return [
        line
        for program in programs
        for line in netns.run(program, "-t", "nat", env=dict(os.environ)).splitlines()
        if line.startswith(("-A", ":")) and " ACCEPT [" not in line
    ]


def test_what_is_shared_is_made_once_and_stays(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    firewall.add_rules(attachment, tables(backend, attachment), None)
    one = rules(netns, backend)

    firewall.add_rules(OTHER, tables(backend, OTHER, 81), None)
    both = rules(netns, backend)
    gone = firewall.remove_rules(OTHER, tables(backend, OTHER), None)

    assert len(both) > len(one)
    assert rules(netns, backend) == one
    assert {rule.family for rule in gone} == {"ip", "ip6"}
    assert {"tcp dport == 81"} <= {text for rule in gone for text in rule.text}
    assert firewall.remove_rules(OTHER, tables(backend, OTHER), None) == []


def test_a_second_add_replaces_the_first(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    firewall.add_rules(attachment, tables(backend, attachment, 80), None)
    first = rules(netns, backend)
    firewall.add_rules(attachment, tables(backend, attachment, 90), None)
    assert first != rules(netns, backend)
    firewall.add_rules(attachment, tables(backend, attachment, 80), None)

    assert rules(netns, backend) == first


def test_gc_keeps_what_is_valid_and_what_is_not_of_the_network(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    for port, owner in enumerate((attachment, ELSEWHERE), 80):
        firewall.add_rules(owner, tables(backend, owner, port), None)
    wanted = rules(netns, backend)
    firewall.add_rules(OTHER, tables(backend, OTHER, 90), None)
    bare = [attrs.evolve(each, own_chains=(), rules=()) for each in tables(backend, OTHER)]

    assert firewall.retain_rules("mynet", [attachment], bare, None) != []

    assert rules(netns, backend) == wanted
    assert firewall.retain_rules("nonet", [], bare, None) == []


def test_another_implementations_rules_go_when_told(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    firewall.add_rules(OTHER, tables(backend, OTHER), None)
    before = rules(netns, backend)
    if backend == "nftables":
        netns.nft(
            "add chain ip example foreign; add rule ip example foreign drop;"
            'add rule ip example checks tcp dport 1 jump foreign comment "cid1"'
        )
    else:
        netns.run("iptables", "-t", "nat", "-N", "FOREIGN", env=dict(os.environ))
        netns.run("iptables", "-t", "nat", "-A", "FOREIGN", "-j", "ACCEPT", env=dict(os.environ))
        comment = ["-m", "comment", "--comment", "cid1"]
        netns.run(
            "iptables", "-t", "nat", "-A", "CHECKS", *comment, "-j", "FOREIGN", env=dict(os.environ)
        )

    def also(rule: FoundRule) -> bool:
        return rule.comment == "cid1"

    assert firewall.remove_rules(attachment, tables(backend, attachment), None) == []
    assert len(firewall.remove_rules(attachment, tables(backend, attachment), also)) == 2
    assert rules(netns, backend) == before


def test_check_passes_what_add_made(
    firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    firewall.add_rules(attachment, tables(backend, attachment), None)
    firewall.add_rules(OTHER, tables(backend, OTHER, 81), None)

    firewall.expect_rules(attachment, tables(backend, attachment))
    with pytest.raises(errors.CniError, match="dport"):
        firewall.expect_rules(attachment, tables(backend, attachment, 99))


def removals(netns: Netns, backend: str) -> Iterator[list[str]]:
    """Commands, each of which takes one rule away."""
    if backend == "nftables":
        chain = ""
        for line in netns.run("nft", "-a", "list", "table", "ip", "example").splitlines():
            words = line.split()
            if words[:1] == ["chain"]:
                chain = words[1]
            elif "# handle" in line and words[0] not in {"table", "type"}:
                yield ["nft", "delete", "rule", "ip", "example", chain, "handle", words[-1]]
        return
    seen: dict[str, int] = {}
    for line in netns.run("iptables-save", "-t", "nat", env=dict(os.environ)).splitlines():
        if line.startswith("-A"):
            chain = line.split()[1]
            seen[chain] = seen.get(chain, 0) + 1
            if "OWN-" in chain and ", net: " in line:
                continue  # without its mark, the chain is as if others had made it
            yield ["iptables", "-t", "nat", "-D", chain, str(seen[chain])]


def test_check_misses_each_rule_in_turn(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    number = 0
    for number in itertools.count():
        firewall.add_rules(attachment, tables(backend, attachment), None)
        left = list(removals(netns, backend))
        if number == len(left):
            break
        netns.run(*left[number], env=dict(os.environ))
        with pytest.raises(errors.CniError, match="chain"):
            firewall.expect_rules(attachment, tables(backend, attachment))
    assert number >= 4


def test_check_finds_a_rule_that_is_too_much(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    firewall.add_rules(attachment, tables(backend, attachment), None)
    own = tables(backend, attachment)[0].own_chains[0]
    if backend == "nftables":
        netns.nft(f"insert rule ip example {own} accept")
    else:
        netns.run("iptables", "-t", "nat", "-I", own, "-j", "ACCEPT", env=dict(os.environ))

    with pytest.raises(errors.CniError, match=own):
        firewall.expect_rules(attachment, tables(backend, attachment))


def test_check_finds_a_chain_that_was_altered(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    firewall.add_rules(attachment, [nft(attachment)], None)
    netns.nft("chain ip example pre { policy drop; }")

    with pytest.raises(errors.CniError, match='"nat prerouting -100 policy drop", not'):
        firewall.expect_rules(attachment, [nft(attachment)])


def test_nothing_of_a_refused_transaction_stays(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, backend: str
) -> None:
    bad = [*tables(backend, attachment)]
    bad[0] = attrs.evolve(bad[0], rules=[*bad[0].rules, Rule(bad[0].own_chains[0], "nonsense")])

    with pytest.raises(errors.CniError, match="could not add rules of cid1/eth0 on mynet"):
        firewall.add_rules(attachment, bad, None)

    assert [line for line in rules(netns, backend) if line] == []


def test_nftables_starts_no_process(
    firewall: KernelFirewall, attachment: Attachment, processes: list[str]
) -> None:
    table = [nft(attachment)]
    firewall.add_rules(attachment, table, None)
    firewall.expect_rules(attachment, table)
    firewall.retain_rules("mynet", [], table, None)
    firewall.remove_rules(attachment, table, None)

    assert processes == []


def test_iptables_starts_two_processes_to_add_and_none_to_remove(
    firewall: KernelFirewall, attachment: Attachment, processes: list[str]
) -> None:
    firewall.add_rules(attachment, [iptables(attachment)], None)
    firewall.remove_rules(attachment, [iptables(attachment)], None)
    firewall.retain_rules("mynet", [], [iptables(attachment)], None)

    assert processes == ["iptables-save", "iptables-restore"]


def test_rules_without_the_nft_library(
    netns: Netns, attachment: Attachment, without_nft_library: None
) -> None:
    assert shutil.which("nft")
    firewall = KernelFirewall(netns.fd)
    firewall.add_rules(attachment, [nft(attachment)], None)
    firewall.expect_rules(attachment, [nft(attachment)])
