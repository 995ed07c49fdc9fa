"""ipvlan, vlan and dummy on a kernel that has them: Go's test cases, known faults, swaps with Go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from machine import FAKE_DHCP, Machine, Netns, with_delegate


pytestmark = pytest.mark.lab

GO = Path("/usr/lib/cni")
MASTER_MTU = 1400
SUBNET = "10.1.0.0/24"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = VERSIONS[4:]

KINDS = ("ipvlan", "vlan", "dummy")
ON_MASTER = ("ipvlan", "vlan")
EXTRA: dict[str, dict[str, Any]] = {"ipvlan": {}, "vlan": {"vlanId": 1234}, "dummy": {}}


def conf(machine: Machine, kind: str, *subnets: str, **keys: Any) -> dict[str, Any]:
    document = machine.conf(*subnets, **{"type": kind, "master": "m0", **keys})
    del document["bridge"]
    if kind == "dummy":
        del document["master"]
    return {key: value for key, value in document.items() if value is not None}


def master(netns: Netns, *, gateway: bool = False) -> Netns:
    """A link that others can be made on; with a default route when wanted."""
    netns.ip(f"link add m0 mtu {MASTER_MTU} type dummy")
    netns.ip("link set m0 up")
    if gateway:
        netns.ip("address add 192.0.2.2/24 dev m0")
        netns.ip("route add default via 192.0.2.1")
    return netns


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_add_check_del(machine: Machine, container: Netns, kind: str, version: str) -> None:
    """T: ADD/CHECK/DEL/DEL again with host-local; create while the host has the same name."""
    master(machine.host)
    machine.host.ip("link add eth0 type dummy")
    cfg = conf(machine, kind, SUBNET, version=version, **EXTRA[kind])
    result = machine.add(cfg, container)

    link = container.link("eth0")
    assert link["linkinfo"]["info_kind"] == kind
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    if kind == "vlan":
        assert link["linkinfo"]["info_data"]["id"] == 1234
    if kind == "ipvlan":
        assert link["linkinfo"]["info_data"]["mode"] == "l2"
    if kind in ON_MASTER:
        assert link["mtu"] == MASTER_MTU
    if version not in {"0.1.0", "0.2.0"}:
        (interface,) = result["interfaces"]
        assert interface["mac"] == link["address"]
        assert interface["sandbox"] == container.path
        assert result["ips"][0]["interface"] == 0
    check_if_allowed(machine, container, cfg, result)
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


def check_if_allowed(machine: Machine, container: Netns, cfg: Any, result: Any) -> None:
    """T: CHECK passes, and is refused before 0.4.0."""
    if cfg["cniVersion"] in WITH_CHECK:
        machine.check(cfg, container, result)
        return
    error = machine.call("CHECK", cfg, container, prev=result).error
    assert "config version does not allow CHECK" in error


@pytest.mark.parametrize(
    ("version", "mtu"), [*((version, 1300) for version in VERSIONS), ("1.1.0", None)]
)
@pytest.mark.parametrize("kind", ON_MASTER)
def test_master_in_the_container(
    machine: Machine, container: Netns, kind: str, version: str, mtu: int | None
) -> None:
    """T: all versions with linkInContainer; one address, the link's MAC, an MTU of its own or the master's."""
    master(container)
    keys = {"linkInContainer": True, "mtu": mtu, "version": version, **EXTRA[kind]}
    cfg = conf(machine, kind, SUBNET, **keys)
    result = machine.add(cfg, container)

    link = container.link("eth0")
    assert link["mtu"] == (mtu or MASTER_MTU)
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    if version not in {"0.1.0", "0.2.0"}:
        assert result["interfaces"][0]["mac"] == link["address"]
    check_if_allowed(machine, container, cfg, result)
    for _ in range(2):
        machine.delete(cfg, container)
        assert set(container.links()) == {"lo", "m0"}


@pytest.mark.parametrize("mode", ["", "l2", "l3", "l3s"])
def test_modes_of_ipvlan(machine: Machine, container: Netns, mode: str) -> None:
    master(machine.host)
    cfg = conf(machine, "ipvlan", SUBNET, mode=mode)
    result = machine.add(cfg, container)

    assert container.link("eth0")["linkinfo"]["info_data"]["mode"] == (mode or "l2")
    other = {**cfg, "mode": "l3" if mode != "l3" else "l2"}
    assert "ipvlan mode" in machine.call("CHECK", other, container, prev=result).error


@pytest.mark.parametrize("inside", [False, True])
def test_ipvlan_in_a_chain(machine: Machine, container: Netns, inside: bool) -> None:
    """T: chained: prevResult supplies master, address and gateway; ADD/CHECK/DEL without ipam."""
    master(container if inside else machine.host)
    prev = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "m0"}],
        "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    cfg = conf(machine, "ipvlan", master=None, linkInContainer=inside)
    result = machine.add(cfg, container, prev=prev)

    assert [each["name"] for each in result["interfaces"]] == ["eth0"]
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    assert container.routes()[0]["gateway"] == "10.1.0.1"
    machine.check(cfg, container, result)  # W-IV-2: without master
    machine.delete(cfg, container)
    assert "eth0" not in container.links()

    two = {**prev, "interfaces": [{"name": "m0"}, {"name": "m1"}]}
    error = machine.call("ADD", cfg, container, prev=two).error
    assert "PrevResult lacks a single named interface" in error


@pytest.mark.parametrize("inside", [False, True])
def test_ipvlan_with_the_default_route_as_master(
    machine: Machine, container: Netns, inside: bool
) -> None:
    """T: master omitted; DEL without ADD; W-IV-3: DEL and CHECK do without a default route."""
    space = master(container if inside else machine.host, gateway=True)
    cfg = conf(machine, "ipvlan", SUBNET, master=None, linkInContainer=inside)
    machine.delete(cfg, container)
    result = machine.add(cfg, container)
    space.ip("route del default")

    machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert "eth0" not in container.links()
    assert "no default route" in machine.call("ADD", cfg, container).error


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        ("ipvlan", {"mode": "sideways"}, 'unknown ipvlan mode: "sideways"'),
        ("ipvlan", {"mtu": 1401}, "invalid MTU 1401, must be [0, master MTU(1400)]"),
        ("vlan", {"vlanId": 4095}, "invalid VLAN ID 4095 (must be between 0 and 40"),
        ("vlan", {"vlanId": -1}, "invalid VLAN ID -1"),
        ("vlan", {"mtu": 1401}, "invalid MTU 1401, must be [0, master MTU(1400)]"),
        ("vlan", {"mtu": -100}, "invalid MTU -100, must be [0, master MTU(1400)]"),
        ("vlan", {"master": None}, '"master" field is required'),
        ("dummy", {"ipam": {}}, "dummy interface requires an IPAM configuration"),
    ],
)
def test_a_bad_configuration_makes_nothing(
    machine: Machine, container: Netns, kind: str, keys: dict[str, Any], message: str
) -> None:
    """T: mtu above the master's, negative mtu, no IPAM."""
    master(machine.host)
    cfg = {**conf(machine, kind, SUBNET, **EXTRA[kind]), **keys}
    out = machine.call("ADD", {key: it for key, it in cfg.items() if it is not None}, container)

    assert message in out.error
    assert out.document["code"] == 7
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_add_leaves_nothing_when_it_fails_later(
    machine: Machine, container: Netns, kind: str
) -> None:
    """W-IV-4, W-VL-2, W-DU-1: neither link nor address."""
    master(machine.host)
    cfg = conf(machine, kind, SUBNET, **EXTRA[kind])
    cfg["ipam"]["routes"] = [{"dst": "172.16.0.0/16", "gw": "203.0.113.1"}]

    assert machine.call("ADD", cfg, container).code != 0
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


@pytest.mark.parametrize("kind", ON_MASTER)
def test_a_master_in_the_container_that_will_not_do(
    machine: Machine, container: Netns, kind: str
) -> None:
    """W-IV-1: Go reports that the new interface could not be renamed."""
    cfg = conf(machine, kind, SUBNET, linkInContainer=True, **EXTRA[kind])
    assert 'interface "m0" not found' in machine.call("ADD", cfg, container).error
    cfg["master"] = "lo"
    error = machine.call("ADD", cfg, container).error

    assert f'{kind} "eth0" on "lo"' in error
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


def test_a_vlan_that_another_container_has(machine: Machine, container: Netns) -> None:
    """The kernel makes one interface for each master and VLAN; Go says "file exists"."""
    master(machine.host)
    cfg = conf(machine, "vlan", SUBNET, vlanId=7)
    machine.add(cfg, container)
    out = machine.call("ADD", cfg, machine.container(), container_id="c2")

    assert 'VLAN 7 of "m0" is in use' in out.error
    assert machine.reservations() == {"10.1.0.2"}


def test_a_vlan_without_id_is_vlan_0(machine: Machine, container: Netns) -> None:
    """W-VL-3: as in Go, but not in silence."""
    master(machine.host)
    cfg = conf(machine, "vlan", SUBNET, logFile=str(machine.root / "log"))
    result = machine.add(cfg, container)

    assert container.link("eth0")["linkinfo"]["info_data"]["id"] == 0
    assert "vlanId is not given" in (machine.root / "log").read_text()
    machine.check(cfg, container, result)


@pytest.mark.parametrize("kind", KINDS)
def test_dhcp_finds_the_link_up(machine: Machine, container: Netns, kind: str) -> None:
    """plugins#362: a DHCP client's packets go through the interface, so it is up before IPAM."""
    master(machine.host)
    plugins = with_delegate(machine, "dhcp", FAKE_DHCP)
    cfg = conf(machine, kind, ipam={"type": "dhcp"}, **EXTRA[kind])
    machine.add(cfg, container, plugins=plugins)

    assert "UP" in (plugins / "dhcp.seen").read_text().partition("<")[2].partition(">")[0]
    machine.delete(cfg, container, plugins=plugins)


@pytest.mark.parametrize("kind", ON_MASTER)
def test_del_needs_no_master(machine: Machine, container: Netns, kind: str) -> None:
    """W-VL-1, W-IV-3; T: DEL without ADD."""
    cfg = conf(machine, kind, SUBNET, **EXTRA[kind])
    machine.delete(cfg, container)
    master(machine.host)
    machine.add(cfg, container)
    machine.host.ip("link del m0")
    machine.delete(cfg, container)

    assert machine.reservations() == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link set eth0 down", "state is down"),
        ("address flush dev eth0", "10.1.0.2/24"),
        ("link del eth0", '"eth0" not found'),
    ],
)
def test_check_notices(
    machine: Machine, container: Netns, kind: str, change: str, message: str
) -> None:
    master(machine.host)
    cfg = conf(machine, kind, SUBNET, **EXTRA[kind])
    result = machine.add(cfg, container)
    container.ip(change)

    assert message in machine.call("CHECK", cfg, container, prev=result).error


def test_check_of_vlan_names_what_differs(machine: Machine, container: Netns) -> None:
    """W-VL-3: the texts of Go speak of other plugins, and the parent is not compared."""
    master(machine.host)
    machine.host.ip("link add m1 type dummy")
    cfg = conf(machine, "vlan", SUBNET, vlanId=7, mtu=1300)
    result = machine.add(cfg, container)
    assert container.link("eth0")["mtu"] == 1300

    other_id = machine.call("CHECK", {**cfg, "vlanId": 8}, container, prev=result).error
    other_master = machine.call("CHECK", {**cfg, "master": "m1"}, container, prev=result).error
    assert "VLAN id is 7, not 8" in other_id
    assert 'not on "m1"' in other_master


def test_mac_and_mtu_of_dummy(machine: Machine, container: Netns) -> None:
    """The kernel takes them; which source of the MAC wins is tested on the fake one."""
    cfg = conf(machine, "dummy", SUBNET, mtu=1300)
    result = machine.add(cfg, container, args="MAC=02:00:00:00:00:77")

    link = container.link("eth0")
    assert (link["address"], link["mtu"]) == ("02:00:00:00:00:77", 1300)
    machine.check(cfg, container, result)


@pytest.mark.parametrize("kind", ON_MASTER)
def test_status_wants_the_master(machine: Machine, kind: str) -> None:
    """W-MV-4."""
    cfg = conf(machine, kind, SUBNET, version="1.1.0", **EXTRA[kind])
    assert machine.call("STATUS", cfg).document["code"] == 50
    master(machine.host)
    assert machine.call("STATUS", cfg).code == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("maker", ["go", "ours"])
def test_swap_with_go(machine: Machine, container: Netns, kind: str, maker: str) -> None:
    """What one has made, the other checks and deletes."""
    if not (GO / kind).exists():  # Debian's release of the Go plugins has no dummy
        assert kind == "dummy"
        return
    master(machine.host)
    cfg = conf(machine, kind, SUBNET, **EXTRA[kind])
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    result = machine.add(cfg, container, plugins=first)
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)

    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()
