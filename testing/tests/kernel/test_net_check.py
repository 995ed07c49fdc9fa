"""Comparing an interface with its result (contracts 2.4) and the faults W-CHK-*."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs
import pytest
from machine import Machine, Netns

from cnisdk import errors
from cnisdk._net import Namespace
from cnisdk._result import Interface, Ip, Result, Route


pytestmark = pytest.mark.kernel
GW4, GW6 = ip_address("10.1.0.1"), ip_address("fd01::1")


@pytest.fixture
def inside(machine: Machine, container: Netns) -> Namespace:
    machine.host.namespace(path="").add_veth(peer="eth0", into=container.namespace())
    return container.namespace()


@pytest.fixture
def result(container: Netns, inside: Namespace) -> Result:
    """What ADD made of eth0."""
    routes = (
        Route(ip_network("0.0.0.0/0"), GW4),
        Route(ip_network("::/0")),
        Route(ip_network("172.16.0.0/16"), mtu=1300, advmss=1200, priority=7),
        Route(ip_network("172.17.0.0/16"), table=100, scope=253),
    )
    ips = (Ip(ip_interface("10.1.0.5/24"), GW4, 0), Ip(ip_interface("fd01::5/64"), GW6, 0))
    mac = container.link("eth0")["address"]
    made = Result((Interface("eth0", mac, 1500, container.path),), ips, routes)
    inside.configure("eth0", made)
    return made


def test_what_is_as_add_left_it_passes(inside: Namespace, result: Result) -> None:
    """Design section 4.7: an unchanged attachment passes."""
    inside.expect(result, "eth0")
    assert inside.link("eth0") is not None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ip link del eth0", '"eth0" not found'),
        ("ip link set eth0 down", '"eth0".*state is down, not up'),
        ("ip link set eth0 address 02:00:00:00:00:99", '"eth0".*MAC is 02:00:00:00:00:99'),
        ("ip link set eth0 mtu 1400", '"eth0".*MTU is 1400, not 1500'),
        ("ip address del 10.1.0.5/24 dev eth0", r"address 10\.1\.0\.5/24 is missing"),
        ("ip address del fd01::5/64 dev eth0", "address fd01::5/64 is missing"),
        ("ip route del 10.1.0.0/24", r"route to 10\.1\.0\.0/24 .*missing"),
        ("ip route del default", r"route to 0\.0\.0\.0/0 by 10\.1\.0\.1 not found"),
        ("ip -6 route del default", "route to ::/0 by fd01::1 not found"),
        ("ip route del 172.16.0.0/16 metric 7", r"route to 172\.16\.0\.0/16"),
        ("ip route del 172.17.0.0/16 table 100", r"route to 172\.17\.0\.0/16"),
    ],
)
def test_each_object_that_is_missing_or_altered_is_named(
    container: Netns, inside: Namespace, result: Result, change: str, named: str
) -> None:
    """Design section 4.7; T (2.4): addresses with prefix, routes."""
    container.sh(change)

    with pytest.raises(errors.CniError) as caught:
        inside.expect(result, "eth0")
    assert re.search(named, str(caught.value)), caught.value


@pytest.mark.parametrize(
    "case",
    [
        ("default", "default via 10.1.0.9", "gw is 10.1.0.9, not 10.1.0.1"),
        (
            "172.16.0.0/16 metric 7",
            "172.16.0.0/16 via 10.1.0.1 metric 8 mtu 1300 advmss 1200",
            "priority is 8, not 7",
        ),
        (
            "172.16.0.0/16 metric 7",
            "172.16.0.0/16 via 10.1.0.1 metric 7 mtu 1200 advmss 1200",
            "mtu is 1200, not 1300",
        ),
        (
            "172.16.0.0/16 metric 7",
            "172.16.0.0/16 via 10.1.0.1 metric 7 mtu 1300",
            "advmss is 0, not 1200",
        ),
        (
            "172.17.0.0/16 table 100",
            "172.17.0.0/16 dev eth0 scope link table 101",
            "table is 101, not 100",
        ),
        (
            "172.17.0.0/16 table 100",
            "172.17.0.0/16 dev eth0 scope global table 100",
            "scope is 0, not 253",
        ),
        ("default", "default via 10.9.0.1 dev eth1", "it is on another interface"),
    ],
)
def test_each_property_of_a_route_is_compared(
    container: Netns, inside: Namespace, result: Result, case: tuple[str, str, str]
) -> None:
    """W-CHK-2: gateway of a default route, interface, table, metric, scope, mtu."""
    route, other, difference = case
    container.ip("link add eth1 type bridge")
    container.ip("link set eth1 up")
    container.ip("address add 10.9.0.5/24 dev eth1")
    container.ip(f"route del {route}")
    container.ip(f"route add {other}")

    with pytest.raises(errors.CniError) as caught:
        inside.expect(result, "eth0")
    assert difference in caught.value.details


def test_an_address_with_another_prefix_is_told_from_a_missing_one(
    container: Netns, inside: Namespace, result: Result
) -> None:
    """2.4: each prev IP must be on the interface with equal prefix."""
    container.ip("address add 10.1.0.5/16 dev eth0")
    container.ip("address del 10.1.0.5/24 dev eth0")

    with pytest.raises(errors.CniError, match=r"it is there as 10\.1\.0\.5/16"):
        inside.expect(result, "eth0")


def test_routes_that_sbr_moved_to_another_table_pass(
    container: Netns, inside: Namespace, result: Result
) -> None:
    """W-CHK-1: a chained sbr moves the subnet's route and the default route."""
    container.ip("route add 10.1.0.0/24 dev eth0 scope link table 101")
    container.ip("route add default via 10.1.0.1 dev eth0 table 101")
    container.ip("route del default")
    container.ip("route del 10.1.0.0/24")
    container.ip("rule add from 10.1.0.5 table 101")

    inside.expect(result, "eth0")
    assert [each["dst"] for each in container.routes()] == ["172.16.0.0/16"]


def test_a_mac_and_mtu_that_tuning_changed_pass_with_its_result(
    container: Netns, inside: Namespace, result: Result
) -> None:
    """Design section 4.7: a later plugin's changes are in prevResult."""
    container.ip("link set eth0 address 02:00:00:00:00:99 mtu 1400")
    interface = Interface("eth0", "02:00:00:00:00:99", 1400, container.path)

    inside.expect(attrs.evolve(result, interfaces=(interface,)), "eth0")
    assert container.link("eth0")["mtu"] == 1400


def test_what_others_added_is_tolerated(
    container: Netns, inside: Namespace, result: Result
) -> None:
    """Design section 4.7: more addresses, routes and interfaces than ADD made."""
    container.ip("address add 10.7.0.5/24 dev eth0")
    container.ip("route add 192.0.2.0/24 via 10.1.0.9")
    container.ip("route add default via 10.1.0.9 metric 500")
    container.ip("link add eth1 type bridge")

    inside.expect(result, "eth0")
    assert "eth1" in container.links()


def test_a_route_of_another_plugins_interface_is_looked_for_there(
    container: Netns, inside: Namespace, result: Result
) -> None:
    """A chain may attach two interfaces; each CHECK gets the routes of both."""
    container.ip("link add eth1 type bridge")
    container.ip("link set eth1 up")
    container.ip("address add 10.9.0.5/24 dev eth1")
    container.ip("route add 192.0.2.0/24 via 10.9.0.1")
    both = attrs.evolve(
        result,
        interfaces=(*result.interfaces, Interface("eth1", "", 0, container.path)),
        ips=(*result.ips, Ip(ip_interface("10.9.0.5/24"), None, 1)),
        routes=(*result.routes, Route(ip_network("192.0.2.0/24"), ip_address("10.9.0.1"))),
    )

    inside.expect(both, "eth0")
    container.ip("route del 192.0.2.0/24")
    with pytest.raises(errors.CniError, match=r"192\.0\.2\.0/24"):
        inside.expect(both, "eth0")


@pytest.mark.parametrize("address", ["10.1.0.5/32", "fd01::5/128"])
def test_a_single_address_has_no_subnet_route(
    container: Netns, inside: Namespace, address: str
) -> None:
    """There is no subnet to route to."""
    made = Result(
        (Interface("eth0", "", 0, container.path),), (Ip(ip_interface(address), None, 0),)
    )
    inside.configure("eth0", made)

    inside.expect(made, "eth0")
    assert container.addresses("eth0") == [address]


def test_an_interface_in_another_sandbox_is_not_ours(inside: Namespace, result: Result) -> None:
    """3.1: "Sandbox in prevResult X doesn't match configured netns: Y"."""
    elsewhere = attrs.evolve(result.interfaces[0], sandbox="/run/netns/other")

    with pytest.raises(errors.InvalidConfig) as caught:
        inside.expect(attrs.evolve(result, interfaces=(elsewhere,)), "eth0")
    assert "/run/netns/other" in str(caught.value)


class Pair:
    """A veth whose host end is a port of br0."""

    def __init__(self, machine: Machine, container: Netns) -> None:
        self.host = machine.host.namespace(path="")
        self.host.ensure_bridge("br0")
        inside = container.namespace()
        self.name = self.host.add_veth(peer="eth0", into=inside, master="br0").host.name
        self.link = inside.expect_link("eth0")


@pytest.fixture
def pair(machine: Machine, container: Netns) -> Pair:
    return Pair(machine, container)


def test_the_host_end_is_found_by_its_index(pair: Pair) -> None:
    """3.1 CHECK: the container's peer, enslaved to the bridge."""
    assert pair.host.expect_peer(pair.link, master="br0").name == pair.name


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ip link set {name} nomaster", 'not a port of the bridge "br0"'),
        ("ip link set {name} master br1", 'not a port of the bridge "br0"'),
        ("ip link set {name} down", "state is down, not up"),
        ("ip link del br0", '"br0" not found'),
    ],
)
def test_a_host_end_that_was_altered_is_named(
    machine: Machine, pair: Pair, change: str, named: Any
) -> None:
    """3.1 CHECK."""
    machine.host.ip("link add br1 type bridge")
    machine.host.sh(change.format(name=pair.name))

    with pytest.raises(errors.CniError, match=named):
        pair.host.expect_peer(pair.link, master="br0")


def test_a_host_end_elsewhere_is_not_mistaken_for_a_link_here(
    machine: Machine, container: Netns
) -> None:
    """The index of a peer counts in the peer's namespace only."""
    other = machine.container()
    host = machine.host.namespace(path="")
    host.ensure_bridge("br0")
    for number in range(8):  # veths of every index the peer may have
        machine.host.ip(f"link add a{number} type veth peer name b{number}")
        machine.host.ip(f"link set a{number} master br0")
    other.namespace().add_veth(peer="eth0", into=container.namespace())

    with pytest.raises(errors.CniError, match='host end of the veth "eth0" was not found'):
        host.expect_peer(container.namespace().expect_link("eth0"), master="br0")
