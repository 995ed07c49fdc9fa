"""bridge with VLANs, on a kernel that tells them apart: Go's test cases, known faults, swaps with Go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.lab

GO = Path("/usr/lib/cni")
V4, V6, V6_TOO = "10.1.0.0/24", "fd01::/64", "fd02::/64"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT = VERSIONS[2:]
WITH_CHECK = VERSIONS[4:]
TRUNK = [{"id": 101}, {"minID": 200, "maxID": 210}]
TRUNK_IDS = [101, *range(200, 211)]
PVID = ["PVID", "Egress Untagged"]


def vlans(machine: Machine, port: str) -> dict[int, list[str]]:
    """The VLANs of a port by id, with their flags."""
    found = json.loads(machine.host.run("bridge", "-j", "vlan", "show", "dev", port))
    entries = found[0]["vlans"] if found else []
    return {
        vlan: each.get("flags", [])
        for each in entries
        for vlan in range(each["vlan"], each.get("vlanEnd", each["vlan"]) + 1)
    }


def filtering(machine: Machine) -> bool:
    return bool(machine.host.link("br0")["linkinfo"]["info_data"]["vlan_filtering"])


@pytest.mark.parametrize("version", CURRENT)
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, {1: PVID}),
        ({"vlan": 100}, {100: PVID}),
        ({"vlan": 100, "preserveDefaultVlan": True}, {1: ["Egress Untagged"], 100: PVID}),
        ({"vlanTrunk": TRUNK}, {1: PVID, **{each: [] for each in TRUNK_IDS}}),
        ({"vlan": 100, "vlanTrunk": TRUNK}, {100: PVID, **{each: [] for each in TRUNK_IDS}}),
        ({"vlanTrunk": []}, {1: PVID}),
    ],
    ids=["plain", "vlan", "vlan and default", "trunk", "vlan and trunk", "empty trunk"],
)
def test_layer_2(
    machine: Machine, container: Netns, version: str, keys: dict[str, Any], expected: Any
) -> None:
    """T: L2 ADD/DEL: plain; vlan 100; trunk 101,200-210; vlan and trunk; vlan without default VLAN."""
    conf = machine.conf(version=version, **keys)
    result = machine.add(conf, container)

    assert filtering(machine) is bool(keys)
    assert vlans(machine, result["interfaces"][1]["name"]) == expected
    if version in WITH_CHECK:
        machine.check(conf, container, result)
    machine.delete(conf, container)
    assert set(machine.host.links()) == {"lo", "br0"}


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("0.1.0", {"vlan": 100}),
        ("0.2.0", {"vlan": 100, "vlanTrunk": TRUNK}),
        ("0.2.0", {"vlan": 100, "preserveDefaultVlan": True}),
    ],
)
def test_layer_2_of_the_first_versions(
    machine: Machine, container: Netns, version: str, keys: dict[str, Any]
) -> None:
    """T: 0.1.0/0.2.0 expect a conversion error; W-BR-9: nothing stays."""
    out = machine.call("ADD", machine.conf(version=version, **keys), container)

    assert "cannot convert: no valid IP addresses" in out.error
    assert set(machine.host.links()) == {"lo", "br0"}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_three_subnets_of_the_first_versions(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: L3 + vlan 100 with 3 subnets: 0.1.0/0.2.0 expect an error on ADD; nothing stays."""
    conf = machine.conf(V4, V6, V6_TOO, version=version, vlan=100, isDefaultGateway=True)
    out = machine.call("ADD", conf, container)

    assert "does not support more than 1 address per family" in out.error
    machine.delete(conf, container)
    assert machine.leftovers() == []


@pytest.mark.parametrize("preserve", [False, True])
@pytest.mark.parametrize(
    ("version", "subnets"),
    [
        *((version, (V4,)) for version in VERSIONS),
        *((version, (V6,)) for version in ("0.2.0", "0.4.0", "1.0.0", "1.1.0")),
        *((version, (V4, V6)) for version in ("0.1.0", "0.3.1", "1.0.0", "1.1.0")),
        *((version, (V4, V6, V6_TOO)) for version in ("0.3.1", "1.0.0", "1.1.0")),
    ],
)
def test_a_gateway_in_the_vlan(
    machine: Machine, container: Netns, version: str, subnets: tuple[str, ...], preserve: bool
) -> None:
    """T: L3 + vlan 100 default route: `<br>.100` is a veth, 5 host links, 4 interfaces, VLAN on both ports.

    T: exact v4 and v6 counts, default routes with the right gw, MACs, isolated flag, vlan_filtering.
    """
    conf = machine.conf(
        *subnets, version=version, vlan=100, isDefaultGateway=True, preserveDefaultVlan=preserve
    )
    result = machine.add(conf, container)
    expected = {1: ["Egress Untagged"], 100: PVID} if preserve else {100: PVID}

    links = machine.host.links()
    assert len(links) == 5
    assert links["br0.100"]["linkinfo"]["info_kind"] == "veth"
    assert links["br0"]["linkinfo"]["info_data"]["vlan_filtering"] == 1
    ports = [name for name, each in links.items() if each.get("master") == "br0"]
    assert [vlans(machine, each) for each in ports] == [expected] * 2
    assert not any(links[each]["linkinfo"]["info_slave_data"]["isolated"] for each in ports)
    gateways = [f"{subnet.partition('0/')[0]}1/24" for subnet in subnets if "." in subnet]
    gateways += [f"{subnet.partition('/')[0]}1/64" for subnet in subnets if ":" in subnet]
    assert sorted(machine.host.addresses("br0.100")) == gateways
    assert machine.host.addresses("br0") == []
    for gateway in gateways:
        assert container.ping(gateway.partition("/")[0])
    own = container.addresses("eth0")
    assert sorted(":" in each for each in own) == sorted(":" in each for each in subnets)
    for family, first in ((4, "10.1.0.1"), (6, "fd01::1")):
        found = [each["gateway"] for each in container.routes(family) if each["dst"] == "default"]
        assert found == [first] * any((":" in each) is (family == 6) for each in subnets)
    if version in CURRENT:
        names = [each["name"] for each in result["interfaces"]]
        assert names == ["br0", names[1], "eth0", "br0.100"]
        macs = [each["mac"] for each in result["interfaces"]]
        assert [len(each) for each in macs] == [17] * 4
        there = [container.link("eth0") if each == "eth0" else links[each] for each in names]
        assert macs == [each["address"] for each in there]
    if version in WITH_CHECK:
        machine.check(conf, container, result)
    machine.delete(conf, container)
    assert set(container.links()) == {"lo"}
    assert len(machine.host.links()) == 4  # lo, the bridge, both ends of the gateway


def test_vlans_are_apart(machine: Machine, container: Netns) -> None:
    """vlan: containers of one VLAN reach each other and their gateway, and nobody of another VLAN."""
    first = machine.conf(V4, vlan=100, isGateway=True)
    other = machine.container()
    one = machine.add(first, container)["ips"][0]["address"].partition("/")[0]
    machine.add(first, other, container_id="c2")
    assert other.ping(one)

    stranger = machine.container()
    alone = {
        "type": "static",
        "addresses": [{"address": "10.1.0.77/24"}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    machine.add(machine.conf(vlan=200, name="second", ipam=alone), stranger, container_id="c3")
    assert not stranger.ping(one, seconds=1)
    assert not stranger.ping("10.1.0.1", seconds=1)


def test_a_trunk_carries_its_vlans_tagged(machine: Machine, container: Netns) -> None:
    """vlanTrunk: a container with a VLAN subinterface of its own reaches those in that VLAN."""
    trunk = machine.container()
    machine.add(machine.conf(V4, vlan=101), container)
    machine.add(machine.conf(vlanTrunk=TRUNK), trunk, container_id="c2")
    for vlan in (101, 102):
        trunk.ip(f"link add link eth0 name eth0.{vlan} type vlan id {vlan}")
    trunk.ip("address add 10.1.0.99/24 dev eth0.101")
    trunk.ip("link set eth0.101 up")

    assert trunk.ping("10.1.0.2")
    trunk.ip("address flush dev eth0.101")
    trunk.ip("address add 10.1.0.99/24 dev eth0.102")
    trunk.ip("link set eth0.102 up")
    assert not trunk.ping("10.1.0.2", seconds=1)


def test_containers_share_the_gateway(machine: Machine, container: Netns) -> None:
    """3.1 step 9: created once, reused later; each VLAN has its own."""
    conf = machine.conf(V4, vlan=100, isGateway=True)
    machine.add(conf, container)
    mac = machine.host.link("br0.100")["address"]

    result = machine.add(conf, machine.container(), container_id="c2")
    assert result["interfaces"][3]["mac"] == mac
    second = machine.conf("10.2.0.0/24", name="second", vlan=200, isGateway=True)
    machine.add(second, machine.container(), container_id="c3")
    assert machine.host.addresses("br0.200") == ["10.2.0.1/24"]
    assert machine.host.addresses("br0.100") == ["10.1.0.1/24"]


def test_a_bridge_that_does_not_filter_is_made_to(machine: Machine, container: Netns) -> None:
    """W-BR-5: an existing bridge's vlan_filtering; its other ports stay where they are."""
    plain = machine.conf(V4, isGateway=True)
    machine.add(plain, container)
    assert not filtering(machine)
    machine.add(machine.conf(vlan=100), machine.container(), container_id="c2")

    assert filtering(machine)
    assert container.ping("10.1.0.1")
    machine.add(plain, machine.container(), container_id="c3")
    assert filtering(machine)


def test_a_long_name_is_refused_before_anything_is_made(machine: Machine, container: Netns) -> None:
    """W-BR-8: `<bridge>.<vlan>` may exceed 15 bytes."""
    conf = machine.conf(V4, bridge="bridge-12345", vlan=1000, isGateway=True)
    out = machine.call("ADD", conf, container)

    assert out.document["code"] == 7
    assert "bridge-12345.1000" in out.error
    assert set(machine.host.links()) == {"lo"}
    assert machine.reservations() == set()


def test_a_foreign_interface_of_the_gateways_name(machine: Machine, container: Netns) -> None:
    """W-BR-8: what has that name is looked at, not taken for ours."""
    machine.host.ip("link add br0.100 type dummy")
    conf = machine.conf(V4, vlan=100, isGateway=True)
    out = machine.call("ADD", conf, container)

    assert out.document["code"] == 7
    assert '"br0.100" already exists' in out.error
    assert set(machine.host.links()) == {"lo", "br0", "br0.100"}
    assert machine.reservations() == set()


BREAKS = {
    "filtering": ("link set br0 type bridge vlan_filtering 0", "does not tell VLANs apart"),
    "vlan": ("bridge vlan del vid 100 dev PORT", "VLAN 100 is missing"),
    "untagged": ("bridge vlan add vid 100 pvid dev PORT", "VLAN 100 pvid untagged is 100 pvid"),
    "pvid": ("bridge vlan add vid 100 untagged dev PORT", "VLAN 100 pvid untagged is 100 untagged"),
    "trunk": ("bridge vlan del vid 205 dev PORT", "VLAN 205 is missing"),
    "too many": ("bridge vlan add vid 300 dev PORT", "it is in VLAN 300 as well"),
    "default": ("bridge vlan add vid 1 untagged dev PORT", "it is in VLAN 1 untagged as well"),
    "gateway": ("link del br0.100", '"br0.100" not found'),
    "gateway down": ("link set br0.100 down", "state is down"),
    "gateway mac": ("link set br0.100 address 02:00:00:00:00:77", "MAC is 02:00:00:00:00:77"),
    "gateway address": ("address flush dev br0.100", "10.1.0.1/24"),
    "gateway port": ("link set GATEWAY nomaster", "is not connected to the bridge"),
    "gateway vlan": ("bridge vlan del vid 100 dev GATEWAY", "VLAN 100 is missing"),
    "gateway too many": ("bridge vlan add vid 9 dev GATEWAY", "it is in VLAN 9 as well"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_check_names_each_vlan_that_is_missing_or_altered(
    machine: Machine, container: Netns, what: str
) -> None:
    """W-BR-4: VLANs, trunk, gateway address are compared."""
    conf = machine.conf(V4, vlan=100, vlanTrunk=TRUNK, isGateway=True)
    result = machine.add(conf, container)
    machine.check(conf, container, result)
    command, message = BREAKS[what]
    port = result["interfaces"][1]["name"]
    (gateway,) = (
        name
        for name, each in machine.host.links().items()
        if each.get("master") == "br0" and name != port
    )
    command = command.replace("PORT", port).replace("GATEWAY", gateway)
    machine.host.sh(command if command.startswith("bridge") else f"ip {command}")

    assert message in machine.call("CHECK", conf, container, prev=result).error
    machine.delete(conf, container)


@pytest.mark.parametrize("keys", [{"vlan": 100}, {"vlanTrunk": [{"id": 7}]}, {}])
def test_check_compares_with_the_configuration_of_now(
    machine: Machine, container: Netns, keys: dict[str, Any]
) -> None:
    result = machine.add(machine.conf(**keys), container)
    conf = machine.conf(vlan=300, vlanTrunk=[{"id": 8}])

    assert machine.call("CHECK", conf, container, prev=result).code != 0


@pytest.mark.parametrize("how", ["alive", "empty"])
@pytest.mark.parametrize("maker", ["go", "ours"])
@pytest.mark.parametrize(
    "keys", [{}, {"isDefaultGateway": True}, {"isGateway": True, "macspoofchk": True}]
)
def test_swap_with_go(
    machine: Machine, container: Netns, keys: dict[str, Any], maker: str, how: str
) -> None:
    """What one has made, the other checks and deletes. Debian's Go plugin keeps the default VLAN always."""
    conf = machine.conf(V4, V6, vlan=100, preserveDefaultVlan=True, **keys)
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    result = machine.add(conf, container, plugins=first)
    machine.check(conf, container, result, plugins=second)
    other = machine.container()
    theirs = machine.add(conf, other, container_id="c2", plugins=second)
    for ip in theirs["ips"]:
        assert container.ping(ip["address"].partition("/")[0])

    path = container.path if how == "alive" else ""
    machine.delete(conf, path, prev=result, plugins=second)
    machine.delete(conf, other, container_id="c2", prev=theirs, plugins=first)
    assert machine.reservations() == set()
    if how == "alive":
        assert len(machine.host.links()) == (4 if keys else 2)
