"""macvlan, ipvlan and vlan on the fake kernel: Go's test cases in every version (contracts 3.2, 3.3, 3.7)."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs
import pytest

from cnisdk import errors
from cnisdk._result import Interface, Ip, Result, Route
from cnisdk.testing import FakeIpam, HostState, LinkState, Outcome, Runtime, Session
from reference_plugins.ipvlan import Ipvlan
from reference_plugins.macvlan import Macvlan
from reference_plugins.vlan import Vlan


VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT, WITH_CHECK = VERSIONS[2:], VERSIONS[4:]
INSIDE = "/run/netns/c1"
MASTER_MAC, MASTER_MTU = "02:00:00:00:00:33", 1400
POOL = FakeIpam.giving("10.1.0.5/24", gateway="10.1.0.1")
PLUGINS: tuple[Any, ...] = (Macvlan, Ipvlan, Vlan)

every_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(params=[None, False, True], ids=["linkInContainer absent", "no", "yes"])
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the master is, as the configuration says it."""
    return {} if request.param is None else {"linkInContainer": request.param}


def with_master(place: dict[str, Any], *names: str) -> HostState:
    state = HostState()
    for name in names or ("m0",):
        master = LinkState(mac=MASTER_MAC, mtu=MASTER_MTU, up=True)
        state = state.with_link(INSIDE if place.get("linkInContainer") else "", name, master)
    return state


def session(
    plugin: Any, version: str, place: dict[str, Any], *, l3: bool = True, **keys: Any
) -> Session:
    """A machine with a master, and a plugin that is told to use it."""
    conf = {"master": "m0", **place, **({"ipam": {"type": "pool"}} if l3 else {}), **keys}
    given = {key: value for key, value in conf.items() if value is not None}
    return Runtime(plugin, given, cni_version=version).session(with_master(place), ipam=POOL)


def eth(out: Outcome) -> LinkState:
    return out.host.namespaces[INSIDE].links["eth0"]


@every_version
@pytest.mark.parametrize("plugin", PLUGINS)
def test_add_check_del(plugin: Any, version: str, place: dict[str, Any]) -> None:
    """T: ADD/CHECK/DEL/DEL again with IPAM: one address, the MAC in the result is the link's."""
    made = session(plugin, version, place)
    out = made.add()

    assert out.result is not None
    assert eth(out).addresses == ("10.1.0.5/24",)
    assert (eth(out).kind, eth(out).mtu) == (plugin.__name__.lower(), MASTER_MTU)
    assert eth(out).lower == (INSIDE if place.get("linkInContainer") else "", "m0")
    assert [str(each.address) for each in out.result.ips] == ["10.1.0.5/24"]
    if version in CURRENT:
        (interface,) = out.result.interfaces
        assert (interface.name, interface.mac, interface.sandbox) == ("eth0", eth(out).mac, INSIDE)
        assert out.result.ips[0].interface == 0
    if version in WITH_CHECK:
        assert made.check().error is None
    for _ in range(2):
        assert made.delete().error is None
        assert made.state == with_master(place)


@every_version
@pytest.mark.parametrize("plugin", PLUGINS)
def test_del_without_add(plugin: Any, version: str, place: dict[str, Any]) -> None:
    """T: DEL without ADD; no master is needed."""
    conf = {"master": "m0", "ipam": {"type": "pool"}, **place}
    out = Runtime(plugin, conf, cni_version=version).delete(ipam=POOL)

    assert out.error is None
    assert (out.ipam.verbs, out.host) == (["DEL"], HostState())


@every_version
@pytest.mark.parametrize("plugin", [Macvlan, Ipvlan])
def test_without_master_the_default_route_says_it(
    plugin: Any, version: str, place: dict[str, Any]
) -> None:
    """T: master omitted: the interface of the default route, on the host or in the container."""
    path = INSIDE if place.get("linkInContainer") else ""
    state = with_master(place, "m1", "m2")
    space = state.namespaces[path] if path else state.host
    routes = frozenset({("0.0.0.0/0", "192.0.2.1", "m2", "254", "0", "0", "0", "0", "", "3")})
    state = state.with_namespace(path, attrs.evolve(space, routes=routes))
    conf = {"ipam": {"type": "pool"}, **place}
    made = Runtime(plugin, conf, cni_version=version).session(state, ipam=POOL)

    assert eth(made.add()).lower == (path, "m2")
    if version in WITH_CHECK:
        assert made.check().error is None
    assert made.delete().host == state


@every_version
@pytest.mark.parametrize("plugin", [Ipvlan, Vlan])
@pytest.mark.parametrize(
    ("mtu", "expected"),
    [(None, MASTER_MTU), (0, MASTER_MTU), (1300, 1300), (MASTER_MTU, MASTER_MTU)],
)
def test_mtu(
    plugin: Any, version: str, place: dict[str, Any], mtu: int | None, expected: int
) -> None:
    """T: create with an MTU; create inheriting the master's."""
    assert eth(session(plugin, version, place, mtu=mtu).add()).mtu == expected


@every_version
@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("mtu", [MASTER_MTU + 1, -100])
def test_an_mtu_that_cannot_be(plugin: Any, version: str, place: dict[str, Any], mtu: int) -> None:
    """T: MTU above the master's rejected with text; negative MTU rejected with text."""
    out = session(plugin, version, place, mtu=mtu).add()

    assert out.error is not None
    assert out.error.code == 7
    # Whole: callers of Go's vlan compare it so.
    assert out.error.msg == f"invalid MTU {mtu}, must be [0, master MTU({MASTER_MTU})]"
    assert out.error.details == ""
    assert out.host == with_master(place)


def test_check_of_vlan_notices_another_mtu_where_the_result_cannot_say_it() -> None:
    """Before 1.0.0 results have no mtu: the configured one counts."""
    made = session(Vlan, "0.4.0", {}, mtu=1300)
    out = made.add()
    made.state = made.state.with_link(INSIDE, "eth0", attrs.evolve(eth(out), mtu=1200))
    error = made.check().error

    assert error is not None
    assert "MTU is 1200" in error.msg


# ---- macvlan without addresses ------------------------------------------------------------------

ARGS, RUNTIME = "c2:11:22:33:44:66", "c2:11:22:33:44:77"


@every_version
@pytest.mark.parametrize(
    ("args", "runtime", "mac"),
    [("", "", ""), (ARGS, "", ARGS), ("", RUNTIME, RUNTIME), (ARGS, RUNTIME, RUNTIME)],
)
def test_macvlan_of_layer_2(
    version: str, place: dict[str, Any], args: str, runtime: str, mac: str
) -> None:
    """T: ADD/DEL L2 (ipam {}); MAC from CNI_ARGS with IgnoreUnknown, from runtimeConfig; 0.1.0/0.2.0 fail."""
    made = session(Macvlan, version, place, l3=False, ipam={})
    made.runtime.args = {"IgnoreUnknown": "1", "MAC": args} if args else {}
    made.runtime.capability_args = {"mac": runtime} if runtime else {}
    out = made.add()

    if version not in CURRENT:
        assert isinstance(out.error, errors.IncompatibleVersion)
        assert out.error.msg == "cannot convert: no valid IP addresses"
        assert out.host == with_master(place)
        return
    assert out.result is not None
    assert (eth(out).up, eth(out).addresses, out.ipam.verbs) == (True, (), [])
    assert out.result.interfaces[0].mac == eth(out).mac == (mac or eth(out).mac)
    if version in WITH_CHECK:
        assert made.check().error is None
    assert made.delete().host == with_master(place)


# ---- ipvlan in a chain --------------------------------------------------------------------------


def earlier(*names: str) -> Result:
    """What the plugin before has made and reserved."""
    ip = Ip(ip_interface("10.1.0.2/24"), ip_address("10.1.0.1"))
    return Result(tuple(map(Interface, names)), (ip,), (Route(ip_network("0.0.0.0/0")),))


@pytest.mark.parametrize("version", CURRENT)
def test_ipvlan_in_a_chain(version: str, place: dict[str, Any]) -> None:
    """T: chained: prevResult supplies master, address and gateway; ADD/CHECK/DEL without ipam."""
    made = session(Ipvlan, version, place, l3=False, master=None)
    made.runtime.prev_result = earlier("m0")
    out = made.add()

    assert out.result is not None
    assert [each.name for each in out.result.interfaces] == ["eth0"]
    assert eth(out).addresses == ("10.1.0.2/24",)
    assert any(each[:2] == ("0.0.0.0/0", "10.1.0.1") for each in out.host.namespaces[INSIDE].routes)
    if version in WITH_CHECK:
        assert made.check().error is None
    assert made.delete().host == with_master(place)


def test_an_ipam_of_its_own_counts_in_a_chain() -> None:
    """SPEC section 2, ADD: what prevResult has is passed on; with an ipam it is not the ipvlan's."""
    made = session(Ipvlan, "1.1.0", {}, master=None)
    made.runtime.prev_result = earlier("m0")
    out = made.add()

    assert (eth(out).addresses, eth(out).lower) == (("10.1.0.5/24",), ("", "m0"))
    assert out.result is not None
    assert [each.name for each in out.result.interfaces] == ["m0", "eth0"]
    assert [(str(each.address), each.interface) for each in out.result.ips] == [
        ("10.1.0.2/24", None),
        ("10.1.0.5/24", 1),
    ]


@pytest.mark.parametrize("names", [(), ("",), ("m0", "m1")])
def test_a_chain_without_a_single_named_interface(names: tuple[str, ...]) -> None:
    """3.3: it says which interface is meant."""
    made = session(Ipvlan, "1.0.0", {}, l3=False, master=None)
    made.runtime.prev_result = earlier(*names)
    out = made.add()

    assert isinstance(out.error, errors.InvalidConfig)
    assert out.error.msg == ("chained master failure. PrevResult lacks a single named interface")
    assert out.host == with_master({})


@pytest.mark.parametrize("prev", [None, Result((Interface("m0"),))], ids=["none", "no addresses"])
def test_ipvlan_with_no_addresses_from_anywhere(prev: Result | None) -> None:
    """3.3: neither IPAM nor addresses in prevResult."""
    made = session(Ipvlan, "1.1.0", {}, l3=False)
    made.runtime.prev_result = prev
    out = made.add()

    assert isinstance(out.error, errors.InvalidConfig)
    assert (out.error.code, out.error.msg) == (7, "ipam.type: required, but not given")
    assert out.host == with_master({})
