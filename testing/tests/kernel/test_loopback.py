"""loopback on a real kernel (contracts 3.5) and the faults W-LO-*."""

from __future__ import annotations

import re
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def conf(version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {"cniVersion": version, "name": "cni-loopback", "type": "loopback", **keys}


def is_up(container: Netns) -> bool:
    return "UP" in container.link("lo")["flags"]


@pytest.mark.parametrize("way", ["in process", "launcher"])
@pytest.mark.parametrize("version", VERSIONS)
def test_lo_comes_up_and_goes_down(
    machine: Machine, container: Netns, version: str, way: str
) -> None:
    """T: ADD brings lo up and prints an object; T: DEL leaves lo down (both via the real binary).

    Upstream's CNI_ARGS are "none": malformed, but of no concern to a plugin that takes no arguments.
    """
    context: dict[str, Any] = {"ifname": "lo", "args": "none"}
    if way == "launcher":
        for verb, up in (("ADD", True), ("DEL", False)):
            env = machine.environment(verb, container, **context)
            done = machine.execute(machine.plugins / "loopback", env, conf(version))
            assert (done.code, done.stderr) == (0, "")
            assert bool(done.document) is up
            assert is_up(container) is up
        return
    machine.add(conf(version), container, **context)
    assert is_up(container)
    assert container.ping("127.0.0.1")
    machine.delete(conf(version), container, **context)
    assert not is_up(container)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_result_has_the_shape_of_its_version(
    machine: Machine, container: Netns, version: str
) -> None:
    """W-LO-1: no 1.x-shaped result for 0.1.0 to 0.4.0."""
    result = machine.add(conf(version), container, ifname="lo")

    assert result["cniVersion"] == version
    if version in {"0.1.0", "0.2.0"}:
        assert result["ip4"] == {"ip": "127.0.0.1/8"}
        assert result["ip6"] == {"ip": "::1/128"}
        return
    (interface,) = result["interfaces"]
    assert (interface["name"], interface["mac"]) == ("lo", "00:00:00:00:00:00")
    assert interface["sandbox"] == container.path
    expected = [{"interface": 0, "address": each} for each in ("127.0.0.1/8", "::1/128")]
    if version < "1.0.0":
        expected = [
            {"version": version, **each} for version, each in zip(("4", "6"), expected, strict=True)
        ]
    assert result["ips"] == expected


def test_the_interface_is_lo_whatever_the_runtime_says(machine: Machine, container: Netns) -> None:
    """3.5: IfName from the caller is ignored."""
    result = machine.add(conf(), container, ifname="eth7")

    assert [each["name"] for each in result["interfaces"]] == ["lo"]
    assert is_up(container)
    machine.check(conf(), container, result, ifname="eth7")
    machine.delete(conf(), container, ifname="eth7")
    assert not is_up(container)


def test_a_prev_result_comes_back_unchanged(machine: Machine, container: Netns) -> None:
    """3.5: result = prev unchanged if given."""
    prev = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "sandbox": container.path}],
        "ips": [{"interface": 0, "address": "10.1.0.2/24"}],
        "dns": {"nameservers": ["192.0.2.1"]},
    }
    result = machine.add(conf(), container, ifname="lo", prev=prev)

    assert {**result, "routes": None} == {**prev, "routes": None}
    assert is_up(container)


@pytest.mark.parametrize("address", ["10.1.0.2/32", "2001:db8::1/128"])
def test_an_address_that_is_no_loopback_address_is_refused(
    machine: Machine, container: Netns, address: str
) -> None:
    """3.5: `loopback interface found with non-loopback address "x"`; and lo is down again."""
    container.ip(f"address add {address} dev lo")
    if ":" in address:
        container.set_sysctl("ipv6/conf/lo/keep_addr_on_down", "1")

    out = machine.call("ADD", conf(), container, ifname="lo")

    assert f'non-loopback address "{address}"' in out.error
    assert not is_up(container)


def test_without_ipv6_there_is_only_the_ipv4_address(machine: Machine, container: Netns) -> None:
    """3.5: the IPv6 address appears only if the ns has IPv6."""
    container.set_sysctl("ipv6/conf/lo/disable_ipv6", "1")

    result = machine.add(conf(), container, ifname="lo")

    assert [ip["address"] for ip in result["ips"]] == ["127.0.0.1/8"]


@pytest.mark.parametrize("state", ["never up", "twice", "empty", "vanished"])
def test_del_is_tolerant(machine: Machine, container: Netns, state: str) -> None:
    """Matrix 6.1: DEL with empty CNI_NETNS, vanished namespace, without ADD, twice."""
    path: Any = {"empty": "", "vanished": "/run/netns/not-there"}.get(state, container)
    if state == "twice":
        machine.add(conf(), container, ifname="lo")
        machine.delete(conf(), path, ifname="lo")

    machine.delete(conf(), path, ifname="lo")

    assert not is_up(container)


def test_del_succeeds_where_lo_has_another_name(machine: Machine, container: Netns) -> None:
    """There is always one, but a container may rename it."""
    container.ip("link set lo name other")

    machine.delete(conf(), container, ifname="lo")


def test_del_does_not_take_lo_from_others(machine: Machine, container: Netns) -> None:
    """W-LO-2: lo that was up before ADD (runc sets it up) stays up after DEL."""
    container.ip("link set lo up")
    machine.add(conf(), container, ifname="lo")

    machine.delete(conf(), container, ifname="lo")

    assert is_up(container)
    assert container.ping("127.0.0.1")


def test_del_of_a_second_attachment_leaves_lo_to_the_first(
    machine: Machine, container: Netns
) -> None:
    """W-LO-2: two networks with loopback in one namespace."""
    machine.add(conf(), container, ifname="lo")
    machine.add(conf(), container, ifname="lo", container_id="c2")

    machine.delete(conf(), container, ifname="lo", container_id="c2")

    assert is_up(container)


def test_check_passes_after_add(machine: Machine, container: Netns) -> None:
    """3.5 CHECK."""
    result = machine.add(conf(), container, ifname="lo")
    machine.check(conf(), container, result, ifname="lo")
    assert is_up(container)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ip link set lo down", '"lo".*down, not up'),
        ("ip address del 127.0.0.1/8 dev lo", r"127\.0\.0\.1/8 is missing"),
        ("ip address del ::1/128 dev lo", "::1/128 is missing"),
    ],
)
def test_check_names_what_is_missing(
    machine: Machine, container: Netns, change: str, named: str
) -> None:
    """W-LO-2: CHECK ignores addresses and prev."""
    result = machine.add(conf(), container, ifname="lo")
    container.sh(change)

    out = machine.call("CHECK", conf(), container, ifname="lo", prev=result)

    assert re.search(named, out.error), out.error


def test_gc_and_status_succeed(machine: Machine) -> None:
    """loopback keeps nothing outside of the namespace."""
    machine.gc(conf("1.1.0"))
    assert machine.call("STATUS", conf("1.1.0")).code == 0


def test_addresses_are_nobodys_business_here(machine: Machine, container: Netns) -> None:
    """No IPAM plugin is called, also not by the verbs that are forwarded elsewhere."""
    config = conf(ipam={"type": "of-another-machine"})

    result = machine.add(config, container, ifname="lo")
    machine.check(config, container, result, ifname="lo")
    machine.delete(config, container, ifname="lo")
    assert not is_up(container)
