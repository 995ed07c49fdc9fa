"""portmap in the kernel from ADD to DEL: tables in full, CHECK before and after, deletes at once, failures outside."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from machine import Machine, Netns, attachment, together
from portmap_chain import Chain

from cnisdk._net import _conntrack


pytestmark = pytest.mark.kernel

BACKENDS = ("nftables", "iptables")
WEB = {"hostPort": 8080, "containerPort": 80}
DNS = {"hostPort": 8053, "containerPort": 53, "protocol": "udp"}
MIX = (
    WEB,
    DNS,
    {"hostPort": 8083, "containerPort": 83, "hostIP": "192.168.0.2"},
    {"hostPort": 8084, "containerPort": 84, "hostIP": "0.0.0.0"},
    {"hostPort": 8085, "containerPort": 85, "hostIP": "2001:db8:a::1"},
    {"hostPort": 8086, "containerPort": 86, "hostIP": "::"},
)
KEY = attachment().key


@pytest.fixture
def chain(machine: Machine) -> Chain:
    return Chain(machine, "ptp")


def chains(machine: Machine, family: str) -> dict[str, list[str]]:
    """The rules of each chain of portmap's table."""
    found: dict[str, list[str]] = {}
    text = machine.host.sh(f"nft list table {family} cni_hostport")
    # Versions of nft differ in which priorities they know by name.
    for name, number in (("dstnat", "-100"), ("srcnat", "100")):
        text = text.replace(f"priority {name};", f"priority {number};")
    for line in map(str.strip, text.splitlines()):
        if line.startswith("chain "):
            found[line.split()[1]] = []
        elif found and line not in {"", "}"}:
            [*found.values()][-1].append(line)
    return found


def expected(family: str, sources: list[str]) -> dict[str, list[str]]:
    """What portmap makes of the mix, when these sources are masqueraded."""
    four = family == "ip"
    address, inside = ("10.1.0.2", "10.1.0.2") if four else ("fd01::2", "[fd01::2]")
    ways = [
        ("tcp dport 8080", 80),
        ("udp dport 8053", 53),
        *(
            [("ip daddr 192.168.0.2 tcp dport 8083", 83), ("tcp dport 8084", 84)]
            if four
            else [("ip6 daddr 2001:db8:a::1 tcp dport 8085", 85), ("tcp dport 8086", 86)]
        ),
    ]
    local = "fib daddr type local jump hostports_all"
    owner = f'comment "{attachment().owner_tag}"'
    own = {
        f"dnat-{KEY}": [f"{match} dnat to {inside}:{port} {owner}" for match, port in ways],
        f"masq-{KEY}": [f"{'ct status dnat masquerade' if sources else 'continue'} {owner}"],
    }
    return {
        "hostports": [f'{match} jump dnat-{KEY} comment "c1"' for match, _ in ways],
        "hostip_hostports": [],
        "hostports_all": ["jump hostip_hostports", "jump hostports"],
        "prerouting": ["type nat hook prerouting priority -100; policy accept;", local],
        "output": ["type nat hook output priority -100; policy accept;", local],
        "masquerading": [
            "type nat hook postrouting priority 100; policy accept;",
            *(f'{each}{family} daddr {address} jump masq-{KEY} comment "c1"' for each in sources),
        ],
        **own,
    }


@pytest.mark.parametrize(
    ("keys", "four", "six"),
    [
        ({}, ["ip saddr 10.1.0.0/24 ", "ip saddr 127.0.0.1 "], ["ip6 saddr fd01::/64 "]),
        ({"snat": False}, [], []),
        ({"masqAll": True}, [""], [""]),
    ],
    ids=["snat", "no snat", "masqAll"],
)
def test_tables_of_nftables_in_full(
    chain: Chain, container: Netns, keys: dict[str, Any], four: list[str], six: list[str]
) -> None:
    """T: nft generation: the mix for v4 and v6, with snat, without, masqAll: dumps before and after delete."""
    made = chain.add(container, *MIX, backend="nftables", **keys)
    assert chains(chain.machine, "ip") == expected("ip", four)
    assert chains(chain.machine, "ip6") == expected("ip6", six)
    chain.check(container, made)

    chain.delete(container)
    for family in ("ip", "ip6"):
        empty = expected(family, [])
        del empty[f"dnat-{KEY}"], empty[f"masq-{KEY}"]
        assert chains(chain.machine, family) == {**empty, "hostports": []}


@pytest.mark.parametrize(
    ("backend", "family", "version"),
    [
        ("nftables", "10.", "0.4.0"),
        ("nftables", "fd01:", "1.0.0"),
        ("iptables", "10.", "1.1.0"),
        ("iptables", "fd01:", "0.4.0"),
    ],
)
def test_check_from_before_add_to_after_del(
    machine: Machine, container: Netns, backend: str, version: str, family: str
) -> None:
    """T: CHECK KO/OK sequence: missing all; no snat ok; snat missing; ok; after delete KO; masqAll and not."""
    chain = Chain(machine, "ptp", version=version)
    prev = chain.add_first(container)
    prev["ips"] = [each for each in prev["ips"] if each["address"].startswith(family)]
    conf = partial(chain.conf, WEB, DNS, backend=backend)
    plain, snat, masq_all = conf(snat=False), conf(), conf(masqAll=True)

    def passes(which: dict[str, Any]) -> bool:
        return machine.call("CHECK", which, container, prev=prev).code == 0

    assert not passes(plain)
    for made, other in ((plain, snat), (snat, masq_all), (masq_all, snat), (snat, plain)):
        machine.add(made, container, prev=prev)
        assert passes(made)
        assert not passes(other)
    chain.delete(container)
    assert not passes(snat)


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_deletes_of_one_attachment_at_once(
    chain: Chain, container: Netns, backend: str
) -> None:
    """T: 10 parallel deletes, of which each succeeds; what is another's stays."""
    other = chain.machine.container()
    kept = chain.add(other, DNS, backend=backend, container_id="c2")
    gone = chain.add(container, WEB, backend=backend).v4
    assert gone in chain.machine.host.ruleset()
    delete = partial(chain.machine.call, "DEL", chain.conf(WEB, backend=backend), container)

    assert [each.code for each in together([delete] * 10)] == [0] * 10
    assert gone not in chain.machine.host.ruleset()
    chain.check(other, kept, container_id="c2")


@pytest.mark.parametrize("backend", BACKENDS)
def test_connections_that_cannot_be_forgotten(
    chain: Chain, container: Netns, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5.1: a failure to delete conntrack entries is only logged, by ADD and by DEL."""

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(_conntrack, "forget", refuse)
    log = chain.machine.root / "log"

    def ports() -> list[int]:
        records = [json.loads(each) for each in log.read_text().splitlines()]
        return [each["port"] for each in records if each["message"] == "connections not forgotten"]

    made = chain.add(container, WEB, DNS, backend=backend, logFile=str(log))
    chain.check(container, made)
    assert ports() == [8053, 8053]  # of either family, and UDP alone
    chain.machine.delete(made.conf, container)
    assert ports() == [8053] * 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_container_without_a_route_to_it(chain: Chain, container: Netns, backend: str) -> None:
    """5.1: where the host's interface cannot be told, route_localnet is left as it is."""
    prev = chain.add_first(container)
    link = prev["interfaces"][0]["name"]
    chain.machine.host.ip("route del 10.1.0.2")
    conf = chain.conf(WEB, backend=backend)
    result = chain.machine.add(conf, container, prev=prev)

    assert chain.machine.host.sysctl(f"ipv4/conf/{link}/route_localnet") == "0"
    chain.machine.check(conf, container, result)


def test_the_way_to_a_container_without_a_link_on_the_host(chain: Chain, container: Netns) -> None:
    """Behind macvlan it is that to anywhere; another default route is no change of the attachment."""
    made = chain.add(container, WEB)
    link = made.result["interfaces"][0]["name"]
    inside = [each for each in made.result["interfaces"] if each.get("sandbox")]
    addresses = [{**each, "interface": 0} for each in made.result["ips"]]
    result = {**made.result, "interfaces": inside, "ips": addresses}
    chain.machine.host.set_sysctl(f"ipv4/conf/{link}/route_localnet", "0")

    chain.machine.check(made.conf, container, result)
