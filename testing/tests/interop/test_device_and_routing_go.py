"""host-device and sbr beside Debian's Go plugins: what one has made, the other checks and deletes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from tests.kernel.machine import Machine, Netns
else:
    from machine import Machine, Netns

GO = Path("/usr/lib/cni")
MAC = "02:00:00:00:00:77"
MAKERS = pytest.mark.parametrize("maker", ["go", "ours"])

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not (GO / "sbr").exists(), reason="needs the Debian package containernetworking-plugins"
    ),
]


@pytest.fixture
def machine(machine: Machine) -> Machine:
    machine.host.ip(f"link add ens5 address {MAC} mtu 1400 type veth peer name wire")
    machine.host.ip("link set wire up")
    return machine


def order(machine: Machine, maker: str) -> tuple[Path, Path]:
    return (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)


# ---- host-device --------------------------------------------------------------------------------


def device(machine: Machine, *subnets: str, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return machine.conf(*subnets, version=version, type="host-device", device="ens5", **keys)


@MAKERS
@pytest.mark.parametrize("subnets", [(), ("10.1.0.0/24", "fd01::/64")], ids=["L2", "dual"])
def test_swap_of_host_device(machine: Machine, maker: str, subnets: tuple[str, ...]) -> None:
    container = machine.container()
    first, second = order(machine, maker)
    cfg = device(machine, *subnets)
    before = machine.host.link("ens5")
    result = machine.add(cfg, container, plugins=first)
    assert container.link("eth0")["ifalias"] == "ens5"
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)

    found = machine.host.link("ens5")
    for each in (before, found):
        del each["ifindex"]
        each.pop("ifalias", None)  # Debian's release of Go leaves it
    assert found == before
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()
    machine.delete(cfg, container, prev=result)  # what is left of ours after a DEL by Go
    machine.gc(cfg)
    assert list((machine.root / "run" / "host-device").glob("*.json")) == []


def test_equal_results_of_host_device(machine: Machine) -> None:
    """Apart from the names of namespaces, and the mtu that only ours reports."""
    found: list[dict[str, Any]] = []
    cfg = device(machine, "10.1.0.0/24")
    for plugins in (GO, machine.plugins):
        container = machine.container()
        result = machine.add(cfg, container, plugins=plugins)
        machine.delete(cfg, container, plugins=plugins)
        for interface in result["interfaces"]:
            del interface["sandbox"]
            interface.pop("mtu", None)
        result["ips"] = [{**ip, "address": ""} for ip in result["ips"]]  # the next one
        found.append({**result, "dns": result.get("dns") or {}})

    assert found[0] == found[1]


# ---- sbr ----------------------------------------------------------------------------------------


def sbr(**keys: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "name": "mynet", "type": "sbr", **keys}


def wired(machine: Machine) -> tuple[Netns, dict[str, Any]]:
    """A container with an interface of both families, and what an earlier plugin said of it."""
    container = machine.container()
    for name in ("eth0", "net1"):
        container.ip(f"link add {name} type veth peer name {name}-peer")
        for end in (name, f"{name}-peer"):
            container.set_sysctl(f"ipv6/conf/{end}/addr_gen_mode", "1")
            container.ip(f"link set {end} up")
    container.ip("address add 192.168.1.209/24 dev net1")
    container.ip("address add fd01::209/64 dev net1 nodad")
    container.ip("route add 172.17.0.0/16 via 192.168.1.1")
    prev = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "net1", "sandbox": container.path}],
        "ips": [
            {"address": "192.168.1.209/24", "gateway": "192.168.1.1", "interface": 0},
            {"address": "fd01::209/64", "gateway": "fd01::1", "interface": 0},
        ],
    }
    return container, prev


def looks(container: Netns) -> list[str]:
    """All routes and rules, without who made them."""
    text = "".join(
        container.ip(f"{family} {what}")
        for family in ("-4", "-6")
        for what in ("rule show", "route show table all")
    )
    lines = [line for line in text.splitlines() if "multicast" not in line]
    return sorted(
        " ".join(line.replace("proto static", "").replace("proto boot", "").split())
        for line in lines
    )


def known_to_go(keys: dict[str, Any]) -> bool:
    """Debian's release is older than some keys."""
    return all(f'"{key}' in (GO / "sbr").read_bytes().decode("latin-1") for key in keys)


KEYS = pytest.mark.parametrize(
    "keys",
    [
        {},
        {"table": 5000},
        {"addSourceHints": True},
        {"gateways": ["192.168.1.7", "fd01::7"]},
    ],
    ids=["plain", "table", "hints", "gateways"],
)


@KEYS
@MAKERS
def test_swap_of_sbr(machine: Machine, maker: str, keys: dict[str, Any]) -> None:
    container, prev = wired(machine)
    first, second = order(machine, maker)
    if not known_to_go(keys):
        first = second = machine.plugins
    result = machine.add(sbr(**keys), container, prev=prev, ifname="net1", plugins=first)
    machine.check(sbr(**keys), container, result, ifname="net1", plugins=second)
    machine.delete(sbr(**keys), container, prev=result, ifname="net1", plugins=second)

    rules = json.loads(container.run("ip", "-j", "rule", "show"))
    assert [each["src"] for each in rules if each["src"] != "all"] == []


@KEYS
def test_equal_routes_of_sbr(machine: Machine, keys: dict[str, Any]) -> None:
    """Tables, rules and routes are the same, down to those that are of no use."""
    if not known_to_go(keys):
        keys = {}
    found: list[list[str]] = []
    for plugins in (GO, machine.plugins):
        container, prev = wired(machine)
        machine.add(sbr(**keys), container, prev=prev, ifname="net1", plugins=plugins)
        found.append(looks(container))

    assert found[0] == found[1]
