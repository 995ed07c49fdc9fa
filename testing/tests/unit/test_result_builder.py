"""The builder that resolves `ips[].interface` itself."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cnisdk import errors
from cnisdk._result import Dns, Interface, Ip, Result, ResultBuilder, Route


HOST = Interface("veth1", "02:00:00:00:00:01")
ETH0 = Interface("eth0", "02:00:00:00:00:02", sandbox="/run/netns/c1")
ADDRESS = ip_interface("10.1.0.5/16")
GATEWAY = ip_address("10.1.0.1")


def test_address_points_at_its_interface() -> None:
    """No index is ever written by hand."""
    builder = ResultBuilder()
    builder.interface(HOST)
    eth0 = builder.interface(ETH0)
    result = builder.ip(ADDRESS, gateway=GATEWAY, on=eth0).ip("fd00::5/64").build()

    assert result.interfaces == (HOST, ETH0)
    assert result.ips == (Ip(ADDRESS, GATEWAY, 1), Ip(ip_interface("fd00::5/64")))


def test_interface_is_found_by_name_and_sandbox() -> None:
    """An equal interface with another MAC is the same interface; one elsewhere is not."""
    builder = ResultBuilder(Result(interfaces=(Interface("eth0"), ETH0)))

    again = Interface("eth0", "changed", sandbox=ETH0.sandbox)

    assert builder.ip(ADDRESS, on=again).build().ips[0].interface == 1


def test_interface_outside_the_result_is_refused() -> None:
    """The message says what to do."""
    with pytest.raises(errors.InternalError, match='"eth0" is not in the result') as caught:
        ResultBuilder().ip(ADDRESS, on=ETH0)

    assert "result.interface()" in caught.value.details


def test_chained_result_starts_from_prev_result() -> None:
    """Nothing of it is lost."""
    previous = Result(
        (ETH0,), (Ip(ADDRESS, None, 0),), (Route(ip_network("::/0")),), Dns(domain="d")
    )

    assert ResultBuilder(previous).build() == previous


def test_adopted_ipam_result_goes_on_the_interface() -> None:
    """Addresses get the index; routes and DNS are added."""
    route = Route(ip_network("0.0.0.0/0"))
    ipam = Result(ips=(Ip(ADDRESS, GATEWAY),), routes=(route,), dns=Dns(domain="d"))
    builder = ResultBuilder()
    builder.interface(HOST)
    result = builder.adopt(ipam, on=builder.interface(ETH0)).build()

    assert result.ips == (Ip(ADDRESS, GATEWAY, 1),)
    assert result.routes == (route,)
    assert result.dns == Dns(domain="d")


def test_adopting_without_dns_keeps_what_is_there() -> None:
    """W-MV-2: the other side's empty DNS must not overwrite."""
    builder = ResultBuilder().dns(Dns(domain="d")).dns(None)

    assert builder.adopt(Result(), on=builder.interface(ETH0)).build().dns == Dns(domain="d")


def test_ipam_result_has_no_interfaces() -> None:
    """SPEC section 5, "Delegated plugins (IPAM)"."""
    with pytest.raises(errors.InternalError, match='must not contain interfaces, got "eth0"'):
        ResultBuilder(allow_interfaces=False).interface(ETH0)


def test_fields_of_an_interface_are_changed_by_name() -> None:
    """What tuning does to prevResult."""
    builder = ResultBuilder(Result(interfaces=(HOST, ETH0)))
    result = builder.update("eth0", sandbox=ETH0.sandbox, mac="new", mtu=1400).build()

    assert result.interface("eth0") == Interface("eth0", "new", 1400, ETH0.sandbox)
    assert result.interfaces[0] == HOST


def test_changing_an_interface_that_is_not_there_is_refused() -> None:
    """The runtime's mistake: code 7."""
    with pytest.raises(errors.InvalidConfig, match='prevResult has no interface "eth1"'):
        ResultBuilder(Result(interfaces=(ETH0,))).update("eth1", mtu=1)


def test_result_is_asked_by_name() -> None:
    """Interface, addresses of it, gateway of a family."""
    result = Result((HOST, ETH0), (Ip(ADDRESS, GATEWAY, 1), Ip(ip_interface("::5/64"))))

    assert result.interface("eth0") == ETH0
    assert result.interface("eth0", "") is None
    assert result.interface("eth9") is None
    assert result.ips_of("eth0", ETH0.sandbox) == result.ips[:1]
    assert result.ips_of("veth1", "") == ()
    assert result.gateway(4) == GATEWAY
    assert result.gateway(6) is None


def test_routes_are_added_one_by_one_or_together() -> None:
    """Order is kept."""
    one, two = Route(ip_network("10.0.0.0/8")), Route(ip_network("::/0"))

    assert ResultBuilder().route(one).routes((two, one)).build().routes == (one, two, one)


def test_expected_addresses_are_compared_with_their_gateways() -> None:
    """CHECK of an IPAM plugin; a gateway that nobody asks for may be any."""
    result = Result(ips=(Ip(ADDRESS, GATEWAY), Ip(ip_interface("fd00::5/64"))))
    result.expect_ips([Ip(ADDRESS), Ip(ADDRESS, GATEWAY)], on="eth0")

    with pytest.raises(errors.CniError, match=r"address 10.1.0.6/16 is missing in prevResult"):
        result.expect_ips([Ip(ip_interface("10.1.0.6/16"))], on="eth0")
    with pytest.raises(errors.CniError, match=r"fd00::5/64 on interface eth0: the gateway is None"):
        result.expect_ips([Ip(ip_interface("fd00::5/64"), ip_address("fd00::1"))], on="eth0")
