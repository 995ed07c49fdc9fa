"""sbr against the real kernel: the test cases of the Go plugin, its known faults, chains."""

from __future__ import annotations

import json
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = {"0.4.0", "1.0.0", "1.1.0"}
ADDRESS, GATEWAY = "192.168.1.209/24", "192.168.1.1"
ADDRESS6, GATEWAY6 = "2001:db8:1::209/64", "2001:db8:1::1"


@pytest.fixture
def net1(container: Netns) -> Netns:
    """A container with two interfaces, each with a route of its own."""
    for name, address, far in (
        ("eth0", "10.0.0.2/24", "172.16.0.0/16"),
        ("net1", ADDRESS, "172.17.0.0/16"),
    ):
        container.ip(f"link add {name} type veth peer name {name}-peer")
        for end in (name, f"{name}-peer"):
            container.ip(f"link set {end} up")
        container.ip(f"address add {address} dev {name}")
        gateway = address.rpartition(".")[0] + ".1"
        container.ip(f"route add {far} via {gateway}")
    container.ip("route add default via 10.0.0.1")
    return container


def conf(version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {"cniVersion": version, "name": "mynet", "type": "sbr", **keys}


def prev(
    container: Netns,
    *ips: tuple[str, str | None],
    version: str = "1.0.0",
    index: int | None = 0,
    routes: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "interfaces": [{"name": "net1", "sandbox": container.path}],
        "ips": [
            {
                "address": address,
                "version": "6" if ":" in address else "4",
                **({"gateway": gateway} if gateway else {}),
                **({"interface": index + n} if index is not None else {}),
            }
            for n, (address, gateway) in enumerate(ips or [(ADDRESS, GATEWAY)])
        ],
        "routes": list(routes),
    }


def rules(container: Netns, version: int = 4) -> list[tuple[str, str]]:
    found = json.loads(container.run("ip", f"-{version}", "-j", "rule", "show"))
    return [(each["src"], each["table"]) for each in found if each["src"] != "all"]


def table(container: Netns, name: int | str, dev: str = "net1", version: int = 4) -> set[str]:
    """Destinations, with gateways, of the routes on an interface in a table."""
    return {
        each["dst"] + (f" via {each['gateway']}" if "gateway" in each else "")
        for each in container.routes(version, str(name))
        if each["dev"] == dev
    }


def everything(container: Netns) -> str:
    return container.ip("-4 route show table all") + container.ip("-4 rule show")


MOVED = {"192.168.1.0/24", "172.17.0.0/16 via 192.168.1.1"}


@pytest.mark.parametrize("version", VERSIONS)
def test_routes_move_to_a_table_of_their_own(machine: Machine, net1: Netns, version: str) -> None:
    """T: basic: routes moved to table 100, default added, one rule; DEL without prev."""
    before = everything(net1)
    given = prev(net1, version=version)
    result = machine.add(conf(version), net1, ifname="net1", prev=given)

    assert [each["address"] for each in result["ips"]] == [ADDRESS]
    assert table(net1, 100) == MOVED | {f"default via {GATEWAY}"}
    assert table(net1, "main") == set()
    assert table(net1, "main", "eth0") == {
        "10.0.0.0/24", "172.16.0.0/16 via 10.0.0.1", "default via 10.0.0.1",
    }  # fmt: skip
    assert rules(net1) == [("192.168.1.209", "100")]
    if version in WITH_CHECK:
        machine.check(conf(version), net1, result, ifname="net1")
    for _ in range(2):
        machine.delete(conf(version), net1, ifname="net1")
        assert rules(net1) == []
        assert sorted(everything(net1).splitlines()) == sorted(before.splitlines())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_default_route_that_is_there_already(machine: Machine, net1: Netns, version: str) -> None:
    """T: it moves, and there is no second one."""
    net1.ip(f"route append default via {GATEWAY}")
    cfg = conf(version)
    result = machine.add(cfg, net1, ifname="net1", prev=prev(net1, version=version))

    assert table(net1, 100) == MOVED | {f"default via {GATEWAY}"}
    if version in WITH_CHECK:
        machine.check(cfg, net1, result, ifname="net1")
    machine.delete(cfg, net1, ifname="net1")
    assert f"default via {GATEWAY}" in table(net1, "main")


def test_a_default_route_without_gateway_takes_that_of_the_address(
    machine: Machine, net1: Netns
) -> None:
    """The most common configuration of all: `routes: [{"dst": "0.0.0.0/0"}]`."""
    given = prev(net1, routes=({"dst": "0.0.0.0/0"},))
    result = machine.add(conf(), net1, ifname="net1", prev=given)

    assert table(net1, 100) == MOVED | {f"default via {GATEWAY}"}
    machine.check(conf(), net1, result, ifname="net1")


@pytest.mark.parametrize("version", VERSIONS)
def test_two_addresses(machine: Machine, net1: Netns, version: str) -> None:
    """T: the second with an index out of range: tables 100 and 101, link-local copied to both."""
    net1.ip("address add 192.168.101.209/24 dev net1")
    ips = (ADDRESS, GATEWAY), ("192.168.101.209/24", "192.168.101.1")
    given = prev(net1, *ips, version=version)
    result = machine.add(conf(version), net1, ifname="net1", prev=given)

    assert rules(net1) == [("192.168.101.209", "101"), ("192.168.1.209", "100")]
    assert table(net1, 100) == MOVED | {f"default via {GATEWAY}"}
    assert table(net1, 101) == {"192.168.101.0/24", "default via 192.168.101.1"}
    for number in (100, 101):
        assert "fe80::/64" in net1.ip(f"-6 route show table {number}")
    if version in WITH_CHECK:
        machine.check(conf(version), net1, result, ifname="net1")


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_older_versions_are_no_chain(machine: Machine, net1: Netns, version: str) -> None:
    """T: 0.2.0 rejected."""
    given = {"cniVersion": version, "ip4": {"ip": ADDRESS, "gateway": GATEWAY}}
    out = machine.call("ADD", conf(version), net1, ifname="net1", prev=given)
    assert "This plugin must be called as chained plugin" in out.error


@pytest.mark.parametrize(("index", "number"), [(0, 5000), (None, 2**32 - 1)])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_table_of_ones_own(
    machine: Machine, net1: Netns, *, index: int | None, number: int, version: str
) -> None:
    """T: table 5000: two rules, routes untouched."""
    net1.ip("address add 192.168.101.209/24 dev net1")
    routes = net1.routes()
    ips = (ADDRESS, GATEWAY), ("192.168.101.209/24", None)
    given = prev(net1, *ips, index=index, version=version)
    cfg = conf(version, table=number)
    result = machine.add(cfg, net1, ifname="net1", prev=given)

    assert sorted(rules(net1)) == [("192.168.1.209", str(number)), ("192.168.101.209", str(number))]
    assert net1.routes() == routes
    if version in WITH_CHECK:
        machine.check(cfg, net1, result, ifname="net1")
    machine.delete(cfg, net1, ifname="net1")
    assert rules(net1) == []
    assert net1.routes() == routes


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("static", "given"),
    [
        ((GATEWAY, GATEWAY6), (None, None)),
        ((), (GATEWAY, GATEWAY6)),
        ((GATEWAY,), ("192.168.1.7", GATEWAY6)),
        ((GATEWAY6,), (GATEWAY, "2001:db8:1::7")),
        ((GATEWAY6, GATEWAY), ("192.168.1.7", "2001:db8:1::7")),
    ],
    ids=["static alone", "of the addresses", "static v4", "static v6", "dual static"],
)
def test_both_families(
    machine: Machine, net1: Netns, version: str, static: Any, given: tuple[str | None, ...]
) -> None:
    """T: static v4 gateway, static v6, dual static: it wins over prevResult's, in its family's own table."""
    net1.ip(f"address add {ADDRESS6} dev net1 nodad")
    cfg = conf(version, gateways=list(static))
    before = prev(net1, (ADDRESS, given[0]), (ADDRESS6, given[1]), version=version)
    result = machine.add(cfg, net1, ifname="net1", prev=before)

    assert table(net1, 100) == MOVED | {f"default via {GATEWAY}"}
    assert table(net1, 101, version=6) == {"2001:db8:1::/64", f"default via {GATEWAY6}"}
    # A route with neither source nor gateway goes with every address, a default route with its own.
    assert table(net1, 100, version=6) == {"2001:db8:1::/64"}
    assert "table 101" not in net1.ip("-4 route show table all")
    assert rules(net1, 6) == [("2001:db8:1::209", "101")]
    if version in WITH_CHECK:
        machine.check(cfg, net1, result, ifname="net1")
    machine.delete(cfg, net1, ifname="net1")
    assert rules(net1, 6) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_source_hints(machine: Machine, net1: Netns, version: str) -> None:
    """T: addSourceHints keeps the subnet route with src in main, copies to 100, default in 100."""
    net1.ip(f"address add {ADDRESS6} dev net1 nodad")
    before = everything(net1)
    cfg = conf(version, addSourceHints=True)
    given = prev(net1, (ADDRESS, GATEWAY), (ADDRESS6, GATEWAY6), version=version)
    result = machine.add(cfg, net1, ifname="net1", prev=given)

    (hint,) = [each for each in net1.routes() if each["dev"] == "net1"]
    assert (hint["dst"], hint["prefsrc"]) == ("192.168.1.0/24", "192.168.1.209")
    assert hint["scope"] == "link"
    (hint,) = [each for each in net1.routes(6) if each["dev"] == "net1"]
    assert (hint["dst"], hint["prefsrc"]) == ("2001:db8:1::/64", "2001:db8:1::209")
    assert table(net1, 100) == MOVED | {f"default via {GATEWAY}"}
    if version in WITH_CHECK:
        machine.check(cfg, net1, result, ifname="net1")
        net1.ip("route del 192.168.1.0/24 dev net1")
        error = machine.call("CHECK", cfg, net1, ifname="net1", prev=result).error
        assert "192.168.1.0/24 in table 254" in error
    machine.delete(cfg, net1, ifname="net1")
    assert sorted(everything(net1).splitlines()) == sorted(before.splitlines())


def test_a_hint_where_the_subnet_has_none(machine: Machine, net1: Netns) -> None:
    """5.5: the subnet's route is made anew, scope link, with the address as source."""
    net1.ip("route replace 192.168.1.0/24 dev net1 scope link")
    assert "prefsrc" not in next(each for each in net1.routes() if each["dst"] == "192.168.1.0/24")
    machine.add(conf(addSourceHints=True), net1, ifname="net1", prev=prev(net1))

    found = [each for each in net1.routes() if each["dev"] == "net1"]
    hint = {"dst": "192.168.1.0/24", "prefsrc": "192.168.1.209", "scope": "link"}
    assert any(hint.items() <= each.items() for each in found), found


def test_no_addresses(machine: Machine, net1: Netns) -> None:
    out = machine.call("ADD", conf(), net1, ifname="net1", prev={**prev(net1), "ips": []})
    assert "No IP addresses supplied on interface: net1" in out.error


def test_a_second_add_changes_nothing(machine: Machine, net1: Netns) -> None:
    """W-SBR-4: in Go it leaves a second rule, to an empty table."""
    first = machine.add(conf(), net1, ifname="net1", prev=prev(net1))
    there = everything(net1)
    assert machine.add(conf(), net1, ifname="net1", prev=prev(net1)) == first
    assert everything(net1) == there


@pytest.mark.parametrize(
    "taken",
    ["route add 10.9.0.0/16 dev eth0 table 100", "rule add from 10.9.0.1 lookup 100"],
)
def test_a_table_in_use_is_left_alone(machine: Machine, net1: Netns, taken: str) -> None:
    """W-SBR-3: tables that hold routes without rules are in use as well."""
    net1.ip(taken)
    machine.add(conf(), net1, ifname="net1", prev=prev(net1))
    assert ("192.168.1.209", "101") in rules(net1)
    machine.delete(conf(), net1, ifname="net1")
    assert "101" not in net1.ip("rule show")
    assert "10.9.0" in everything(net1)


def test_a_failed_add_leaves_nothing(machine: Machine, net1: Netns) -> None:
    """W-SBR-4: no rollback in Go."""
    before = everything(net1)
    given = prev(net1, (ADDRESS, "203.0.113.1"))
    out = machine.call("ADD", conf(), net1, ifname="net1", prev=given)

    assert "route to 0.0.0.0/0 by 203.0.113.1" in out.error
    assert sorted(everything(net1).splitlines()) == sorted(before.splitlines())


def test_prev_result_without_version(machine: Machine, net1: Netns) -> None:
    """W-SBR-5."""
    given = prev(net1)
    del given["cniVersion"]
    machine.add(conf(), net1, ifname="net1", prev=given)
    assert rules(net1) == [("192.168.1.209", "100")]


def test_del_without_the_namespace_or_the_interface(
    machine: Machine, net1: Netns, tmp_path: Any
) -> None:
    """W-SBR-1: in Go a junk file, and an error."""
    gone = tmp_path / "gone"
    machine.delete(conf(), str(gone), ifname="net1")
    machine.delete(conf(), None, ifname="net1")
    assert not gone.exists()

    result = machine.add(conf(), net1, ifname="net1", prev=prev(net1))
    net1.ip("link del net1")
    machine.delete(conf(), net1, ifname="net1", prev=result)
    assert rules(net1) == []


def test_rules_of_others_stay(machine: Machine, net1: Netns) -> None:
    net1.ip("rule add from 192.168.1.0/24 lookup 7")
    net1.ip("rule add from 192.168.1.209 lookup main")
    net1.ip("rule add from 192.168.1.209 fwmark 1 lookup 8")
    before = everything(net1)
    result = machine.add(conf(), net1, ifname="net1", prev=prev(net1))
    machine.delete(conf(), net1, ifname="net1", prev=result)
    assert sorted(everything(net1).splitlines()) == sorted(before.splitlines())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rule del from 192.168.1.209", "the policy rule from 192.168.1.209 to a table of its own"),
        ("route del default table 100", "the route to 0.0.0.0/0 in table 100 is missing"),
        (
            "route replace default via 192.168.1.7 table 100",
            "the route to 0.0.0.0/0 in table 100 is missing in",
        ),
        ("route del 192.168.1.0/24 table 100", "route to 192.168.1.0/24"),
        ("route del 172.17.0.0/16 table 100", "172.17.0.0/16"),
        ("address del 192.168.1.209/24 dev net1", "192.168.1.209"),
        ("link set net1 down", "state is down"),
        ("link del net1", '"net1" not found'),
    ],
)
def test_check_names_what_is_missing(
    machine: Machine, net1: Netns, change: str, message: str
) -> None:
    """W-SBR-2: Go's CHECK looks at nothing."""
    given = prev(net1, routes=({"dst": "172.17.0.0/16", "gw": GATEWAY},))
    result = machine.add(conf(), net1, ifname="net1", prev=given)
    machine.check(conf(), net1, result, ifname="net1")
    net1.ip(change)
    assert message in machine.call("CHECK", conf(), net1, ifname="net1", prev=result).error


def test_check_of_a_given_table(machine: Machine, net1: Netns) -> None:
    result = machine.add(conf(table=7), net1, ifname="net1", prev=prev(net1))
    net1.ip("rule del from 192.168.1.209")
    net1.ip("rule add from 192.168.1.209 lookup 8")
    error = machine.call("CHECK", conf(table=7), net1, ifname="net1", prev=result).error
    assert "the policy rule from 192.168.1.209 to table 7 is missing" in error


# ---- after bridge -------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [{}, {"addSourceHints": True}, {"gateways": ["10.1.0.77"]}])
def test_check_of_bridge_passes_after_sbr(
    machine: Machine, container: Netns, keys: dict[str, Any]
) -> None:
    """W-CHK-1; guarantee 7: what a later plugin of the chain moves is not missing."""
    bridge = machine.conf("10.1.0.0/24", "fd01::/64", isDefaultGateway=True)
    made = machine.add(bridge, container)
    cfg = conf(**keys)
    result = machine.add(cfg, container, prev=made)

    machine.check(bridge, container, result)
    machine.check(cfg, container, result)
    if not keys:
        assert result == made
        container.sh("ping -n -c 1 -w 5 -I 10.1.0.2 10.1.0.1")
    for change in ("-4 rule del from 10.1.0.2", "-6 rule del from fd01::2"):
        container.ip(change)
        error = machine.call("CHECK", bridge, container, prev=result).error
        assert "route to" in error, "nobody looks into that table any more"
    machine.delete(cfg, container, prev=result)
    machine.delete(bridge, container, prev=result)
    assert machine.leftovers() == []


def test_status(machine: Machine) -> None:
    assert machine.call("STATUS", conf("1.1.0")).code == 0
    machine.gc(conf())


@pytest.mark.parametrize(
    "change", ["not from 192.168.1.209 table 100", "from 192.168.1.209 table 100 pref 40000"]
)
def test_rules_that_decide_something_else(machine: Machine, net1: Netns, change: str) -> None:
    """Inverted, or behind the main table's, a rule of the same words has another effect."""
    result = machine.add(conf(), net1, ifname="net1", prev=prev(net1))
    net1.ip("rule del from 192.168.1.209 table 100")
    net1.ip(f"rule add {change}")

    assert "policy rule" in machine.call("CHECK", conf(), net1, ifname="net1", prev=result).error
