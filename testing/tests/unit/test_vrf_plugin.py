"""vrf on a machine that is made up: which table it takes, what it returns, in all its versions."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs
import pytest

from cnisdk import versions
from cnisdk._result import Dns, Interface, Ip, Result, Route
from cnisdk._result_json import encode
from cnisdk.testing import HostState, LinkState, NsState, Runtime
from reference_plugins.vrf import Vrf


NETNS = "/run/netns/c1"
MAC = "02:00:00:00:00:07"
PREV = Result(
    (Interface("veth0", "02:00:00:00:00:08"), Interface("eth0", MAC, sandbox=NETNS)),
    (
        Ip(ip_interface("10.1.0.5/24"), ip_address("10.1.0.1"), 1),
        Ip(ip_interface("fd01::5/64"), ip_address("fd01::1"), 1),
    ),
    (Route(ip_network("0.0.0.0/0"), ip_address("10.1.0.1")), Route(ip_network("172.16.0.0/12"))),
    Dns(nameservers=("10.1.0.53",), search=("example.org",)),
)
LO = LinkState(mac="00:00:00:00:00:00", mtu=65536)
ETH0 = LinkState(mac=MAC, up=True, addresses=("10.1.0.5/24", "fd01::5/64"))


def state(**others: LinkState) -> HostState:
    """A container with an interface, its routes, and further links."""
    links = {"lo": LO, "eth0": ETH0, **others}
    routes = {
        ("10.1.0.0/24", "", "eth0", "254", "0", "253", "0", "0", "10.1.0.5", "2"),
        ("fd01::/64", "", "eth0", "254", "256", "0", "0", "0", "", "2"),
        ("0.0.0.0/0", "10.1.0.1", "eth0", "254", "0", "0", "0", "0", "", "3"),
        ("172.16.0.0/12", "10.1.0.1", "eth0", "254", "0", "0", "0", "0", "", "3"),
    }
    return HostState().with_namespace(NETNS, NsState(links=links, routes=frozenset(routes)))


def vrfs(*tables: int) -> dict[str, LinkState]:
    return {f"vrf{n}": LinkState(kind="vrf", vrf_table=n, up=True) for n in tables}


def runtime(version: str = "1.1.0", **keys: Any) -> Runtime:
    return Runtime(Vrf, conf={"vrfname": "red", **keys}, cni_version=version)


@pytest.mark.parametrize(
    ("others", "table"),
    [
        ({}, 1),
        (vrfs(1, 2, 5), 3),
        (vrfs(2, 3), 1),
        ({**vrfs(1), "dummy0": LinkState(kind="dummy"), **vrfs(3)}, 2),
        (vrfs(*range(1, 253)), 256),  # 253 to 255 are the kernel's own
        (vrfs(*range(1, 1000)), 1000),
    ],
    ids=["empty", "gap", "first", "others are no VRFs", "past the kernel's", "999 taken"],
)
def test_the_first_free_table(others: dict[str, LinkState], table: int) -> None:
    """T: free table search: gap, ignores non-VRF, empty, 999 taken."""
    out = runtime().add(state(**others), prev_result=PREV)

    assert out.error is None
    links = out.host.namespaces[NETNS].links
    assert (links["red"].kind, links["red"].vrf_table, links["eth0"].master) == (
        "vrf",
        table,
        "red",
    )


@pytest.mark.parametrize("version", versions.ALL[3:])
def test_prev_result_comes_back_unchanged(version: str) -> None:
    """T: prev unchanged; VRF created and interface enslaved; ADD/CHECK/DEL."""
    tester, before = runtime(version), state()
    out = tester.add(before, prev_result=PREV)

    assert out.document == encode(PREV, version)
    after = out.host.namespaces[NETNS]
    assert (after.links["eth0"].master, after.links["eth0"].addresses) == ("red", ETH0.addresses)
    if version >= "0.4.0":
        assert tester.check(out.host, prev_result=PREV).error is None
        freed = attrs.evolve(after.links["eth0"], master="")
        loose = attrs.evolve(after, links={**after.links, "eth0": freed})
        failure = tester.check(out.host.with_namespace(NETNS, loose), prev_result=PREV).error
        assert "failed to find eth0 associated to vrf red" in str(failure)
    assert tester.delete(out.host, prev_result=PREV).host == before


@pytest.mark.parametrize("version", versions.ALL[3:])
@pytest.mark.parametrize(
    ("table", "code"), [(1, 0), (1001, 0), (2**32 - 1, 0), (-1, 7), (2**32, 7)]
)
def test_bounds_of_a_table(version: str, table: int, code: int) -> None:
    """5.6: 32 bits, and 0 for a free one."""
    out = runtime(version, table=table).add(state(), prev_result=PREV)

    if code:
        assert out.error is not None
        assert (out.error.code, out.error.msg[:7]) == (code, "table: ")
        assert out.host == state()
    else:
        assert out.host.namespaces[NETNS].links["red"].vrf_table == table
