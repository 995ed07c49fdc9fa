"""The laws of cnisdk.testing on plugins that rearrange routing; they need a prevResult."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs
import pytest

from cnisdk._result import Interface, Ip, Result, Route
from cnisdk.testing import FakeIpam, HostState, LinkState, NsState, Runtime
from reference_plugins.sbr import Sbr
from reference_plugins.vrf import Vrf


NETNS = "/run/netns/c1"
MAC = "02:00:00:00:00:07"
PREV = Result(
    (Interface("eth0", MAC, 1500, NETNS),),
    (
        Ip(ip_interface("10.1.0.5/24"), ip_address("10.1.0.1"), 0),
        Ip(ip_interface("fd01::5/64"), ip_address("fd01::1"), 0),
    ),
    (
        Route(ip_network("0.0.0.0/0"), ip_address("10.1.0.1")),
        Route(ip_network("172.16.0.0/12"), ip_address("10.1.0.1"), table=99),
    ),
)
PLUGINS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sbr": (Sbr, {}),
    "sbr with a table": (Sbr, {"table": 5000}),
    "sbr with hints": (Sbr, {"addSourceHints": True}),
    "vrf": (Vrf, {"vrfName": "red"}),
    "vrf with a table": (Vrf, {"vrfname": "red", "table": 1001}),
    "sbr with gateways": (Sbr, {"gateways": ["10.1.0.1", "fd01::9"]}),
}


def route(
    dst: str, gw: str = "", table: str = "254", src: str = "", **keys: str
) -> tuple[str, ...]:
    six = ":" in dst
    scope = "253" if not gw and not six else "0"
    priority = keys.get("priority", "256" if six and not gw else "1024" if six else "0")
    protocol = keys.get("protocol", "3" if gw else "2")
    return (dst, gw, "eth0", table, priority, scope, "0", "0", src, protocol)


ROUTES = frozenset(
    {
        route("10.1.0.0/24", src="10.1.0.5"),
        route("fd01::/64"),
        route("0.0.0.0/0", "10.1.0.1"),
        route("172.16.0.0/12", "10.1.0.1", "99"),
    }
)
STATE = HostState().with_namespace(
    NETNS,
    NsState(
        links={
            "lo": LinkState(mac="00:00:00:00:00:00", mtu=65536),
            "eth0": LinkState(mac=MAC, up=True, addresses=("10.1.0.5/24", "fd01::5/64")),
        },
        routes=ROUTES,
    ),
)


def runtime(name: str) -> Runtime:
    plugin, conf = PLUGINS[name]
    return Runtime(plugin, conf=conf)


@pytest.mark.parametrize("name", PLUGINS)
def test_add_is_atomic(name: str) -> None:
    """W-SBR-4, W-VRF-3: neither half of the routes, nor a table, nor a rule is left."""
    points = runtime(name).add(STATE, prev_result=PREV).calls
    assert points > 1
    for point in range(points):
        out = runtime(name).add(STATE, prev_result=PREV, fail_at=point)
        assert out.error is not None
        assert out.host == STATE, f"at change {point}"


@pytest.mark.parametrize("name", PLUGINS)
def test_del_undoes_add_and_what_a_kill_left(name: str) -> None:
    tester = runtime(name)
    points = tester.add(STATE, prev_result=PREV).calls
    for point in range(points + 1):
        crashed = tester._run("ADD", STATE, FakeIpam(), PREV, kill_at=point).host
        for given in (None, PREV):
            out = tester.delete(crashed, prev_result=given)
            assert out.error is None
            if "vrf" in name and 0 < point < points:
                # The kernel has taken the routes by then, and nobody knows of them any more.
                assert set(out.host.namespaces[NETNS].links) == {"lo", "eth0"}
                assert not out.host.namespaces[NETNS].links["eth0"].master
                continue
            assert out.host == STATE, f"killed at change {point}"
            assert tester.delete(out.host, prev_result=given).host == STATE


@pytest.mark.parametrize("name", PLUGINS)
def test_check_misses_whatever_is_taken_away(name: str) -> None:
    tester = runtime(name)
    added = tester.add(STATE, prev_result=PREV)
    assert tester.check(added.host, prev_result=added.result).error is None
    now = added.host.namespaces[NETNS]
    moved = now.routes - ROUTES
    moved -= {each for each in moved if ":" in each[0] and each[3] == "100"}  # of no use, but Go's
    for taken in (*moved, *(now.policies - STATE.namespaces[NETNS].policies)):
        rest = attrs.evolve(now, routes=now.routes - {taken}, policies=now.policies - {taken})
        out = tester.check(added.host.with_namespace(NETNS, rest), prev_result=added.result)
        assert out.error is not None, f"{taken} is gone"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_second_add_changes_nothing(name: str) -> None:
    tester = runtime(name)
    added = tester.add(STATE, prev_result=PREV)
    assert tester.add(added.host, prev_result=PREV).host == added.host
