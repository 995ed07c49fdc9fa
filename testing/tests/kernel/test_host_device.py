"""host-device against the real kernel: the test cases of the Go plugin, its known faults."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from lent_device import MAC, SUBNET, conf, device, host_with_device, records
from machine import Machine, Netns

from cnisdk._net._kernel import NetlinkKernel


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = VERSIONS[4:]


@pytest.fixture
def host(machine: Machine) -> Netns:
    return host_with_device(machine)


@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_del(machine: Machine, host: Netns, container: Netns, version: str) -> None:
    """T: device with IPAM: up, MAC kept, gone from the host; DEL restores the name, twice."""
    before = device(host)
    cfg = conf(machine, SUBNET, version=version)
    result = machine.add(cfg, container)

    assert "ens5" not in host.links()
    link = container.link("eth0")
    assert (link["address"], link["mtu"], link["ifalias"]) == (MAC, 1400, "ens5")
    assert "UP" in link["flags"]
    assert container.addresses("eth0") == ["10.1.0.2/24"]
    if version not in {"0.1.0", "0.2.0"}:
        (interface,) = result["interfaces"]
        assert interface["mac"] == MAC
        assert interface["sandbox"] == container.path
        assert result["ips"][0]["interface"] == 0
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        # W-HD-6: state, addresses, MTU and alias come back too.
        assert device(host) == before
        assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()
    assert records(machine) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_without_ipam(machine: Machine, host: Netns, container: Netns, version: str) -> None:
    """T: device without IPAM ADD -> DEL; same + CHECK; upstream compares the interfaces whole."""
    before = device(host)
    cfg = conf(machine, version=version)
    if version in {"0.1.0", "0.2.0"}:
        assert "no valid IP addresses" in machine.call("ADD", cfg, container).error
        assert device(host) == before
        return
    result = machine.add(cfg, container)

    of_110 = {"mtu": 1400} if version == "1.1.0" else {}
    assert result["interfaces"] == [
        {"name": "eth0", "mac": MAC, **of_110, "sandbox": container.path}
    ]
    assert "ens5" not in host.links()
    assert "UP" in container.link("eth0")["flags"]
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert device(host) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_with_static_addresses(
    machine: Machine, host: Netns, container: Netns, version: str
) -> None:
    """T: device with static IPAM ADD/(CHECK)/DEL, address present."""
    before = device(host)
    addresses = [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]
    cfg = conf(machine, version=version, ipam={"type": "static", "addresses": addresses})
    result = machine.add(cfg, container)

    assert container.addresses("eth0") == ["10.1.0.5/24"]
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert device(host) == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("noted", [True, False])
def test_a_name_that_is_taken_on_the_host(
    machine: Machine, host: Netns, container: Netns, version: str, noted: bool
) -> None:
    """T: DEL with a conflicting host name fails and leaves the link up; succeeds afterwards."""
    cfg = conf(machine, SUBNET, version=version)
    machine.add(cfg, container)
    if not noted:
        records(machine)[0].unlink()
    host.ip("link add ens5 type bridge")

    error = machine.call("DEL", cfg, container).error
    assert 'cannot return "eth0"' in error
    assert "ip link set ens5 name" in error
    assert "UP" in container.link("eth0")["flags"]
    assert machine.reservations() == set()
    host.ip("link del ens5")
    machine.delete(cfg, container)
    assert host.link("ens5")["address"] == MAC


@pytest.mark.parametrize("version", VERSIONS)
def test_another_interface_of_that_name_in_the_container(
    machine: Machine, host: Netns, container: Netns, version: str
) -> None:
    """T: it is untouched by ADD and DEL."""
    container.ip("link add ens5 type veth peer name far")
    there = container.link("ens5")
    cfg = conf(machine, SUBNET, version=version)
    machine.add(cfg, container)
    assert container.link("eth0")["address"] == MAC
    machine.delete(cfg, container)

    assert container.link("ens5") == there
    assert host.link("ens5")["address"] == MAC


def test_the_interface_has_to_be_free(machine: Machine, host: Netns, container: Netns) -> None:
    container.ip("link add eth0 type veth peer name far")
    before = device(host)
    out = machine.call("ADD", conf(machine), container)
    assert out.document["code"] == 4
    assert device(host) == before


@pytest.mark.parametrize(
    "ipam",
    [
        {"ranges": [[{"subnet": SUBNET, "rangeStart": "10.2.0.1"}]]},
        {"routes": [{"dst": "172.16.0.0/16", "gw": "203.0.113.1"}]},
    ],
    ids=["IPAM", "route"],
)
def test_a_failed_add_returns_the_device(
    machine: Machine, host: Netns, container: Netns, ipam: dict[str, Any]
) -> None:
    """W-HD-2: in Go it stays in the container when IPAM fails."""
    host.ip("route add 198.51.100.0/24 via 192.0.2.1")
    before, routes = device(host), host.routes()
    cfg = conf(machine, SUBNET)
    cfg["ipam"].update(ipam)

    assert machine.call("ADD", cfg, container).code != 0
    assert device(host) == before
    assert host.routes() == routes
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()
    assert records(machine) == []


@pytest.mark.parametrize(
    "change",
    [
        "link set eth0 name renamed",
        "link set eth0 mtu 1300",
        "link set eth0 address 02:00:00:00:00:66",
        "link set eth0 alias -",
        "link set eth0 down",
    ],
)
def test_whatever_the_container_did_is_undone(
    machine: Machine, host: Netns, container: Netns, change: str
) -> None:
    """Original name on DEL even if the container renamed it; W-HD-1."""
    before = device(host)
    machine.add(conf(machine), container)
    if "address" in change or "name" in change:
        container.ip("link set eth0 down")
    container.run(*["ip", *("" if each == "-" else each for each in change.split())])
    machine.delete(conf(machine), container)
    assert device(host) == before


def test_what_the_move_costs_a_device_comes_back(
    machine: Machine, host: Netns, container: Netns
) -> None:
    """The kernel takes its master and addresses from it, the container may change the rest."""
    for command in (
        "link add br9 type bridge",
        "link set br9 up",
        "link set ens5 master br9 txqueuelen 77",
        "address add 192.0.2.8/24 dev ens5 label ens5:more metric 50",
        "address add 198.51.100.1 peer 198.51.100.2/32 dev ens5",
        "address add 2001:db8::1/64 dev ens5 noprefixroute nodad",
        "route add 203.0.113.0/24 via 192.0.2.1",
    ):
        host.ip(command)
    host.set_sysctl("ipv4/conf/ens5/rp_filter", "2")
    shown = (
        "link show ens5",
        "-o address show ens5 scope global",
        "route",
        "-6 route show root 2001::/16",
    )
    before = [host.ip(each) for each in shown]
    machine.add(conf(machine), container)
    for change in ("promisc on", "allmulticast on", "txqueuelen 99", "mtu 1300"):
        container.ip(f"link set eth0 {change}")
    machine.delete(conf(machine), container)
    assert [host.ip(each) for each in shown] == before
    assert host.sysctl("ipv4/conf/ens5/rp_filter") == "2"


def test_a_device_comes_back_without_a_bridge_that_has_gone(
    machine: Machine, host: Netns, container: Netns
) -> None:
    host.ip("link add br9 type bridge")
    host.ip("link set ens5 master br9")
    machine.add(conf(machine), container)
    host.ip("link delete br9")
    machine.delete(conf(machine), container)
    assert host.addresses("ens5") == ["192.0.2.7/24"]
    assert records(machine) == []


def test_del_without_add(machine: Machine, host: Netns, container: Netns) -> None:
    """W-HD-1: errors when namespace or link is gone; and other plugins' interfaces are no devices."""
    before = device(host)
    for netns in (container, "/run/netns/nowhere", None):
        machine.delete(conf(machine, SUBNET), netns)
    container.ip("link add eth0 type veth peer name far")
    machine.delete(conf(machine), container)
    container.run("ip", "link", "set", "eth0", "alias", "0123456789abcdef-0123456789abcdef, net: x")
    machine.delete(conf(machine), container)
    assert "eth0" in container.links()
    assert device(host) == before


def test_del_without_cni_netns(machine: Machine, host: Netns, container: Netns) -> None:
    """W-HD-1, plugins#1196: in Go neither the address nor the device comes back."""
    before = device(host)
    machine.add(conf(machine, SUBNET), container)
    machine.delete(conf(machine, SUBNET), None)
    assert device(host) == before
    assert machine.reservations() == set()


@pytest.mark.parametrize("verb", ["DEL", "GC"])
@pytest.mark.parametrize("name", ["eth0", "dev7"])
def test_a_device_the_kernel_brought_back(
    machine: Machine, host: Netns, container: Netns, verb: str, name: str
) -> None:
    """When a namespace goes, the kernel moves devices to the host as they are called there, or devN."""
    before = device(host)
    machine.add(conf(machine, SUBNET), container)
    inside, outside = NetlinkKernel(os.dup(container.fd)), NetlinkKernel(os.dup(host.fd))
    link = inside.link("eth0")
    assert link is not None
    inside.change_link(link.index, into=outside, name=name)
    container.close()
    if verb == "DEL":
        machine.delete(conf(machine, SUBNET), "/run/netns/gone")
    else:
        machine.gc(conf(machine, SUBNET))

    assert name not in host.links()
    assert device(host) == before
    assert machine.reservations() == set()
    assert records(machine) == []


def test_a_virtual_device_goes_with_the_namespace(
    machine: Machine, host: Netns, container: Netns
) -> None:
    cfg = conf(machine, SUBNET)
    machine.add(cfg, container)
    container.ip("link del eth0")
    machine.delete(cfg, container)
    assert records(machine) == []
    assert "ens5" not in host.links()


def test_gc_fetches_devices_and_leaves_valid_ones(
    machine: Machine, host: Netns, container: Netns
) -> None:
    before = device(host)
    cfg = conf(machine, SUBNET)
    result = machine.add(cfg, container)
    machine.gc(cfg, ("c1", "eth0"))
    machine.gc({**cfg, "name": "othernet"})
    machine.check(cfg, container, result)
    machine.gc(cfg)
    assert device(host) == before
    assert set(container.links()) == {"lo"}


def test_a_stranger_takes_nothing_away(machine: Machine, host: Netns, container: Netns) -> None:
    """kubernetes#100648: a late DEL that names an interface which is another container's by now."""
    cfg = conf(machine)
    result = machine.add(cfg, container)
    machine.delete(cfg, container, container_id="stranger")
    machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert "ens5" in host.links()


def test_a_del_that_is_late_leaves_the_next_container_alone(
    machine: Machine, host: Netns, container: Netns
) -> None:
    """The device has come back by another way, and is in use again."""
    cfg = conf(machine)
    machine.add(cfg, container, container_id="old")
    kept = records(machine)[0].read_text()
    machine.delete(cfg, container, container_id="old")
    result = machine.add(cfg, container, container_id="new")
    old = json.loads(kept)
    old["data"]["identity"] = "0:0"
    (machine.root / "run" / "host-device" / "0-0.json").write_text(json.dumps(old))
    for netns in (None, "/run/netns/gone"):
        machine.delete(cfg, netns, container_id="old")
    machine.check(cfg, container, result, container_id="new")


def test_a_network_that_was_renamed_meanwhile(
    machine: Machine, host: Netns, container: Netns
) -> None:
    """T: DEL of upstream's tests, which give the network another name for CHECK and DEL."""
    before = device(host)
    result = machine.add(conf(machine), container)
    machine.delete({**conf(machine), "name": "another"}, container, prev=result)

    assert device(host) == before
    assert records(machine) == []


def test_an_add_that_was_refused_takes_nothing_of_another_network(
    machine: Machine, host: Netns, container: Netns
) -> None:
    """The interface was there already; the runtime's DEL after it has no prevResult."""
    host.ip("link add ens6 type veth peer name wire6")
    result = machine.add(conf(machine), container)
    other = conf(machine, device="ens6", name="another")

    assert "already exists" in machine.call("ADD", other, container).error
    machine.delete(other, container)
    machine.check(conf(machine), container, result)


def test_dns_of_ipam_is_kept(machine: Machine, host: Netns, container: Netns) -> None:
    """W-MV-2, the same in host-device."""
    assert "ens5" in host.links()
    resolv = machine.root / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.53\n")
    cfg = conf(machine, SUBNET, ipam={"resolvConf": str(resolv)})
    assert machine.add(cfg, container)["dns"]["nameservers"] == ["192.0.2.53"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link set eth0 down", "state is down"),
        ("link set eth0 mtu 1300", "MTU is 1300, not 1400"),
        ("address flush dev eth0", "10.1.0.2/24"),
        ("link set eth0 alias other", 'alias is "other", not "ens5"'),
        ("link del eth0", '"eth0" not found'),
    ],
)
@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.usefixtures("host")
def test_check_names_what_is_missing(
    machine: Machine, container: Netns, change: str, message: str, noted: bool
) -> None:
    cfg = conf(machine, SUBNET, version="1.1.0")
    result = machine.add(cfg, container)
    if not noted:
        records(machine)[0].unlink()
    machine.check(cfg, container, result)
    container.ip(change)
    assert message in machine.call("CHECK", cfg, container, prev=result).error


def test_status(machine: Machine, host: Netns, container: Netns) -> None:
    cfg = conf(machine, SUBNET, version="1.1.0")
    assert machine.call("STATUS", cfg).code == 0
    machine.add(cfg, container)
    assert machine.call("STATUS", cfg).code == 0, "it is lent"
    machine.delete(cfg, container)
    host.ip("link del ens5")
    assert machine.call("STATUS", cfg).document["code"] == 50
    anything = conf(machine, version="1.1.0", device=None)
    assert machine.call("STATUS", anything).code == 0, "a runtime may choose the device"
