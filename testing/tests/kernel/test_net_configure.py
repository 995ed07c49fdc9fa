"""Giving an interface an IPAM result (contracts 2.3) and the faults W-CFG-*."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from machine import Machine, Netns

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net import Namespace
from cnisdk._result import Interface, Ip, Result, ResultBuilder, Route


pytestmark = pytest.mark.kernel


@pytest.fixture
def wired(machine: Machine, container: Netns) -> Netns:
    """A container with a veth whose other end is up on the host."""
    machine.host.namespace(path="").add_veth(peer="eth0", into=container.namespace())
    return container


@pytest.fixture
def inside(wired: Netns) -> Namespace:
    return wired.namespace()


def result(*addresses: str, routes: tuple[Route, ...] = (), gateways: Any = True) -> Result:
    """A result for eth0, with the first address of each subnet as gateway."""
    ips = []
    for text in addresses:
        address = ip_interface(text)
        gateway = address.network.network_address + 1 if gateways else None
        ips.append(Ip(address, gateway, 0))
    return Result((Interface("eth0"),), tuple(ips), routes)


def route(dst: str, gw: str = "", **keys: Any) -> Route:
    return Route(ip_network(dst), ip_address(gw) if gw else None, **keys)


def test_addresses_of_both_families_are_there_and_the_link_is_up(
    wired: Netns, inside: Namespace
) -> None:
    """T: v4+v6 addresses."""
    inside.configure("eth0", result("10.1.0.5/24", "fd01::5/64"))

    assert wired.addresses("eth0") == ["10.1.0.5/24", "fd01::5/64"]
    assert "UP" in wired.link("eth0")["flags"]


def test_addresses_are_usable_at_once(wired: Netns, inside: Namespace) -> None:
    """Design section 5: nodad where the peer is ours; nothing is tentative."""
    inside.configure("eth0", result("fd01::5/64"))

    assert "tentative" not in wired.sh("ip -6 address show dev eth0 scope global")


@pytest.mark.parametrize(
    ("address", "broadcast"),
    [("10.1.0.5/24", "10.1.0.255"), ("10.1.0.5/30", "10.1.0.7"), ("10.1.0.4/31", "")],
)
def test_ipv4_gets_the_computed_broadcast_address(
    wired: Netns, inside: Namespace, address: str, broadcast: str
) -> None:
    """2.3: IPv4 gets the computed broadcast (prefix < /31)."""
    inside.configure("eth0", result(address))

    shown = wired.sh("ip -4 address show dev eth0")
    assert (f" brd {broadcast} " in shown) if broadcast else ("brd" not in shown)


def test_routes_take_the_gateway_of_their_family(wired: Netns, inside: Namespace) -> None:
    """T: routes inherit address gateway."""
    routes = (route("0.0.0.0/0"), route("172.16.0.0/12", "10.1.0.9"), route("2001:db8::/32"))
    inside.configure("eth0", result("10.1.0.5/24", "fd01::5/64", routes=routes))

    found = {each["dst"]: each.get("gateway") for each in wired.routes()}
    assert found == {"default": "10.1.0.1", "172.16.0.0/12": "10.1.0.9", "10.1.0.0/24": None}
    found6 = {each["dst"]: each.get("gateway") for each in wired.routes(6)}
    assert found6 == {"2001:db8::/32": "fd01::1", "fd01::/64": None}


def test_the_first_gateway_of_a_family_is_the_one(wired: Netns, inside: Namespace) -> None:
    """2.3: first v4 gateway and first v6 gateway seen are remembered."""
    inside.configure("eth0", result("10.1.0.5/24", "10.2.0.5/24", routes=(route("172.16.0.0/12"),)))

    assert [r["gateway"] for r in wired.routes() if r["dst"] == "172.16.0.0/12"] == ["10.1.0.1"]


def test_a_route_without_any_gateway_goes_to_the_link(wired: Netns, inside: Namespace) -> None:
    """2.3: else none."""
    inside.configure(
        "eth0", result("10.1.0.5/24", routes=(route("172.16.0.0/12"),), gateways=False)
    )

    found = {each["dst"]: each for each in wired.routes()}
    assert "gateway" not in found["172.16.0.0/12"]


def test_table_and_priority_are_applied(wired: Netns, inside: Namespace) -> None:
    """T: custom table; and a table beyond the header's eight bits."""
    routes = (
        route("172.16.0.0/16", table=100),
        route("172.17.0.0/16", table=100000, priority=7),
        route("2001:db8::/32", table=100, priority=50),
    )
    inside.configure("eth0", result("10.1.0.5/24", "fd01::5/64", routes=routes))

    assert [each["dst"] for each in wired.routes(4, "100")] == ["172.16.0.0/16"]
    assert [each["metric"] for each in wired.routes(4, "100000")] == [7]
    assert [each["metric"] for each in wired.routes(6, "100")] == [50]
    assert [each["dst"] for each in wired.routes()] == ["10.1.0.0/24"]


@pytest.mark.parametrize(("scope", "name"), [(None, "global"), (0, "global"), (253, "link")])
def test_scope_is_applied(wired: Netns, inside: Namespace, scope: int | None, name: str) -> None:
    """T: custom scope."""
    wanted = route("172.16.0.0/16", scope=scope)
    inside.configure("eth0", result("10.1.0.5/24", routes=(wanted,)))

    found = {each["dst"]: each["scope"] for each in wired.routes()}
    assert found["172.16.0.0/16"] == name


def test_a_link_scope_route_has_no_gateway(wired: Netns, inside: Namespace) -> None:
    """W-CFG-2: the gateway of the family is not for a route that asks for link scope."""
    routes = (route("172.16.0.0/16", scope=253), route("2001:db8::/32", scope=253))
    inside.configure("eth0", result("10.1.0.5/24", "fd01::5/64", routes=routes))

    both = [*wired.routes(), *wired.routes(6)]
    found = {each["dst"]: each.get("gateway") for each in both}
    assert found["172.16.0.0/16"] is None
    assert found["2001:db8::/32"] is None


def test_mtu_and_advmss_are_applied(wired: Netns, inside: Namespace) -> None:
    """W-CFG-1: route mtu and advmss."""
    routes = (route("172.16.0.0/16", mtu=1300, advmss=1200), route("2001:db8::/32", mtu=1350))
    inside.configure("eth0", result("10.1.0.5/24", "fd01::5/64", routes=routes))

    assert "mtu 1300 advmss 1200" in wired.sh("ip -4 route show 172.16.0.0/16")
    assert "mtu 1350" in wired.sh("ip -6 route show 2001:db8::/32")


def test_several_gateways_for_one_destination_stand_side_by_side(
    wired: Netns, inside: Namespace
) -> None:
    """T: ECMP same dst (IPv6 joins them in one route); IPv4 by metric."""
    routes = (
        route("2001:db8::/32", "fd01::1"),
        route("2001:db8::/32", "fd01::2"),
        route("172.16.0.0/16", "10.1.0.1"),
        route("172.16.0.0/16", "10.1.0.2"),
    )
    inside.configure("eth0", result("10.1.0.5/24", "fd01::5/64", routes=routes))

    shown = wired.sh("ip -6 route show 2001:db8::/32")
    assert "via fd01::1" in shown
    assert "via fd01::2" in shown
    found = [each["gateway"] for each in wired.routes() if each["dst"] == "172.16.0.0/16"]
    assert sorted(found) == ["10.1.0.1", "10.1.0.2"]


def test_the_same_route_twice_is_one_route(wired: Netns, inside: Namespace) -> None:
    """IPAM plugins of several families repeat a route; Go fails with "file exists" for IPv4."""
    routes = (route("172.16.0.0/16"), route("172.16.0.0/16"))
    inside.configure("eth0", result("10.1.0.5/24", routes=routes))

    assert [each["dst"] for each in wired.routes()].count("172.16.0.0/16") == 1


def test_hundreds_of_routes_fit(wired: Netns, inside: Namespace) -> None:
    """One batch must not overflow the socket with its acknowledgements."""
    routes = tuple(route(f"172.16.{i // 256}.{i % 256}/32") for i in range(1500))
    inside.configure("eth0", result("10.1.0.5/24", routes=routes))

    assert len(wired.routes()) == 1501


def test_ipv6_addresses_survive_link_down_and_up(wired: Netns, inside: Namespace) -> None:
    """T: IPv6 address survives link down/up."""
    inside.configure("eth0", result("fd01::5/64"))
    wired.ip("link set eth0 down")
    wired.ip("link set eth0 up")

    assert "fd01::5/64" in wired.addresses("eth0")


def test_disabled_ipv6_is_enabled_for_an_ipv6_address(wired: Netns, inside: Namespace) -> None:
    """2.3: disable_ipv6 of lo and the interface are written "0"."""
    for name in ("lo", "eth0"):
        wired.set_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")

    inside.configure("eth0", result("fd01::5/64"))

    assert [wired.sysctl(f"ipv6/conf/{name}/disable_ipv6") for name in ("lo", "eth0")] == ["0"] * 2
    assert wired.addresses("eth0") == ["fd01::5/64"]


def test_ipv6_settings_are_left_alone_without_an_ipv6_address(
    wired: Netns, inside: Namespace
) -> None:
    """Design section 5: IPv6 sysctls only when there is an IPv6 address (plugins#102: IPv6 off)."""
    wired.set_sysctl("ipv6/conf/eth0/disable_ipv6", "1")

    inside.configure("eth0", result("10.1.0.5/24"))

    assert wired.sysctl("ipv6/conf/eth0/disable_ipv6") == "1"
    assert wired.sysctl("ipv4/conf/eth0/arp_notify") == "1"


def test_a_kernel_without_keep_addr_on_down_is_good_enough(
    wired: Netns, inside: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W-CFG-4: keep_addr_on_down that cannot be written is no failure."""
    write = inside.kernel.set_sysctl

    def refuse(name: str, value: str) -> None:
        if name.endswith("keep_addr_on_down"):
            raise OSError(30, "Read-only file system")
        write(name, value)

    monkeypatch.setattr(inside.kernel, "set_sysctl", refuse)
    inside.configure("eth0", result("fd01::5/64"))

    assert wired.addresses("eth0") == ["fd01::5/64"]


def test_the_link_may_stay_down(wired: Netns, inside: Namespace) -> None:
    """disableContainerInterface: configured with nothing, left down, no IPv6 address of its own."""
    inside.configure("eth0", Result((Interface("eth0"),)), up=False)

    assert "UP" not in wired.link("eth0")["flags"]
    assert wired.addresses("eth0", link_local=True) == []


@pytest.mark.parametrize("index", [1, 7, -1])
def test_an_index_that_names_no_or_another_interface_is_refused(
    inside: Namespace, index: int
) -> None:
    """T: index mismatch; index too big; index negative."""
    ip = Ip(ip_interface("10.1.0.5/24"), None, index)
    bad = Result((Interface("eth0"), Interface("other")), (ip,))

    with pytest.raises(errors.InvalidConfig, match=r"10\.1\.0\.5/24.*invalid interface index"):
        inside.configure("eth0", bad)


def test_what_prev_result_has_is_passed_on_and_not_applied_again(
    wired: Netns, inside: Namespace
) -> None:
    """SPEC section 2, ADD: a second interface of the chain leaves the first one's addresses alone."""
    first = Interface("first0", sandbox="/run/netns/x")
    far = route("198.18.1.0/24", gw="10.99.1.1")
    previous = Result(
        (first,), (Ip(ip_interface("10.99.1.2/24"), ip_address("10.99.1.1"), 0),), (far,)
    )
    builder = ResultBuilder(previous)
    eth = builder.interface(Interface("eth0", sandbox="/run/netns/x"))
    builder.ip("10.1.0.5/24", gateway=ip_address("10.1.0.1"), on=eth).route(route("172.16.0.0/12"))
    built = builder.build()

    inside.configure("eth0", built)

    assert wired.addresses("eth0") == ["10.1.0.5/24"]
    found = {each["dst"]: each.get("gateway") for each in wired.routes()}
    assert found == {"10.1.0.0/24": None, "172.16.0.0/12": "10.1.0.1"}
    assert [str(ip.address) for ip in built.ips] == ["10.99.1.2/24", "10.1.0.5/24"]
    assert far in built.routes


def test_a_result_without_interfaces_is_refused(inside: Namespace) -> None:
    """T: no interfaces."""
    with pytest.raises(errors.InvalidConfig, match="no interfaces to configure"):
        inside.configure("eth0", Result())


def test_an_interface_that_is_not_there_is_named(inside: Namespace) -> None:
    """T: wrong interface name."""
    with pytest.raises(errors.CniError, match='interface "eth7" not found'):
        inside.configure("eth7", result("10.1.0.5/24"))


def test_an_address_of_no_interface_is_left_out(wired: Netns, inside: Namespace) -> None:
    """T: IP with no index does not crash."""
    inside.configure("eth0", Result((Interface("eth0"),), (Ip(ip_interface("10.1.0.5/24")),)))

    assert wired.addresses("eth0") == []
    assert "UP" in wired.link("eth0")["flags"]


def test_an_address_that_is_there_already_is_an_error_that_names_it(
    wired: Netns, inside: Namespace
) -> None:
    """2.3: duplicate address is an error here."""
    wired.ip("address add 10.1.0.5/24 dev eth0")

    with pytest.raises(errors.CniError, match=r"address 10\.1\.0\.5/24: .*EEXIST"):
        inside.configure("eth0", result("10.1.0.5/24"))


def test_a_route_the_kernel_refuses_is_named_with_the_kernels_reason(inside: Namespace) -> None:
    """Errors name the object and say why."""
    bad = result("10.1.0.5/24", routes=(route("172.16.0.0/16", "192.0.2.1"),))

    with pytest.raises(errors.CniError) as caught:
        inside.configure("eth0", bad)

    assert "route to 172.16.0.0/16 by 192.0.2.1" in caught.value.msg
    assert "invalid gateway" in caught.value.msg


def test_a_route_that_is_there_already_is_an_error(wired: Netns, inside: Namespace) -> None:
    """2.3: an exactly equal v4 route is an "exists" error."""
    wired.ip("link set eth0 up")
    wired.ip("route add 172.16.0.0/16 dev eth0 scope global")

    with pytest.raises(errors.CniError, match=r"route to 172\.16\.0\.0/16.*exists"):
        inside.configure(
            "eth0", result("10.1.0.5/24", routes=(route("172.16.0.0/16"),), gateways=False)
        )


def test_detection_of_duplicates_is_waited_for(wired: Netns, inside: Namespace) -> None:
    """enabledad: the address is not tentative any more when ADD returns, and DAD is on."""
    inside.configure("eth0", result("fd01::5/64"), dad=True)

    assert "tentative" not in wired.sh("ip -6 address show dev eth0")
    assert wired.sysctl("ipv6/conf/eth0/accept_dad") == "1"
    assert wired.sysctl("ipv6/conf/eth0/enhanced_dad") == "1"


def test_a_duplicate_address_is_named(machine: Machine, inside: Namespace) -> None:
    """2.3: DAD failure -> error."""
    (port,) = set(machine.host.links()) - {"lo"}
    machine.host.ip(f"-6 address add fd01::5/64 dev {port} nodad")

    with pytest.raises(errors.CniError, match=r"fd01::5/64 is already in use"):
        inside.configure("eth0", result("fd01::5/64"), dad=True)


def test_detection_that_does_not_end_in_time_names_the_step(wired: Netns) -> None:
    """W-CFG-3: event-driven, and the message says how long it waited."""
    wired.set_sysctl("ipv6/conf/eth0/dad_transmits", "100")
    inside = wired.namespace(deadline=Deadline(0.3))

    with pytest.raises(errors.TryAgainLater) as caught:
        inside.configure("eth0", result("fd01::5/64"), dad=True)

    assert "gave up after 0.3 s" in caught.value.msg
    assert "duplicate address detection on eth0" in caught.value.msg


def test_detection_does_not_need_a_gateway(wired: Netns, inside: Namespace) -> None:
    """W-CFG-3: settling is not skipped when IPv6 has no gateway."""
    inside.configure("eth0", result("fd01::5/64", gateways=False), dad=True)

    assert "tentative" not in wired.sh("ip -6 address show dev eth0")
