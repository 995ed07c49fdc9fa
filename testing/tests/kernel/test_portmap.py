"""portmap against the real kernel: its test cases, its known faults, who holds a port, what stays behind."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from machine import Machine, Netns
from portmap_chain import Attached, Chain


pytestmark = pytest.mark.kernel

BACKENDS = ("nftables", "iptables")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WEB = {"hostPort": 8080, "containerPort": 80}
DNS = {"hostPort": 8053, "containerPort": 53, "protocol": "udp"}


@pytest.fixture
def chain(machine: Machine) -> Chain:
    return Chain(machine, "ptp")


def rules(machine: Machine) -> list[str]:
    """What there is of portmap, but for what containers share and nobody removes."""
    found = [line.strip() for line in machine.host.ruleset().splitlines()]
    words = ("dnat-", "masq-", "dnat to", "CNI-DN-", " id: ")
    return [line for line in found if any(each in line for each in words)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_del(machine: Machine, container: Netns, version: str, backend: str) -> None:
    """T: chain present then gone: prevResult comes back unchanged, CHECK passes, DEL twice leaves nothing."""
    chain = Chain(machine, "bridge", version=version)
    conf = chain.conf(WEB, DNS, {**WEB, "hostPort": 99, "protocol": "sctp"}, backend=backend)
    prev = chain.add_first(container)
    result = machine.add(conf, container, prev=prev)
    assert result == prev
    if version >= "0.4.0":
        machine.check(conf, container, result)
    assert rules(machine) != []
    for _ in range(2):
        chain.delete(container)
        assert rules(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("netns", [True, False])
def test_del_needs_no_ports_and_no_namespace(
    chain: Chain, container: Netns, backend: str, netns: bool
) -> None:
    """W-PM-1, W-PM-7: neither runtimeConfig nor the backend has to be told."""
    chain.add(container, WEB, DNS, backend=backend)

    chain.machine.delete({**chain.conf(), "markMasqBit": 99}, container if netns else None)

    assert rules(chain.machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_do_touches_nothing(chain: Chain, container: Netns, backend: str) -> None:
    """plugins#510: neither rules nor programs where no port is wanted."""
    prev = chain.add_first(container)
    before = chain.machine.host.ruleset()

    made = Attached(
        chain.machine.add(chain.conf(backend=backend), container, prev=prev), chain.conf()
    )
    chain.check(container, made)
    chain.delete(container)

    assert made.result == prev
    assert chain.machine.host.ruleset() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_add_replaces_the_first(chain: Chain, container: Netns, backend: str) -> None:
    """W-PM-2, W-PM-4: no rule is there twice, and none of a mapping that is gone."""
    made = chain.add(container, WEB, backend=backend)
    first = chain.machine.host.ruleset()
    for mappings in ([WEB], [DNS, WEB], [DNS], [WEB]):
        chain.machine.add(chain.conf(*mappings, backend=backend), container, prev=made.result)

    assert chain.machine.host.ruleset() == first


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_add_by_the_other_backend(chain: Chain, container: Netns, backend: str) -> None:
    """W-PM-7: what the first one made does not stay."""
    other = next(each for each in BACKENDS if each != backend)
    made = chain.add(container, WEB, backend=backend)
    again = chain.conf(WEB, backend=other)
    chain.machine.add(again, container, prev=made.result)

    chain.check(container, Attached(made.result, again))
    out = chain.machine.call("CHECK", made.conf, container, prev=made.result)
    assert out.code != 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_does_not_remove_anothers_rules(
    chain: Chain, container: Netns, backend: str
) -> None:
    """W-PM-3: one container on two networks."""
    made = chain.add(container, WEB, backend=backend)
    before = rules(chain.machine)
    other = Chain(chain.machine, "ptp", name="othernet", subnet="10.2.0.0/24")
    prev = chain.machine.add(other.first(), container, ifname="eth1")
    conf = other.conf(DNS, backend=backend)
    chain.machine.add(conf, container, prev=prev, ifname="eth1")
    chain.machine.delete(other.conf(), container, ifname="eth1")

    assert rules(chain.machine) == before
    chain.check(container, made)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("last", ["eth0", "eth1"])
def test_two_interfaces_of_a_container_on_one_network(
    chain: Chain, container: Netns, backend: str, last: str
) -> None:
    made: dict[str, Attached] = {}
    for ifname, mapping in (("eth0", WEB), ("eth1", DNS)):
        prev = chain.machine.add(chain.first(), container, ifname=ifname)
        conf = chain.conf(mapping, backend=backend)
        made[ifname] = Attached(chain.machine.add(conf, container, prev=prev, ifname=ifname), conf)
    first = "eth0" if last == "eth1" else "eth1"
    for ifname, each in made.items():
        chain.check(container, each, ifname=ifname)
    chain.delete(container, ifname=first)
    chain.check(container, made[last], ifname=last)
    chain.machine.add(made[last].conf, container, prev=made[last].result, ifname=last)
    chain.check(container, made[last], ifname=last)
    chain.delete(container, ifname=last)

    assert rules(chain.machine) == []


@pytest.mark.parametrize(
    "port", [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}, WEB]
)
def test_ports_as_runtimes_send_them(chain: Chain, container: Netns, port: dict[str, Any]) -> None:
    """go-cni's structs have no names for JSON: all keys begin with a capital; or no protocol at all."""
    conf = {**chain.conf(), "runtimeConfig": {"portMappings": [port]}}
    made = chain.machine.add(conf, container, prev=chain.add_first(container))

    chain.check(container, Attached(made, chain.conf(WEB)))


# ---- who holds a port ----------------------------------------------------------------------------

LOCAL, ALL, ELSEWHERE = {"hostIP": "127.0.0.1"}, {"hostIP": "0.0.0.0"}, {"hostIP": "192.0.2.1"}


@pytest.mark.parametrize("backends", list(itertools.product(BACKENDS, BACKENDS)), ids="-".join)
@pytest.mark.parametrize(
    ("first", "second"),
    [({}, {}), (ALL, LOCAL), (LOCAL, {}), (LOCAL, LOCAL), ({"hostIP": "::"}, {"hostIP": "::1"})],
)
def test_a_port_that_is_taken_is_refused(
    chain: Chain,
    container: Netns,
    backends: tuple[str, str],
    first: dict[str, Any],
    second: dict[str, Any],
) -> None:
    """W-PM-8: the error names the holder, and nothing is changed."""
    chain.add(container, {**WEB, **first}, backend=backends[0])
    before = rules(chain.machine)

    out = chain.try_add(
        chain.machine.container(), {**WEB, **second}, backend=backends[1], container_id="c2"
    )

    assert "tcp port 8080" in out.error
    assert "container c1, interface eth0, network mynet" in out.error
    assert rules(chain.machine) == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_container_may_have_a_port_in_two_networks(
    chain: Chain, container: Netns, backend: str
) -> None:
    """Podman hands the ports of a container to each of its networks; the first one takes the packets."""
    chain.add(container, WEB, backend=backend)
    prev = chain.machine.add(chain.first(), container, ifname="eth1", container_id="c1")
    second = {**chain.conf(WEB, backend=backend), "name": "othernet"}
    result = chain.machine.add(second, container, ifname="eth1", container_id="c1", prev=prev)

    chain.machine.check(second, container, result, ifname="eth1")
    chain.machine.delete(second, container, ifname="eth1")
    assert any("10.1.0.2" in line for line in rules(chain.machine))
    assert not any("10.1.0.3" in line for line in rules(chain.machine))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "second",
    [
        {**WEB, **ELSEWHERE},
        {**WEB, "hostIP": "::1"},
        {**WEB, "protocol": "udp"},
        {**WEB, "hostPort": 8081},
    ],
)
def test_ports_that_do_not_collide(
    chain: Chain, container: Netns, backend: str, second: dict[str, Any]
) -> None:
    made = chain.add(container, {**WEB, **LOCAL}, backend=backend)
    other = chain.machine.container()
    there = chain.add(other, second, backend=backend, container_id="c2")

    chain.check(container, made)
    chain.check(other, there, container_id="c2")


@pytest.mark.parametrize("backend", BACKENDS)
def test_conditions_are_not_looked_into(chain: Chain, container: Netns, backend: str) -> None:
    """Whether two of them can hold for one packet, nobody can tell: the port is taken."""
    words = {"nftables": ["ip", "daddr", "192.0.0.0/16"], "iptables": ["-d", "192.0.0.0/16"]}
    made = chain.add(container, WEB, backend=backend, conditionsV4=words[backend])
    chain.check(container, made)

    out = chain.try_add(chain.machine.container(), WEB, backend=backend, container_id="c2")

    assert "container c1, interface eth0, network mynet" in out.error
    chain.add(chain.machine.container(), DNS, backend=backend, container_id="c3")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_port_is_free_again_after_del_and_gc(
    chain: Chain, container: Netns, backend: str
) -> None:
    chain.add(container, WEB, backend=backend)
    chain.delete(container)
    chain.add(chain.machine.container(), WEB, backend=backend, container_id="c2")
    chain.machine.gc(chain.conf())
    chain.add(chain.machine.container(), WEB, backend=backend, container_id="c3")


# ---- CHECK, GC, STATUS ---------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_misses_each_rule_in_turn(chain: Chain, container: Netns, backend: str) -> None:
    """W-PM-5: shared chains included."""
    made = chain.add(container, WEB, {**DNS, **LOCAL}, backend=backend)
    host = chain.machine.host
    removed: list[str] = []
    unnoticed: list[str] = []
    while True:
        found = json.loads(host.run("nft", "-j", "-a", "list", "ruleset"))["nftables"]
        present = {_words(each["rule"]): each["rule"] for each in found if "rule" in each}
        left = [each for each in present if each not in removed]
        if not left:
            break
        removed.append(left[0])
        rule = present[left[0]]
        place = [rule["family"], rule["table"], rule["chain"], "handle", str(rule["handle"])]
        host.run("nft", "delete", "rule", *place)
        out = chain.machine.call("CHECK", made.conf, container, prev=made.result)
        unnoticed += [left[0]] if out.code == 0 else []
        chain.machine.add(made.conf, container, prev=made.result)
    assert len(removed) >= 19
    # Without the rule that names the interface, the chain is as the Go plugin makes it.
    assert [each for each in unnoticed if "CNI-DN-" not in each or "comment" not in each] == []
    assert len(unnoticed) == (2 if backend == "iptables" else 0)


def _words(rule: dict[str, Any]) -> str:
    """A rule without its number and its counters."""
    expressions = [each for each in rule["expr"] if "counter" not in each]
    return json.dumps({**rule, "handle": 0, "expr": expressions})


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_looks_at_route_localnet(chain: Chain, container: Netns, backend: str) -> None:
    """W-PM-5: without it 127.0.0.1 leads nowhere."""
    made = chain.add(container, WEB, backend=backend)
    link = made.result["interfaces"][0]["name"]
    assert chain.machine.host.sysctl(f"ipv4/conf/{link}/route_localnet") == "1"
    chain.machine.host.set_sysctl(f"ipv4/conf/{link}/route_localnet", "0")

    out = chain.machine.call("CHECK", made.conf, container, prev=made.result)

    assert f"ipv4/conf/{link}/route_localnet is not 1" in out.error


@pytest.mark.parametrize("backend", BACKENDS)
def test_gc_removes_what_is_not_valid(chain: Chain, container: Netns, backend: str) -> None:
    other = Chain(chain.machine, "ptp", name="othernet", subnet="10.2.0.0/24")
    other.add(chain.machine.container(), DNS, backend=backend, container_id="c3")
    kept = chain.add(container, WEB, backend=backend)
    before = rules(chain.machine)
    chain.add(chain.machine.container(), {**WEB, "hostPort": 9}, backend=backend, container_id="c2")

    chain.machine.gc(chain.conf(), ("c1", "eth0"))

    assert rules(chain.machine) == before
    chain.check(container, kept)


def test_the_default_is_nftables_unless_keys_are_iptables(chain: Chain, container: Netns) -> None:
    chain.add(container, WEB)
    assert "cni_hostport" in chain.machine.host.ruleset()
    assert "CNI-DN-" not in chain.machine.host.ruleset()
    chain.add(
        chain.machine.container(), DNS, container_id="c2", conditionsV4=["!", "-s", "192.0.2.7"]
    )
    assert "CNI-DN-" in chain.machine.host.ruleset()


@pytest.mark.parametrize("backend", BACKENDS)
def test_long_names(machine: Machine, container: Netns, backend: str) -> None:
    """W-PM-3, W-PM-9: a container id beyond 128 characters, and a comment beyond 255."""
    chain = Chain(machine, "ptp", name="n" * 120)
    made = chain.add(container, WEB, backend=backend, container_id="c" * 200)
    chain.check(container, made, container_id="c" * 200)
    chain.delete(container, container_id="c" * 200)

    assert rules(machine) == []


def test_an_interface_without_address(chain: Chain, container: Netns) -> None:
    """W-PM-6: a mapping that leads nowhere is an error, not a silent success."""
    prev = chain.add_first(container)
    for ip in prev["ips"]:
        ip["interface"] = 0

    out = chain.machine.call("ADD", chain.conf(WEB), container, prev=prev)

    assert "prevResult has no address of eth0" in out.error
