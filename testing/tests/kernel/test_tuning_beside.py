"""tuning beside others: other networks, kernels that write values in their own way, plugins whose routes it moves."""

from __future__ import annotations

from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel


def conf(machine: Machine, **keys: Any) -> dict[str, Any]:
    document = {"cniVersion": "1.0.0", "name": "mynet", "type": "tuning"}
    return {**document, "dataDir": str(machine.root / "tuning"), **keys}


def prev(container: Netns) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": container.path}]}


def test_a_network_may_have_been_renamed(machine: Machine, container: Netns) -> None:
    """Upstream's own tests do so; a DEL with prevResult is that of an ADD that succeeded."""
    container.ip("link add eth0 type veth peer name eth1")
    before = container.link("eth0")["mtu"]
    cfg = conf(machine, mtu=1400)
    result = machine.add(cfg, container, prev=prev(container))

    machine.check({**cfg, "name": "renamed"}, container, result)
    machine.delete({**cfg, "name": "renamed"}, container, prev=result)

    assert container.link("eth0")["mtu"] == before
    assert list((machine.root / "tuning").iterdir()) == []


def test_a_late_del_of_another_network_changes_nothing(machine: Machine, container: Netns) -> None:
    """Its prevResult is of a container of the same id that is long gone."""
    cfg = conf(machine, mtu=1400)
    gone = machine.container()
    gone.ip("link add eth0 type veth peer name eth1")
    late = machine.add({**cfg, "name": "another"}, gone, prev=prev(gone))
    late["interfaces"][0]["mac"] = gone.link("eth0")["address"]
    machine.delete({**cfg, "name": "another"}, gone, prev=late)
    container.ip("link add eth0 type veth peer name eth1")
    result = machine.add(cfg, container, prev=prev(container))

    machine.delete({**cfg, "name": "another"}, container, prev=late)
    machine.check(cfg, container, result)


def test_a_del_of_another_network_changes_nothing(machine: Machine, container: Netns) -> None:
    """A runtime sends one after an ADD that was refused because the interface exists."""
    container.ip("link add eth0 type veth peer name eth1")
    before = container.link("eth0")["mtu"]
    cfg = conf(machine, mtu=1400, sysctl={"net.core.somaxconn": "555"})
    result = machine.add(cfg, container, prev=prev(container))

    machine.delete({**cfg, "name": "other", "mtu": 1300}, container)

    machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert container.link("eth0")["mtu"] == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.ipv4.ip_local_reserved_ports", "8080,8081"),
        ("net.ipv4.ip_local_reserved_ports", "30000-30002,8080"),
        ("net.core.somaxconn", "0x10"),
        ("net.core.somaxconn", "010"),
        ("net.ipv4.tcp_fastopen_key", "1-2-3-4"),
    ],
)
def test_values_the_kernel_writes_in_its_own_way(
    machine: Machine, container: Netns, key: str, value: str
) -> None:
    """CHECK compares with what the kernel had made of the value."""
    container.ip("link add eth0 type veth peer name eth1")
    cfg, path = conf(machine, sysctl={key: value}), key.removeprefix("net.").replace(".", "/")
    result = machine.add(cfg, container, prev=prev(container))

    machine.check(cfg, container, result)
    other = "00000009-00000000-00000000-00000000" if path.endswith("_key") else "7"
    container.set_sysctl(path, other)
    assert path in machine.call("CHECK", cfg, container, prev=result).error


@pytest.mark.parametrize(("first", "later"), [(0, 1300), (1400, 1500)])
def test_ipv6_routes_follow_the_links_mtu(
    machine: Machine, container: Netns, first: int, later: int
) -> None:
    """The kernel lowers and raises them with it: that is no change of somebody else's."""
    cfg = machine.conf("fd00:1::/64", mtu=first)
    cfg["ipam"]["routes"] = [{"dst": "fd99::/32", "mtu": 1400}]
    middle = machine.add(cfg, container)
    result = machine.add(conf(machine, mtu=later), container, prev=middle)

    machine.check(cfg, container, result)


def test_an_allow_list_that_cannot_be_read_is_named(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = machine.root / "allowlist.conf"
    path.mkdir()
    monkeypatch.setattr("reference_plugins._sysctls._ALLOW_LIST", str(path))
    cfg = conf(machine, sysctl={"net.core.somaxconn": "555"})

    out = machine.call("ADD", cfg, container, prev=prev(container))

    assert (out.document["code"], str(path) in out.error) == (5, True)


def test_an_add_that_fails_leaves_what_an_earlier_one_has_made(
    machine: Machine, container: Netns
) -> None:
    """Guarantee 3: before and after a failed ADD everything is the same."""
    container.ip("link add eth0 type veth peer name eth1")
    before = container.link("eth0")["mtu"]
    cfg = conf(machine, mtu=1400)
    result = machine.add(cfg, container, prev=prev(container))
    bad = conf(machine, mtu=1300, sysctl={"net.ipv4.ip_forward": "nonsense"})

    assert machine.call("ADD", bad, container, prev=prev(container)).code != 0
    machine.check(cfg, container, result)
    machine.delete(cfg, container, prev=result)
    assert container.link("eth0")["mtu"] == before


def test_nothing_to_change_needs_no_place_for_originals(machine: Machine) -> None:
    (machine.root / "file").touch()
    cfg = conf(machine, cniVersion="1.1.0", dataDir=str(machine.root / "file" / "tuning"))

    assert machine.call("STATUS", cfg).code == 0
