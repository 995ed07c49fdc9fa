"""tap against the real kernel: the test cases of the Go plugin, and its known faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Netns

from reference_plugins import tap


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = VERSIONS[4:]
SUBNET = "10.1.0.0/24"
MAC = "02:00:00:00:00:77"


def conf(machine: Machine, *subnets: str, **keys: Any) -> dict[str, Any]:
    document = machine.conf(*subnets, **{"type": "tap", "bridge": "", **keys})
    return {key: value for key, value in document.items() if value != ""}


@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_del(machine: Machine, container: Netns, version: str) -> None:
    """T: ADD (type tuntap, MAC equals result, 1 address), CHECK, DEL, DEL again; owner 0, group 0."""
    cfg = conf(machine, SUBNET, version=version, owner=0, group=0)
    result = machine.add(cfg, container)

    link = container.link("eth0")
    assert link["linkinfo"]["info_kind"] == "tun"
    assert link["linkinfo"]["info_data"]["type"] == "tap"
    assert link["linkinfo"]["info_data"]["persist"]
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    if version not in {"0.1.0", "0.2.0"}:
        (interface,) = result["interfaces"]
        assert interface["mac"] == link["address"]
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    else:
        error = machine.call("CHECK", cfg, container, prev=result).error
        assert "config version does not allow CHECK" in error
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


@pytest.mark.parametrize("owned", [{}, {"owner": 54321, "group": 54322}, {"owner": 54321}])
def test_mac_mtu_and_queues_count_whoever_owns_it(
    machine: Machine, container: Netns, owned: dict[str, int]
) -> None:
    """W-TAP-2: with owner and group, Go ignores mac and mtu and leaves packet information on."""
    cfg = conf(machine, SUBNET, mac=MAC, mtu=1400, multiQueue=True, **owned)
    machine.add(cfg, container)

    link = container.link("eth0")
    data = link["linkinfo"]["info_data"]
    assert (link["address"], link["mtu"]) == (MAC, 1400)
    assert (data["pi"], data["multi_queue"]) == (False, True)
    shown = {"owner": data.get("user"), "group": data.get("group")}
    assert shown == {key: owned.get(key) for key in shown}


def test_the_defaults(machine: Machine, container: Netns) -> None:
    """3.9: one queue, the kernel's MTU; IPv6 without detection, for who uses the device is yet to come."""
    machine.add(conf(machine, "fd01::/64"), container)

    link = container.link("eth0")
    assert not link["linkinfo"]["info_data"]["multi_queue"]
    assert link["mtu"] == 1500
    assert container.addresses("eth0") == ["fd01::2/64"]
    assert container.sysctl("ipv6/conf/eth0/accept_dad") == "0"


@pytest.mark.parametrize(
    ("other", "complaint"), [("tap multi_queue", "multiQueue is True"), ("tun", "is a tun device")]
)
def test_another_kind_of_device(
    machine: Machine, container: Netns, other: str, complaint: str
) -> None:
    """The virtual machine could not open it."""
    result = machine.add(conf(machine), container)
    del result["interfaces"][0]["mac"]
    container.ip("tuntap del eth0 mode tap")
    container.ip(f"tuntap add eth0 mode {other}")
    container.ip("link set eth0 up")

    assert complaint in machine.call("CHECK", conf(machine), container, prev=result).error


@pytest.mark.parametrize("version", VERSIONS)
def test_as_a_port_of_a_bridge_in_the_container(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: ADD with owner 0, group 0 and IPAM, DEL, DEL again."""
    container.ip("link add br1 type bridge")
    cfg = conf(machine, SUBNET, version=version, bridge="br1", owner=0, group=0)
    result = machine.add(cfg, container)

    assert container.link("eth0")["master"] == "br1"
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
        container.ip("link set eth0 nomaster")
        assert "not a port" in machine.call("CHECK", cfg, container, prev=result).error
    for _ in range(2):
        machine.delete(cfg, container)
        assert set(container.links()) == {"lo", "br1"}


def test_an_interface_of_that_name_is_left_alone(machine: Machine, container: Netns) -> None:
    """W-TAP-1: Go adopts it silently and leaks a second device."""
    container.ip("link add eth0 type veth peer name eth1")

    assert "already exists" in machine.call("ADD", conf(machine), container).error
    machine.delete(conf(machine), container)
    assert set(container.links()) == {"lo", "eth0", "eth1"}


@pytest.mark.parametrize(
    ("sources", "mac"),
    [
        ({}, "02:00:00:00:00:01"),
        ({"args": {"cni": {"mac": "02:00:00:00:00:03"}}}, "02:00:00:00:00:03"),
        (
            {
                "args": {"cni": {"mac": "02:00:00:00:00:03"}},
                "runtimeConfig": {"mac": "02:00:00:00:00:02"},
            },
            "02:00:00:00:00:02",
        ),
    ],
)
def test_mac_of_the_runtime(
    machine: Machine, container: Netns, sources: dict[str, Any], mac: str
) -> None:
    """Each source wins over those before it, as with the other plugins: key, CNI_ARGS, args.cni, runtime."""
    args = "IgnoreUnknown=1;MAC=02:00:00:00:00:01"
    machine.add(conf(machine, mac=MAC, **sources), container, args=args)

    assert container.link("eth0")["address"] == mac


def test_no_program_is_needed(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W-TAP-3: Go runs ip(8), unless owner and group are given."""
    monkeypatch.setattr("machine.PATH", "/no/such/directory")
    monkeypatch.setenv("PATH", "/no/such/directory")
    out = machine.call("ADD", conf(machine, multiQueue=True), container)
    monkeypatch.undo()

    assert out.code == 0, out.error
    assert container.link("eth0")["linkinfo"]["info_kind"] == "tun"


def test_add_leaves_nothing_when_it_fails_later(machine: Machine, container: Netns) -> None:
    """W-MV-1, which Go's tap has too."""
    cfg = conf(machine, SUBNET)
    cfg["ipam"]["routes"] = [{"dst": "172.16.0.0/16", "gw": "203.0.113.1"}]

    assert machine.call("ADD", cfg, container).code != 0
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ({"owner": -1}, 7, "owner"),
        ({"owner": 2**32}, 7, "owner"),
        ({"group": -1}, 7, "group"),
        ({"group": 2**32}, 7, "group"),
        ({"mtu": 67}, 7, "mtu"),
        ({"bridge": "a/b"}, 7, "a/b"),
        ({"mac": "nonsense"}, 7, "nonsense"),
        ({"bridge": "nope"}, 999, '"nope" not found'),
    ],
)
def test_a_bad_configuration_makes_nothing(
    machine: Machine, container: Netns, keys: dict[str, Any], code: int, message: str
) -> None:
    out = machine.call("ADD", conf(machine, **keys), container)

    assert message in out.error
    assert out.document["code"] == code
    assert set(container.links()) == {"lo"}


def test_a_context_is_refused_only_where_selinux_is_on(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No kernel of the tests has a policy loaded, so what tells that it is on is a file of the test."""
    cfg = conf(machine, selinuxContext="system_u:object_r:container_t:s0")
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(tap, "_SELINUX", str(tmp_path / "enforce"))
    for verb, path in (("ADD", container), ("STATUS", None)):
        out = machine.call(verb, {**cfg, "cniVersion": "1.1.0"}, path)
        assert (out.document["code"], "selinuxContext" in out.error) == (2, True)
    monkeypatch.setattr(tap, "_SELINUX", str(tmp_path / "absent"))
    machine.add(cfg, container)
    assert container.link("eth0")


def test_status_wants_the_device(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Design section 4.6: STATUS is honest."""
    cfg = conf(machine, version="1.1.0")
    assert machine.call("STATUS", cfg).code == 0
    monkeypatch.setattr(tap, "_TUN", str(tmp_path / "tun"))
    out = machine.call("STATUS", cfg)

    assert out.document["code"] == 50
    assert "tun is not there" in out.error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link set eth0 down", "state is down"),
        ("link set eth0 address 02:00:00:00:00:55", "MAC is"),
        ("link del eth0", "not found"),
    ],
)
def test_check_notices(machine: Machine, container: Netns, change: str, message: str) -> None:
    """W-TAP-4: also without addresses."""
    cfg = conf(machine)
    result = machine.add(cfg, container)
    container.ip(change)

    assert message in machine.call("CHECK", cfg, container, prev=result).error


@pytest.mark.parametrize("key", ["owner", "group"])
def test_check_notices_another_owner(machine: Machine, container: Netns, key: str) -> None:
    """W-TAP-4."""
    cfg = conf(machine, **{key: 7})
    result = machine.add(cfg, container)
    machine.check(cfg, container, result)

    error = machine.call("CHECK", {**cfg, key: 8}, container, prev=result).error
    assert f"{key} is 7, not 8" in error


def test_check_notices_another_kind_of_link(machine: Machine, container: Netns) -> None:
    """W-TAP-4: with the same name and MAC."""
    cfg = conf(machine, mac=MAC)
    result = machine.add(cfg, container)
    container.ip("link del eth0")
    container.ip(f"link add eth0 address {MAC} type bridge")
    container.ip("link set eth0 up")

    assert "kind is bridge, not tun" in machine.call("CHECK", cfg, container, prev=result).error
