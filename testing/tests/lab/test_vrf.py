"""vrf on a kernel that has VRFs: Go's test cases, known faults, chains, swaps with Go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.lab

GO = Path("/usr/lib/cni")
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
ADDRESSES = ("10.0.0.2/24", "fd00:0:0:1::2/64")


def conf(version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {"cniVersion": version, "name": "mynet", "type": "vrf", "vrfName": "red", **keys}


@pytest.fixture
def wired(container: Netns) -> Netns:
    """A container with two interfaces, both up, with addresses and routes of both families."""
    for name, number, metric in (("eth0", 0, 0), ("eth1", 1, 100)):
        container.ip(f"link add {name} type veth peer name {name}-peer")
        for end in (name, f"{name}-peer"):
            container.set_sysctl(f"ipv6/conf/{end}/accept_dad", "0")
            container.ip(f"link set {end} up")
        container.ip(f"address add 10.0.{number}.2/24 dev {name}")
        container.ip(f"address add fd00:0:0:{number + 1}::2/64 dev {name} nodad")
        tail = f"metric {metric}" if metric else ""
        container.ip(f"route add 10.10.10.0/24 via 10.0.{number}.1 {tail}")
        container.ip(f"route add 1111:dddd::/80 via fd00:0:0:{number + 1}::1 {tail}")
    return container


def prev(container: Netns, ifname: str = "eth0", version: str = "1.0.0") -> dict[str, Any]:
    addresses = container.addresses(ifname)
    return {
        "cniVersion": version,
        "interfaces": [{"name": ifname, "sandbox": container.path}],
        "ips": [
            {"address": each, "interface": 0, "version": "6" if ":" in each else "4"}
            for each in addresses
        ],
    }


def table(container: Netns, name: int | str, dev: str = "eth0") -> set[str]:
    """Destinations, with gateways, of an interface's unicast routes in a table."""
    return {
        each["dst"] + (f" via {each['gateway']}" if "gateway" in each else "")
        for version in (4, 6)
        for each in container.routes(version, str(name))
        if each.get("dev") == dev and each.get("type", "unicast") == "unicast"
    }


def in_vrf(container: Netns, vrf: str = "red") -> int:
    return int(container.link(vrf)["linkinfo"]["info_data"]["table"])


def master(container: Netns, name: str = "eth0") -> str:
    return container.link(name).get("master", "")


ROUTES = {
    "10.0.0.0/24",
    "10.10.10.0/24 via 10.0.0.1",
    "fd00:0:0:1::/64",
    "1111:dddd::/80 via fd00:0:0:1::1",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_interface_and_routes_move_into_the_vrf(
    machine: Machine, wired: Netns, version: str
) -> None:
    """T: prev unchanged; VRF created, interface enslaved; v4 and v6 routes moved; only this interface's."""
    given = prev(wired, version=version)
    others = table(wired, "main", "eth1")
    assert table(wired, "main") == ROUTES
    result = machine.add(conf(version), wired, prev=given)

    assert [each["address"] for each in result["ips"]] == [each["address"] for each in given["ips"]]
    assert master(wired) == "red"
    assert wired.link("red")["flags"].count("UP") == 1
    assert set(wired.addresses("eth0")) == set(ADDRESSES)
    assert table(wired, in_vrf(wired)) == ROUTES
    assert table(wired, "main") == set()
    assert table(wired, "main", "eth1") == others
    if version != "0.3.1":
        machine.check(conf(version), wired, result)
    for _ in range(2):
        machine.delete(conf(version), wired, prev=result)
        assert "red" not in wired.links()
        assert table(wired, "main") == ROUTES
        assert set(wired.addresses("eth0")) == set(ADDRESSES)


def test_packets_pass(machine: Machine, container: Netns) -> None:
    """W-CHK-1, guarantee 7: CHECK of bridge passes after vrf; the address answers in the VRF."""
    bridge = machine.conf("10.1.0.0/24", "fd01::/64", isDefaultGateway=True)
    made = machine.add(bridge, container)
    result = machine.add(conf(), container, prev=made)

    assert result == made
    machine.check(bridge, container, result)
    machine.check(conf(), container, result)
    for target in ("10.1.0.1", "fd01::1"):
        container.sh(f"ip vrf exec red ping -n -c 1 -w 5 {target}")
    assert machine.host.ping("10.1.0.2")
    container.ip(f"route del default table {in_vrf(container)}")
    for cfg in (bridge, conf()):
        assert "0.0.0.0/0" in machine.call("CHECK", cfg, container, prev=result).error
    machine.delete(conf(), container, prev=result)
    machine.delete(bridge, container, prev=result)
    assert machine.leftovers() == []


def test_sbr_and_vrf_together(machine: Machine, container: Netns) -> None:
    """Guarantee 7 for a chain of three."""
    bridge = machine.conf("10.1.0.0/24", isDefaultGateway=True)
    sbr = {"cniVersion": "1.0.0", "name": "mynet", "type": "sbr"}
    made = machine.add(bridge, container)
    for first, second in ((sbr, conf()), (conf(), sbr)):
        result = machine.add(first, container, prev=made)
        result = machine.add(second, container, prev=result)
        for cfg in (bridge, first) if first is sbr else (bridge,):
            machine.check(cfg, container, result)
        for cfg in (second, first):
            machine.delete(cfg, container, prev=result)
        machine.check(bridge, container, made)


@pytest.mark.parametrize("kind", ["bridge", "vrf"])
def test_an_interface_with_a_master_is_refused(machine: Machine, wired: Netns, kind: str) -> None:
    """T: existing master -> error."""
    tail = " table 77" if kind == "vrf" else ""
    wired.ip(f"link add other type {kind}{tail}")
    wired.ip("link set eth0 master other")
    error = machine.call("ADD", conf(), wired, prev=prev(wired)).error

    assert "interface eth0 has already a master set: other" in error
    assert "red" not in wired.links()
    machine.delete(conf(), wired)  # W-VRF-1: in Go DEL clears any master
    assert master(wired) == "other"


@pytest.mark.parametrize(
    ("second", "tables"),
    [
        ({"vrfName": "red"}, "same"),
        ({"vrfName": "blue"}, "different"),
        ({"vrfName": "red", "table": 1001}, "same"),
        ({"vrfName": "blue", "table": 1001}, "same"),
    ],
)
def test_two_interfaces(
    machine: Machine, wired: Netns, second: dict[str, Any], tables: str
) -> None:
    """T: same VRF, different VRFs; same VRF same table ok, different VRF same table ok."""
    first = conf(**{key: it for key, it in second.items() if key == "table"})
    other = conf(**second)
    machine.add(first, wired, prev=prev(wired))
    machine.add(other, wired, prev=prev(wired, "eth1"), ifname="eth1")

    names = ["red", str(second["vrfName"])]
    assert [master(wired), master(wired, "eth1")] == names
    found = {in_vrf(wired, each) for each in names}
    assert len(found) == (1 if tables == "same" else 2)
    if "table" in second:
        assert found == {1001}
    machine.delete(first, wired)  # T: VRF removed only with the last member
    assert (names[1] in wired.links(), master(wired, "eth1")) == (True, names[1])
    machine.delete(other, wired, ifname="eth1")
    assert not {"red", "blue"} & set(wired.links())


def test_two_interfaces_with_one_address(machine: Machine, wired: Netns) -> None:
    """T: different VRFs same IP."""
    for name in ("eth0", "eth1"):
        wired.ip(f"address add 10.7.0.2/24 dev {name}")
        wired.ip(f"address add fd07::2/64 dev {name} nodad")
    machine.add(conf(), wired, prev=prev(wired))
    machine.add(conf(vrfName="blue"), wired, prev=prev(wired, "eth1"), ifname="eth1")

    for name in ("eth0", "eth1"):
        assert {"10.7.0.2/24", "fd07::2/64"} <= set(wired.addresses(name))
    assert in_vrf(wired) != in_vrf(wired, "blue")


@pytest.mark.parametrize(
    ("before", "keys", "message"),
    [
        (
            "link add red type vrf table 7",
            {"table": 8},
            "VRF red already exist with different routing",
        ),
        ("link add red type dummy", {}, "Netlink red is not a VRF"),
        ("link add unrelated type dummy", {"vrfName": ""}, "expected to have a valid vrf name"),
        ("link add unrelated type dummy", {"vrfName": "much too long a name"}, "interface name"),
    ],
)
def test_what_cannot_be(
    machine: Machine, wired: Netns, before: str, keys: dict[str, Any], message: str
) -> None:
    """T: same VRF different table error."""
    wired.ip(before)
    links = {name: each for name, each in wired.links().items() if name != "eth0"}
    out = machine.call("ADD", conf(**keys), wired, prev=prev(wired))

    assert message in out.error
    assert out.document["code"] == 7
    assert {name: each for name, each in wired.links().items() if name != "eth0"} == links
    assert table(wired, "main") == ROUTES


def test_del_without_interface_or_namespace(machine: Machine, wired: Netns) -> None:
    """W-VRF-1: in Go an error when the interface has gone."""
    machine.delete(conf(), wired)
    machine.delete(conf(), None)
    machine.delete(conf(), "/run/netns/nowhere")
    machine.add(conf(), wired, prev=prev(wired))
    wired.ip("link del eth0")
    machine.delete(conf(), wired)
    assert "red" not in wired.links()


def test_a_table_in_use_is_left_alone(machine: Machine, wired: Netns) -> None:
    """W-VRF-2: tables used by routes or rules, and the kernel's own."""
    wired.ip("route add 10.9.0.0/16 dev eth1 table 1")
    wired.ip("rule add from 10.9.0.1 lookup 2")
    machine.add(conf(), wired, prev=prev(wired))
    assert in_vrf(wired) == 3


def test_add_that_fails_leaves_all_as_it_was(machine: Machine, wired: Netns) -> None:
    """W-VRF-3: a failure midway; here a route that cannot be made again."""
    wired.ip("route add 10.20.0.0/16 via 10.0.0.1 src 10.0.1.2")
    before = {each: table(wired, each) for each in ("main", "all")}
    out = machine.call("ADD", conf(), wired, prev=prev(wired))
    if out.code:
        assert "red" not in wired.links()
        assert table(wired, "main") == before["main"]
    assert set(wired.addresses("eth0")) == set(ADDRESSES)


def test_a_second_add_changes_nothing(machine: Machine, wired: Netns) -> None:
    first = machine.add(conf(), wired, prev=prev(wired))
    there = wired.ip("route show table all")
    assert machine.add(conf(), wired, prev=prev(wired)) == first
    assert wired.ip("route show table all") == there


def test_a_stranger_changes_nothing(machine: Machine, wired: Netns) -> None:
    """kubernetes#100648: a late DEL that names an interface which is another container's by now."""
    result = machine.add(conf(), wired, prev=prev(wired))
    machine.delete(conf(), wired, container_id="stranger")
    machine.check(conf(), wired, result)
    machine.gc(conf())
    machine.delete(conf(), wired)
    assert "red" not in wired.links()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link set eth0 nomaster", "failed to find eth0 associated to vrf red"),
        ("link set red down", "state is down"),
        ("link del red", '"red" not found'),
        ("link del eth0", '"eth0" not found'),
        ("address del 10.0.0.2/24 dev eth0", "10.0.0.2/24"),
        ("route del 10.0.0.0/24 vrf red", "10.0.0.0/24"),
    ],
)
def test_check_names_what_is_missing(
    machine: Machine, wired: Netns, change: str, message: str
) -> None:
    result = machine.add(conf(), wired, prev=prev(wired))
    wired.ip(change)
    assert message in machine.call("CHECK", conf(), wired, prev=result).error


def test_check_compares_the_table(machine: Machine, wired: Netns) -> None:
    result = machine.add(conf(table=7), wired, prev=prev(wired))
    error = machine.call("CHECK", conf(table=8), wired, prev=result).error
    assert "has the routing table 7, not 8" in error


def test_status(machine: Machine) -> None:
    assert machine.call("STATUS", conf("1.1.0")).code == 0


@pytest.mark.parametrize("keys", [{}, {"table": 1001}])
@pytest.mark.parametrize("maker", ["go", "ours"])
def test_swap_with_go(machine: Machine, wired: Netns, maker: str, keys: dict[str, Any]) -> None:
    """What one has made, the other checks and deletes."""
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    cfg = conf(**keys)
    result = machine.add(cfg, wired, prev=prev(wired), plugins=first)
    assert master(wired) == "red"
    machine.check(cfg, wired, result, plugins=second)
    machine.delete(cfg, wired, prev=result, plugins=second)

    assert "red" not in wired.links()
    assert not master(wired)
