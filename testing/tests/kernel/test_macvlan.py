"""macvlan against the real kernel: the test cases of the Go plugin, and its known faults."""

from __future__ import annotations

from typing import Any

import pytest
from machine import FAKE_DHCP, Machine, Netns, attachment, with_delegate
from macvlan_master import MASTER_MTU, SUBNET, conf, master

from cnisdk._net._container_links import _temporary
from cnisdk._net._protocol import ContainerLinkSpec


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


@pytest.fixture(params=[None, False, True], ids=["linkInContainer absent", "no", "yes"])
def in_container(request: pytest.FixtureRequest) -> bool | None:
    return request.param


@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_del_with_addresses(
    machine: Machine, container: Netns, version: str, in_container: bool | None
) -> None:
    """T: ADD/CHECK/DEL L3 host-local; MAC in the result equals the link's; 1 address; DEL repeated."""
    master(container if in_container else machine.host)
    cfg = conf(machine, SUBNET, version=version, linkInContainer=in_container)
    result = machine.add(cfg, container)

    link = container.link("eth0")
    assert link["linkinfo"] == {"info_kind": "macvlan", "info_data": link["linkinfo"]["info_data"]}
    assert link["linkinfo"]["info_data"]["mode"] == "bridge"
    assert (link["mtu"], link["operstate"]) == (MASTER_MTU, "UP")
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    if version in {"0.1.0", "0.2.0"}:
        assert result["ip4"]["ip"] == "10.1.0.2/24"
    else:
        (interface,) = result["interfaces"]
        assert interface["name"] == "eth0"
        assert interface["mac"] == link["address"]
        assert interface["sandbox"] == container.path
        assert result["ips"][0]["interface"] == 0
    if version in {"0.4.0", "1.0.0", "1.1.0"}:
        machine.check(cfg, container, result)
    else:
        error = machine.call("CHECK", cfg, container, prev=result).error
        assert "config version does not allow CHECK" in error
    if version == "1.1.0":
        assert result["interfaces"][0]["mtu"] == MASTER_MTU
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert "eth0" not in container.links()
    assert machine.reservations() == set()


@pytest.mark.parametrize("mode", ["", "bridge", "private", "vepa", "passthru"])
def test_every_mode(machine: Machine, container: Netns, mode: str) -> None:
    """T: ADD/DEL L2, without addresses; CHECK knows the mode."""
    master(machine.host)
    cfg = conf(machine, mode=mode)
    result = machine.add(cfg, container)

    link = container.link("eth0")
    assert link["linkinfo"]["info_data"]["mode"] == (mode or "bridge")
    assert link["flags"].count("UP") == 1
    assert container.addresses("eth0") == []
    machine.check(cfg, container, result)
    other = {**cfg, "mode": "private" if mode != "private" else "vepa"}
    assert "macvlan mode" in machine.call("CHECK", other, container, prev=result).error
    machine.delete(cfg, container, prev=result)
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_layer_2_has_no_result_before_0_3_0(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: L2 on 0.1.0/0.2.0 cannot be expressed; nothing stays behind (W-MV-1)."""
    master(machine.host)
    out = machine.call("ADD", conf(machine, version=version, ipam={}), container)

    assert "cannot convert: no valid IP addresses" in out.error
    assert set(container.links()) == {"lo"}


def test_without_master_the_default_route_says_it(
    machine: Machine, container: Netns, in_container: bool | None
) -> None:
    """T: master omitted; W-MV-3: the lowest metric counts, and CHECK does without a route."""
    space = master(container if in_container else machine.host, gateway=True)
    space.ip("link add other type veth peer name rehto")
    space.ip("link set other up")
    space.ip("link set rehto up")
    space.ip("address add 198.51.100.2/24 dev other")
    space.ip("route add default via 198.51.100.1 metric 50")
    cfg = conf(machine, SUBNET, master=None, linkInContainer=in_container)
    result = machine.add(cfg, container)

    assert container.link("eth0")["mtu"] == MASTER_MTU
    space.ip("route del default via 192.0.2.1")
    space.ip("route del default via 198.51.100.1")
    machine.check(cfg, container, result)
    machine.delete(cfg, container)


def test_a_default_route_of_ipv6_alone_says_the_master(machine: Machine, container: Netns) -> None:
    """3.2: the first default route, v4 or v6."""
    host = master(machine.host)
    host.ip("address add fd02::2/64 dev m0 nodad")
    host.ip("-6 route add default via fd02::1")
    machine.add(conf(machine, SUBNET, master=None), container)

    assert container.link("eth0")["mtu"] == MASTER_MTU


def test_without_any_default_route(machine: Machine, container: Netns) -> None:
    error = machine.call("ADD", conf(machine, SUBNET, master=None), container).error

    assert "no default route interface found" in error
    assert machine.reservations() == set()


@pytest.mark.parametrize(
    ("keys", "args", "mac"),
    [
        ({"mac": "c2:11:22:33:44:01"}, "", "c2:11:22:33:44:01"),
        ({}, "IgnoreUnknown=true;MAC=c2:11:22:33:44:66", "c2:11:22:33:44:66"),
        ({"mac": "c2:11:22:33:44:01"}, "MAC=c2:11:22:33:44:66", "c2:11:22:33:44:66"),
        (
            {"runtimeConfig": {"mac": "c2:11:22:33:44:77"}},
            "MAC=c2:11:22:33:44:66",
            "c2:11:22:33:44:77",
        ),
        (
            {"args": {"cni": {"mac": "c2:11:22:33:44:88"}}},
            "MAC=c2:11:22:33:44:66",
            "c2:11:22:33:44:88",
        ),
    ],
)
def test_mac_from_every_source(
    machine: Machine, container: Netns, keys: dict[str, Any], args: str, mac: str
) -> None:
    """T: MAC from the configuration, CNI_ARGS, args.cni, runtimeConfig; the later wins."""
    master(machine.host)
    cfg = conf(machine, **keys)
    result = machine.add(cfg, container, args=args)

    assert container.link("eth0")["address"] == mac
    assert result["interfaces"][0]["mac"] == mac
    machine.delete(cfg, container, args=args)


def test_queue_length(machine: Machine, container: Netns) -> None:
    """bcqueuelen reaches the kernel, where it has the setting, and is compared."""
    master(machine.host)
    cfg = conf(machine, bcqueuelen=2000)
    result = machine.add(cfg, container)

    assert container.link("eth0")["linkinfo"]["info_data"]["bcqueuelen"] == 2000
    machine.check(cfg, container, result)
    container.ip("link set eth0 type macvlan bcqueuelen 700")
    error = machine.call("CHECK", cfg, container, prev=result).error
    assert "bcqueuelen is 700, not 2000" in error


def test_dhcp_finds_the_link_up(machine: Machine, container: Netns) -> None:
    """plugins#362, 3.2: a DHCP client's packets go through the interface, so it is up before IPAM."""
    master(machine.host)
    plugins = with_delegate(machine, "dhcp", FAKE_DHCP)
    cfg = conf(machine, ipam={"type": "dhcp"})
    result = machine.add(cfg, container, plugins=plugins)

    assert "UP" in (plugins / "dhcp.seen").read_text().partition("<")[2].partition(">")[0]
    assert result["ips"][0]["address"] == "10.1.0.9/24"
    machine.check(cfg, container, result, plugins=plugins)
    machine.delete(cfg, container, plugins=plugins)
    assert (plugins / "dhcp.others").read_text().split() == ["CHECK", "DEL"]


def test_mtu(machine: Machine, container: Netns) -> None:
    master(machine.host)
    machine.add(conf(machine, mtu=1300), container)

    assert container.link("eth0")["mtu"] == 1300


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mode": "sideways"}, 'unknown macvlan mode: "sideways"'),
        ({"mtu": 1401}, "invalid MTU 1401, must be [0, master MTU(1400)]"),
        ({"mtu": -1}, "invalid MTU -1, must be [0, master MTU(1400)]"),
        ({"mac": "01:00:00:00:00:01"}, "01:00:00:00:00:01"),
        ({"bcqueuelen": -1}, "bcqueuelen"),
        ({"bcqueuelen": 2**32}, "bcqueuelen"),
    ],
)
def test_a_bad_configuration_makes_nothing(
    machine: Machine, container: Netns, keys: dict[str, Any], message: str
) -> None:
    master(machine.host)
    out = machine.call("ADD", conf(machine, SUBNET, **keys), container)

    assert message in out.error
    assert out.document["code"] == 7
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()


def test_a_missing_master(machine: Machine, container: Netns) -> None:
    assert '"m0" not found' in machine.call("ADD", conf(machine, SUBNET), container).error
    assert machine.reservations() == set()


def test_a_master_that_is_a_bridge_port_is_told_apart(machine: Machine, container: Netns) -> None:
    master(machine.host)
    machine.host.ip("link add br0 type bridge")
    machine.host.ip("link set m0 master br0")

    error = machine.call("ADD", conf(machine, SUBNET), container).error

    assert '"m0" is in use: it is a port of "br0"' in error
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize("broken", ["no address left", "bad route"])
def test_add_leaves_nothing_when_it_fails_later(
    machine: Machine, container: Netns, broken: str
) -> None:
    """W-MV-1: the link must not survive a failure of IPAM or of its configuration."""
    master(machine.host)
    cfg = conf(machine, "10.1.0.0/30" if broken == "no address left" else SUBNET)
    if broken == "no address left":
        machine.add(cfg, machine.container(), container_id="first")
    else:
        cfg["ipam"]["routes"] = [{"dst": "172.16.0.0/16", "gw": "203.0.113.1"}]
    held = machine.reservations()

    assert machine.call("ADD", cfg, container, container_id="second").code != 0
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == held


def test_ipam_keeps_its_dns_unless_the_configuration_has_one(
    machine: Machine, container: Netns
) -> None:
    """W-MV-2: Go overwrites the settings of IPAM with nothing."""
    master(machine.host)
    resolv = machine.root / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.53\n")
    cfg = conf(machine, SUBNET)
    cfg["ipam"]["resolvConf"] = str(resolv)
    first = machine.add(cfg, container)
    machine.delete(cfg, container)
    second = machine.add({**cfg, "dns": {"nameservers": ["192.0.2.1"]}}, container)

    assert first["dns"]["nameservers"] == ["192.0.2.53"]
    assert second["dns"]["nameservers"] == ["192.0.2.1"]


@pytest.mark.parametrize("netns", ["empty", "vanished", "no master", "another's"])
def test_del_in_every_state(machine: Machine, container: Netns, netns: str) -> None:
    """T: DEL without ADD; without namespace or master; never another attachment's interface."""
    master(machine.host)
    cfg = conf(machine, SUBNET)
    machine.delete(cfg, container)
    machine.add(cfg, container)
    path: Any = container
    if netns == "empty":
        path = ""
    if netns == "vanished":
        path = container.path
        container.close()
    if netns == "no master":
        machine.host.ip("link del m0")
    if netns == "another's":
        machine.delete(cfg, container, container_id="late")
        assert "eth0" in container.links()

    machine.delete(cfg, path)

    assert machine.reservations() == set()
    if netns == "another's":
        assert set(container.links()) == {"lo"}


def test_an_interface_of_that_name_is_left_alone(machine: Machine, container: Netns) -> None:
    master(machine.host)
    container.ip("link add eth0 type veth peer name eth1")

    error = machine.call("ADD", conf(machine, SUBNET), container).error

    assert 'interface "eth0" already exists' in error
    assert set(container.links()) == {"lo", "eth0", "eth1"}


def test_the_host_may_have_an_interface_of_that_name(machine: Machine, container: Netns) -> None:
    master(machine.host)
    machine.host.ip("link add eth0 type veth peer name eth1")
    machine.add(conf(machine, SUBNET), container)

    assert "eth0" in container.links()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link set eth0 down", "state is down"),
        ("link set eth0 mtu 1280", "MTU is 1280"),
        ("link set eth0 address 02:00:00:00:00:55", "MAC is 02:00:00:00:00:55"),
        ("address flush dev eth0", "10.1.0.2/24"),
        ("link del eth0", '"eth0" not found'),
    ],
)
def test_check_notices(machine: Machine, container: Netns, change: str, message: str) -> None:
    master(machine.host)
    cfg = conf(machine, SUBNET)
    result = machine.add(cfg, container)
    container.ip(change)

    assert message in machine.call("CHECK", cfg, container, prev=result).error


def test_check_notices_another_master(machine: Machine, container: Netns) -> None:
    master(machine.host)
    cfg = conf(machine, SUBNET)
    result = machine.add(cfg, container)

    error = machine.call("CHECK", {**cfg, "master": "m1"}, container, prev=result).error
    assert 'not on "m1"' in error


def test_what_a_killed_add_left_goes(machine: Machine, container: Netns) -> None:
    """A link under its temporary name is removed by DEL, and by a second ADD."""
    master(machine.host)
    cfg = conf(machine, SUBNET)
    machine.add(cfg, container)
    machine.delete(cfg, container)
    lower = machine.host.namespace().expect_link("m0").index
    spec = ContainerLinkSpec(kind="macvlan", mode="bridge", lower=lower)
    kernel, left = container.namespace().kernel, _temporary(attachment("c1"))
    machine.host.namespace().kernel.add_container_link(left, spec, into=kernel, temporary="tmp0")

    machine.delete(cfg, container)
    assert set(container.links()) == {"lo"}


def test_gc_forwards_to_ipam(machine: Machine, container: Netns) -> None:
    master(machine.host)
    cfg = conf(machine, SUBNET)
    machine.add(cfg, container)
    machine.add(cfg, machine.container(), container_id="c2")
    machine.gc(cfg, ("c1", "eth0"))

    assert machine.reservations() == {"10.1.0.2"}


def test_status(machine: Machine) -> None:
    """T: STATUS ok on 1.1.0; W-MV-4: the master must exist."""
    cfg = conf(machine, SUBNET, version="1.1.0")
    out = machine.call("STATUS", cfg)
    assert out.document["code"] == 50
    assert '"m0" not found' in out.error
    default = {key: value for key, value in cfg.items() if key != "master"}
    assert "no default route" in machine.call("STATUS", default).error

    master(machine.host)
    for inside in (None, False, True):
        assert machine.call("STATUS", {**cfg, "linkInContainer": inside}).code == 0
    assert machine.call("STATUS", {**default, "linkInContainer": True}).code == 0

    machine.host.ip("link add br0 type bridge")
    machine.host.ip("link set m0 master br0")
    assert '"m0" is a port of a bridge' in machine.call("STATUS", cfg).error


def test_a_master_may_be_called_by_an_alternative_name(machine: Machine, container: Netns) -> None:
    """They are there for names beyond 15 bytes."""
    name = "enp130s0f1np1-uplink-of-rack-7"
    master(machine.host).ip(f"link property add dev m0 altname {name}")
    cfg = conf(machine, SUBNET, master=name)
    result = machine.add(cfg, container)

    machine.check(cfg, container, result)
    machine.delete(cfg, container, prev=result)
    refused = machine.call("ADD", conf(machine, SUBNET, master=f"{name}-2"), container)
    assert f'interface "{name}-2" not found' in refused.error
