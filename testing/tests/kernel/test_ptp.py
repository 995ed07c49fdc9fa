"""ptp against the real kernel: the test cases of the Go plugin, its known faults, swaps with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

GO = Path("/usr/lib/cni")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
V4, V6 = "10.1.0.0/24", "fd01::/64"
DNS = {
    "nameservers": ["10.1.2.3"],
    "domain": "example.org",
    "search": ["example.org"],
    "options": ["ndots:5"],
}


def conf(machine: Machine, *subnets: str, **keys: Any) -> dict[str, Any]:
    document = machine.conf(*(subnets or (V4,)), **{"type": "ptp", **keys})
    del document["bridge"]
    return document


@pytest.mark.parametrize("backend", [None, "nftables", "iptables"])
@pytest.mark.parametrize("version", VERSIONS)
def test_add_ping_check_del(
    machine: Machine, container: Netns, version: str, backend: str | None
) -> None:
    """T: v4 ADD with DNS, ping the gateway, CHECK (refused before 0.4.0), DEL, with each backend."""
    keys: dict[str, Any] = {"ipMasqBackend": backend} if backend else {}
    cfg = conf(machine, version=version, ipMasq=True, mtu=1400, dns=DNS, **keys)
    result = machine.add(cfg, container)

    assert container.ping("10.1.0.1")
    assert machine.host.ping("10.1.0.2")
    assert container.link("eth0")["mtu"] == 1400
    assert result["dns"] == DNS
    if version not in {"0.1.0", "0.2.0"}:
        host, eth = result["interfaces"]
        assert "sandbox" not in host
        assert host["name"].startswith("veth")
        there = machine.host.link(host["name"])
        assert (there["address"], there["mtu"]) == (host["mac"], 1400)
        assert (eth["name"], eth["sandbox"]) == ("eth0", container.path)
        assert eth["mac"] == container.link("eth0")["address"]
        assert [len(each["mac"]) for each in (host, eth)] == [17, 17]
        assert result["ips"][0]["interface"] == 1
        assert result["ips"][0]["address"] == "10.1.0.2/24"
    if version in {"0.4.0", "1.0.0", "1.1.0"}:
        machine.check(cfg, container, result)
    else:
        error = machine.call("CHECK", cfg, container, prev=result).error
        assert "config version does not allow CHECK" in error
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert machine.leftovers() == []
        assert set(container.links()) == {"lo"}


@pytest.mark.parametrize("version", VERSIONS)
def test_del_without_add(machine: Machine, container: Netns, version: str) -> None:
    """T: DEL without ADD."""
    machine.delete(conf(machine, version=version, ipMasq=True), container)

    assert machine.leftovers() == []
    assert set(machine.host.links()) == set(container.links()) == {"lo"}


@pytest.mark.parametrize(
    ("subnet", "address", "gateway", "length"),
    [(V4, "10.1.0.2", "10.1.0.1", 32), (V6, "fd01::2", "fd01::1", 128)],
)
def test_the_routes_at_both_ends(  # noqa: PLR0917  # a table with two rows
    machine: Machine, container: Netns, subnet: str, address: str, gateway: str, length: int
) -> None:
    """3.4: gateway on the link and subnet by the gateway, both from the address; at the host /32 or /128."""
    host = machine.add(conf(machine, subnet), container)["interfaces"][0]["name"]
    version = 6 if ":" in subnet else 4
    near, far = (
        {each["dst"]: each for each in space.routes(version) if each["dev"] in {"eth0", host}}
        for space in (container, machine.host)
    )

    assert set(near) == {gateway, subnet}
    assert (near[gateway].get("gateway"), near[gateway]["prefsrc"]) == (None, address)
    assert (near[subnet]["gateway"], near[subnet]["prefsrc"]) == (gateway, address)
    assert machine.host.addresses(host) == [f"{gateway}/{length}"]
    assert "gateway" not in far[address]
    if version == 4:
        assert (near[gateway]["scope"], far[address]["scope"]) == ("link", "host")
    assert "saddr" not in machine.host.ruleset()


@pytest.mark.parametrize(("subnet", "gw"), [(V4, "10.1.0.9"), (V6, "fd01::9")])
def test_a_route_by_another_address_of_the_subnet(
    machine: Machine, container: Netns, subnet: str, gw: str
) -> None:
    """Go sets such routes while it has the subnet on the link, and so takes them."""
    dst = "2001:db8::/32" if ":" in gw else "192.0.2.0/24"
    cfg = conf(machine, subnet)
    cfg["ipam"]["routes"] = [{"dst": dst, "gw": gw}]
    result = machine.add(cfg, container)

    (found,) = [each for each in container.routes(6 if ":" in gw else 4) if each["dst"] == dst]
    assert found["gateway"] == gw
    machine.check(cfg, container, result)


@pytest.mark.parametrize("version", VERSIONS)
def test_dual_stack_with_routes(machine: Machine, container: Netns, version: str) -> None:
    """T: dual stack with three v4 routes, ping both gateways."""
    cfg = conf(machine, V4, V6, version=version, ipMasq=True)
    routes = ["0.0.0.0/0", "192.168.0.0/16", "1.2.3.4/32"]
    cfg["ipam"]["routes"] = [{"dst": each} for each in routes]
    result = machine.add(cfg, container)

    assert container.ping("10.1.0.1")
    assert container.ping("fd01::1")
    near = {each["dst"]: each.get("gateway") for each in container.routes()}
    assert near["10.1.0.1"] is None
    assert near["10.1.0.0/24"] == "10.1.0.1"
    assert [near[each] for each in ("default", *routes[1:2], "1.2.3.4")] == ["10.1.0.1"] * 3
    if version in {"0.4.0", "1.0.0", "1.1.0"}:
        machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert machine.leftovers() == []


def test_containers_reach_each_other(machine: Machine, container: Netns) -> None:
    other = machine.container()
    cfg = conf(machine)
    machine.add(cfg, container)
    machine.add(cfg, other, container_id="c2")

    assert container.ping("10.1.0.3")
    machine.delete(cfg, container)
    assert other.ping("10.1.0.1")


@pytest.mark.parametrize("broken", ["route", "forwarding"])
def test_add_leaves_nothing_when_it_fails_later(
    machine: Machine, container: Netns, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W-PTP-1: veth, masquerading and address must not survive."""
    cfg = conf(machine, ipMasq=True)
    if broken == "route":
        cfg["ipam"]["routes"] = [{"dst": "172.16.0.0/16", "gw": "203.0.113.1"}]
    else:

        def refuse(*_: object) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("cnisdk._net._addresses.AddressVerbs.enable_forwarding", refuse)

    assert machine.call("ADD", cfg, container).code != 0
    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"ipMasqBackend": "ebtables"}, "ipMasqBackend"),
        ({"mtu": 67}, "mtu: must be 0 or 68 to 65535, got 67"),
        ({"mtu": -1}, "mtu"),
    ],
)
def test_a_bad_configuration_makes_nothing(
    machine: Machine, container: Netns, keys: dict[str, Any], named: str
) -> None:
    out = machine.call("ADD", conf(machine, ipMasq=True, **keys), container)

    assert out.document["code"] == 7
    assert named in out.error
    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize("verb", ["ADD", "STATUS"])
def test_without_ipam_the_error_says_so(machine: Machine, container: Netns, verb: str) -> None:
    """W-PTP-2: Go says "no plugin name provided"; DEL has nothing to complain about."""
    cfg = {key: it for key, it in conf(machine, version="1.1.0").items() if key != "ipam"}
    path = container if verb == "ADD" else None

    assert "ipam.type: required" in machine.call(verb, cfg, path).error
    machine.delete(cfg, container)


def test_an_address_without_gateway_is_named(machine: Machine, container: Netns) -> None:
    """W-PTP-3: Go ends in an error of the kernel."""
    cfg = conf(machine)
    cfg["ipam"] = {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}
    error = machine.call("ADD", cfg, container).error

    assert "address 10.1.0.5/24 has no gateway" in error
    assert set(container.links()) == {"lo"}
    assert machine.leftovers() == []


@pytest.mark.parametrize("netns", ["empty", "vanished", "without addresses"])
def test_del_without_namespace(machine: Machine, container: Netns, netns: str) -> None:
    """W-PTP-4: masquerading goes also when the namespace has gone, or the addresses in it."""
    cfg = conf(machine, ipMasq=True)
    machine.add(cfg, container)
    path = "" if netns == "empty" else container.path
    if netns == "vanished":
        container.close()
    if netns == "without addresses":
        container.ip("address flush dev eth0")

    machine.delete(cfg, path)
    assert machine.leftovers() == []


@pytest.mark.parametrize(
    ("inside", "change", "message"),
    [
        (True, "route del 10.1.0.0/24", "10.1.0.0/24"),
        (True, "route del 10.1.0.1", "10.1.0.1"),
        (True, "link set eth0 mtu 1300", "MTU is 1300"),
        (False, "route del 10.1.0.2", "the route to 10.1.0.2"),
        (False, "address del 10.1.0.1/32 dev {host}", "10.1.0.1/32"),
        (False, "link set {host} mtu 1300", "MTU is 1300"),
        (False, "link set {host} down", ""),
    ],
)
def test_check_notices(
    machine: Machine, container: Netns, *, inside: bool, change: str, message: str
) -> None:
    """W-PTP-5: the host's end, its routes, and the routes to the gateway."""
    cfg = conf(machine, ipMasq=True)
    result = machine.add(cfg, container)
    host = result["interfaces"][0]["name"]
    (container if inside else machine.host).ip(change.format(host=host))

    assert message in machine.call("CHECK", cfg, container, prev=result).error


def test_check_notices_an_mtu_that_the_result_cannot_say(
    machine: Machine, container: Netns
) -> None:
    """Before 1.0.0 results have no mtu: the configured one counts."""
    cfg = conf(machine, version="0.4.0", mtu=1400)
    result = machine.add(cfg, container)
    machine.check(cfg, container, result)
    container.ip("link set eth0 mtu 1300")

    assert "MTU is 1300" in machine.call("CHECK", cfg, container, prev=result).error


def test_check_notices_rules_and_forwarding(machine: Machine, container: Netns) -> None:
    """W-PTP-5."""
    cfg = conf(machine, ipMasq=True)
    result = machine.add(cfg, container)
    machine.host.set_sysctl("ipv4/ip_forward", "0")
    assert "forwarding is off" in machine.call("CHECK", cfg, container, prev=result).error
    machine.host.set_sysctl("ipv4/ip_forward", "1")
    machine.host.run("nft", "flush", "ruleset")
    assert "masquerading" in machine.call("CHECK", cfg, container, prev=result).error


def test_gc_removes_what_is_not_valid(machine: Machine, container: Netns) -> None:
    cfg = conf(machine, ipMasq=True)
    machine.add(cfg, container)
    machine.add(cfg, machine.container(), container_id="c2")
    machine.gc(cfg)

    assert machine.leftovers() == []


def test_status(machine: Machine) -> None:
    """T: STATUS on 1.1.0."""
    assert machine.call("STATUS", conf(machine, version="1.1.0", ipMasq=True)).code == 0


@pytest.mark.interop
@pytest.mark.skipif(not (GO / "ptp").exists(), reason="needs containernetworking-plugins")
@pytest.mark.parametrize("maker", ["go", "ours"])
@pytest.mark.parametrize("subnets", [(V4,), (V6,), (V4, V6)], ids=["IPv4", "IPv6", "dual"])
def test_swap_with_go(
    machine: Machine, container: Netns, maker: str, subnets: tuple[str, ...]
) -> None:
    """What one has made, the other checks and deletes."""
    cfg = conf(machine, *subnets, ipMasq=True, ipMasqBackend="iptables")
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    result = machine.add(cfg, container, plugins=first)
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)

    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize(
    "addresses", [("10.1.0.5/24", "10.1.0.6/24"), ("fd01::5/64", "fd01::6/64")]
)
def test_two_addresses_of_a_subnet(
    machine: Machine, container: Netns, addresses: tuple[str, str]
) -> None:
    """Both lead to one gateway; the kernel does not tell IPv6 routes apart by their source."""
    gateway = "fd01::1" if ":" in addresses[0] else "10.1.0.1"
    given = [{"address": each, "gateway": gateway} for each in addresses]
    cfg = {**conf(machine), "ipam": {"type": "static", "addresses": given}}
    result = machine.add(cfg, container)

    machine.check(cfg, container, result)
    assert sorted(container.addresses("eth0")) == sorted(addresses)
