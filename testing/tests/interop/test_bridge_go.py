"""bridge beside Debian's Go bridge: equal results and kernel objects, and swaps both ways.

Differences on purpose are listed in `DELIBERATE`.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cnisdk.install import install


sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))
if TYPE_CHECKING:
    from tests.kernel.machine import Machine, Netns, new_machine
else:
    from machine import Machine, Netns, new_machine

GO = Path("/usr/lib/cni")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0")  # what Debian's 1.1.1 knows
V4, V6 = "10.1.0.0/24", "fd01::/64"
HOST, CONTAINER = "host", "container"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not (GO / "bridge").exists(), reason="needs the Debian package containernetworking-plugins"
    ),
]

DELIBERATE = {
    "accept_dad of IPv4 alone": "ours leaves IPv6 settings alone without an IPv6 address",
    "keep_addr_on_down": "newer Go plugins set it too, Debian's do not",
    "rules within the iptables chain": "ours match the source, for two interfaces share the chain",
    "GC of spoof checks": "Go's do not say which network they are of, and stay",
    "owner of spoof checks": "a rule more, `return` where the chain ends anyway, names it",
    "mtu in results": "the specification has it since 1.1.0; ours reports it from 1.0.0 on",
    "dns {}": "an empty object says nothing; ours leaves it out",
    "ipMasq without backend": "nftables, where Go 1.1.1 knows iptables alone; name iptables as "
    "ipMasqBackend on a node whose attachments a Go plugin of that age is to delete",
    "alias": "ours names the owner on the host's end of the veth",
    "addresses of the bridge": "without duplicate address detection: they answer at once",
}


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cni-bin")
    install(["reference"], str(directory))
    return directory


@pytest.fixture
def twins(tmp_path: Path, ours: Path) -> Iterator[dict[str, Machine]]:
    """Two machines that are alike; on one Go's plugins are run, on the other ours."""
    made: dict[str, Machine] = {}
    for who, directory in (("go", GO), ("ours", ours)):
        (tmp_path / who).mkdir()
        made[who] = new_machine(tmp_path / who, directory)
    yield made
    for each in made.values():
        each.close()


@pytest.fixture
def machine(twins: dict[str, Machine]) -> Machine:
    return twins["ours"]


CONFIGS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "IPv4": ((V4,), {}),
    "IPv6": ((V6,), {}),
    "dual stack": ((V4, V6), {}),
    "gateway": ((V4,), {"isGateway": True}),
    "IPv6 gateway": ((V6,), {"isGateway": True}),
    "default gateway": ((V4, V6), {"isDefaultGateway": True}),
    "three subnets": ((V4, V6, "fd02::/64"), {"isDefaultGateway": True}),
    "masquerade": ((V4,), {"isGateway": True, "ipMasq": True}),
    "masquerade by iptables": ((V4, V6), {"ipMasq": True, "ipMasqBackend": "iptables"}),
    "mtu": ((V4,), {"mtu": 1400}),
    "hairpin": ((V4,), {"hairpinMode": True}),
    "promiscuous": ((V4,), {"promiscMode": True}),
    "L2": ((), {}),
    "L2 with mtu and hairpin": ((), {"mtu": 1300, "hairpinMode": True}),
    "spoof check": ((V4,), {"macspoofchk": True}),
    "force": ((V4,), {"isGateway": True, "forceAddress": True}),
    "dns": ((V4,), {"dns": {"nameservers": ["192.0.2.1"], "search": ["example.org"]}}),
    "routes": (
        (V4, V6),
        {
            "ipam": {
                "routes": [
                    {"dst": "172.16.0.0/12"},
                    {"dst": "192.0.2.0/24", "gw": "10.1.0.9"},
                    {"dst": "0.0.0.0/0", "gw": "10.1.0.8"},
                    {"dst": "2001:db8::/32"},
                ]
            }
        },
    ),
    "gateway of IPAM": (
        (),
        {
            "isDefaultGateway": True,
            "ipam": {
                "type": "static",
                "addresses": [{"address": "10.1.0.7/24", "gateway": "10.1.0.254"}],
            },
        },
    ),
    "point to point": ((), {"ipam": {"type": "static", "addresses": [{"address": "10.1.0.7/32"}]}}),
    "MAC of args.cni": ((V4,), {"args": {"cni": {"mac": "02:00:00:00:00:a2"}}}),
    "MAC of runtimeConfig": ((V4,), {"runtimeConfig": {"mac": "02:00:00:00:00:a3"}}),
}


def compare(
    twins: dict[str, Machine], conf: Callable[[Machine], dict[str, Any]], args: str = ""
) -> Any:
    """ADD by both; what came of it, less the differences on purpose."""
    facts: dict[str, Any] = {}
    for who, machine in twins.items():
        container, config = machine.container(), conf(machine)
        result = machine.add(config, container, args=args)
        facts[who] = {
            "result": plain_result(result, container),
            HOST: facts_of(machine.host),
            CONTAINER: facts_of(container),
        }
        if config.get("ipMasqBackend") == "iptables":
            facts[who]["nat"] = nat(machine)
        facts[who]["spoof"] = spoof(machine)
        machine.delete(config, container)
        facts[who]["left"] = machine.leftovers()
    return facts


def plain_result(result: dict[str, Any], container: Netns) -> dict[str, Any]:
    """A result without what differs from run to run, or on purpose."""
    text = json.dumps(result).replace(container.path, "NETNS")
    plain = json.loads(re.sub(r"veth[0-9a-f]{8}", "VETH", text))
    for each in plain.get("interfaces", []):
        each.pop("mtu", None)
        if not each["mac"].startswith("02:00:00"):
            each["mac"] = "MAC"
    return {key: value for key, value in plain.items() if value}


def facts_of(space: Netns) -> dict[str, Any]:
    """Links, addresses, routes and settings by name."""
    links = {re.sub(r"veth[0-9a-f]{8}", "VETH", n): link for n, link in space.links().items()}
    has_ipv6 = any(":" in text for name in space.links() for text in space.addresses(name))
    return {
        "links": {
            name: {
                "kind": link.get("linkinfo", {}).get("info_kind"),
                "mtu": link["mtu"],
                "flags": sorted(link["flags"]),
                "master": link.get("master"),
                "promiscuity": link["promiscuity"],
                "port": port_facts(link),
                "mac": link["address"] if link["address"].startswith("02:00:00") else "",
                "addresses": sorted(space.addresses(link["ifname"])),
                "settings": settings(space, link["ifname"], ipv6=has_ipv6),
            }
            for name, link in links.items()
        },
        "routes": [space.routes(4), space.routes(6)],
        "forwarding": [
            space.sysctl(name) for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        ],
    }


def port_facts(link: dict[str, Any]) -> list[Any]:
    data = link.get("linkinfo", {}).get("info_slave_data", {})
    return [data.get(key) for key in ("hairpin", "isolated", "state", "learning", "flood")]


def settings(space: Netns, name: str, *, ipv6: bool) -> list[str]:
    names = ["ipv6/conf/{}/accept_ra", "ipv6/conf/{}/disable_ipv6", "ipv4/conf/{}/arp_notify"]
    if ipv6:
        names.append("ipv6/conf/{}/accept_dad")
    return [space.sysctl(each.format(name)) for each in names]


def nat(machine: Machine) -> list[str]:
    """The jumps to the container's chains in iptables' nat tables."""
    lines = [
        line
        for program in ("iptables-save", "ip6tables-save")
        for line in machine.host.run(program, "-t", "nat").splitlines()
    ]
    return sorted(
        line.partition(" [")[0] for line in lines if "POSTROUTING" in line and "CNI-" in line
    )


def spoof(machine: Machine) -> list[str]:
    """The MAC spoof check's rules, without the one of ours that only names the owner."""
    text = machine.host.run("nft", "list", "ruleset", "bridge")
    text = re.sub(r'(?m)^\s*return comment "[0-9a-f]{8,}-[^"]*, net: [^"]*"$', "", text)
    text = re.sub(r'veth[0-9a-f]{8}|([0-9a-f]{2}:){5}[0-9a-f]{2}| comment "[^"]*"', "X", text)
    return sorted(line.strip() for line in text.splitlines() if line.strip(" \t}"))


@pytest.mark.parametrize("name", CONFIGS)
def test_go_and_ours_make_the_same(twins: dict[str, Machine], name: str) -> None:
    """Issue 2: same results, same kernel objects, or a documented reason."""
    subnets, keys = CONFIGS[name]
    facts = compare(twins, lambda machine: machine.conf(*subnets, **keys))

    assert facts["ours"] == facts["go"]
    assert facts["ours"]["left"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_results_are_the_same_in_every_version(twins: dict[str, Machine], version: str) -> None:
    """Issue 2: all specification versions Debian's plugins know."""
    facts = compare(
        twins, lambda machine: machine.conf(V4, V6, version=version, isDefaultGateway=True)
    )

    assert facts["ours"] == facts["go"]


def test_the_mac_of_cni_args_is_taken_by_both(twins: dict[str, Machine]) -> None:
    """3.1: MAC sources."""
    facts = compare(
        twins, lambda machine: machine.conf(V4), "IgnoreUnknown=1;MAC=02:00:00:00:00:a1"
    )

    assert facts["ours"] == facts["go"]
    assert facts["ours"][CONTAINER]["links"]["eth0"]["mac"] == "02:00:00:00:00:a1"


@pytest.mark.parametrize(
    "keys",
    [
        {"hairpinMode": True, "promiscMode": True},
        {"bridge": "lo"},
        {"runtimeConfig": {"mac": "nonsense"}},
        {"isGateway": "yes"},
        {"mtu": "1500"},
        {"ipam": {"type": "no-such-plugin"}},
        {"cniVersion": "9.9.9"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_both_refuse_the_same(twins: dict[str, Machine], keys: dict[str, Any]) -> None:
    """Same conditions fail, whatever the text."""
    for machine in twins.values():
        out = machine.call("ADD", {**machine.conf(V4), **keys}, machine.container())
        assert out.code != 0
        assert out.document["msg"]


@pytest.mark.parametrize("how", ["alive", "vanished", "empty"])
@pytest.mark.parametrize(
    "keys",
    [
        {"isDefaultGateway": True, "ipMasq": True},
        {"isGateway": True, "macspoofchk": True, "hairpinMode": True, "mtu": 1400},
        {},
    ],
    ids=["masquerade", "spoof check", "plain"],
)
def test_what_go_added_is_checked_and_deleted_by_ours(
    twins: dict[str, Machine], ours: Path, keys: dict[str, Any], how: str
) -> None:
    """Issue 2: ADD by Go, CHECK and DEL by ours; W-BR-2: Go itself leaks when the netns is gone."""
    machine = twins["go"]
    container = machine.container()
    conf = machine.conf(V4, V6, **keys)
    result = machine.add(conf, container)

    machine.check(conf, container, result, plugins=ours)
    path = "" if how == "empty" else container.path
    if how != "alive":
        container.close()
    machine.delete(conf, path, plugins=ours, prev=result)

    assert settled(machine) == []


def settled(machine: Machine) -> list[str]:
    """What is left when the kernel has taken down the namespace that was closed, and Go's veth with it."""
    for _ in range(200):
        if not any(each.startswith("veth") for each in machine.leftovers()):
            break
        time.sleep(0.05)
    return machine.leftovers()


def test_what_go_leaked_is_swept_by_our_gc(twins: dict[str, Machine], ours: Path) -> None:
    """A4: what Go's DEL left without a namespace goes with the first GC."""
    machine = twins["go"]
    container = machine.container()
    conf = machine.conf(V4, V6, isDefaultGateway=True, ipMasq=True)
    machine.add(conf, container)
    container.close()
    machine.delete(conf, "")
    assert "10.1.0.2" in " ".join(settled(machine))

    machine.gc(conf, plugins=ours)

    assert machine.leftovers() == []


@pytest.mark.parametrize(
    "keys",
    [
        {"isDefaultGateway": True, "ipMasq": True, "ipMasqBackend": "iptables"},
        {"isGateway": True, "macspoofchk": True, "hairpinMode": True, "mtu": 1400},
        {"promiscMode": True},
    ],
    ids=["masquerade", "spoof check", "promiscuous"],
)
def test_what_ours_added_is_checked_and_deleted_by_go(
    machine: Machine, keys: dict[str, Any]
) -> None:
    """Issue 2: the reverse."""
    container = machine.container()
    conf = machine.conf(V4, V6, **keys)
    result = machine.add(conf, container)

    machine.check(conf, container, result, plugins=GO)
    machine.delete(conf, container, plugins=GO, prev=result)

    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize("verb", ["DEL", "GC"])
def test_what_an_old_go_del_leaves_of_ours_is_removed_by_ours(machine: Machine, verb: str) -> None:
    """Without ipMasqBackend ours masquerades by nftables, which Debian's Go plugin does not know.

    Its DEL misses its iptables chain, and fails after having removed the link and the reservation.
    """
    container = machine.container()
    conf = machine.conf(V4, isDefaultGateway=True, ipMasq=True)
    machine.add(conf, container)
    assert "iptables" in machine.call("DEL", conf, container, plugins=GO).error
    assert machine.reservations() == set()

    if verb == "DEL":
        machine.delete(conf, container)
    else:
        machine.gc(conf)

    assert machine.leftovers() == []


@pytest.mark.parametrize("other", ["sbr", "tuning"])
def test_check_passes_after_gos_chained_plugins(machine: Machine, other: str) -> None:
    """W-CHK-1: tolerate later chained plugins: sbr moves routes, tuning changes MAC and MTU."""
    container = machine.container()
    conf = machine.conf(V4, isDefaultGateway=True, ipMasq=True)
    result = machine.add(conf, container)
    chained = {
        "cniVersion": "1.0.0",
        "name": "mynet",
        "type": other,
        "dataDir": str(machine.root / "tuning"),
    }
    if other == "tuning":
        chained |= {"mac": "02:00:00:00:00:77", "mtu": 1300, "capabilities": {"mac": True}}
    final = machine.add(chained, container, plugins=GO, prev=result)

    machine.check(conf, container, final)
    changed = container.routes() == [] if other == "sbr" else container.link("eth0")["mtu"] == 1300
    assert changed
    if other == "sbr":
        assert machine.call("CHECK", conf, container, prev=final, plugins=GO).code != 0


def test_ours_and_gos_containers_share_a_bridge(twins: dict[str, Machine], ours: Path) -> None:
    """Design section 6: a node in the middle of a change of plugins."""
    machine = twins["go"]
    first, second = machine.container(), machine.container()
    conf = machine.conf(V4, V6, isDefaultGateway=True)
    one = machine.add(conf, first)
    two = machine.add(conf, second, container_id="c2", plugins=ours)

    assert {ip["address"] for ip in one["ips"]}.isdisjoint({ip["address"] for ip in two["ips"]})
    for ip in two["ips"]:
        assert first.ping(ip["address"].partition("/")[0])
    machine.delete(conf, first, plugins=ours)
    machine.delete(conf, second, container_id="c2")
    assert machine.leftovers() == []
