"""tuning: each attribute by itself, from each source, and which of several sources wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
MAC, OTHER_MAC = "c2:11:22:33:44:55", "c2:00:00:00:00:01"
# Name, value, how it looks before and then.
EACH: list[tuple[str, Any, Any, Any]] = [
    ("promisc", True, 0, 1),
    ("mtu", 1454, 1500, 1454),
    ("txQLen", 20000, 1000, 20000),
    ("mac", MAC, OTHER_MAC, MAC),
    ("allmulti", True, 0, 1),
]


@pytest.fixture
def eth0(container: Netns) -> Netns:
    """A container with an interface."""
    container.ip(f"link add eth0 address {OTHER_MAC} type veth peer name eth1")
    return container


def conf(machine: Machine, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    document = {"cniVersion": version, "name": "mynet", "type": "tuning"}
    return {**document, "dataDir": str(machine.root / "tuning"), **keys}


def prev(container: Netns, version: str = "1.0.0") -> dict[str, Any]:
    """What an earlier plugin has returned, with everything a result may have."""
    return {
        "cniVersion": version,
        "interfaces": [
            {"name": "veth0", "mac": "02:00:00:00:00:09"},
            {"name": "eth0", "sandbox": container.path, "mac": OTHER_MAC},
        ],
        "ips": [
            {
                **({"version": "4"} if version < "1.0.0" else {}),
                "interface": 1,
                "address": "10.0.0.2/24",
                "gateway": "10.0.0.1",
            }
        ],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}],
        "dns": {"nameservers": ["10.0.0.53"], "search": ["example.org"]},
    }


def looks(container: Netns) -> dict[str, Any]:
    found = container.link("eth0")
    keys = {"promisc": "promiscuity", "txQLen": "txqlen", "mac": "address", "mtu": "mtu"}
    seen = {name: found[key] for name, key in keys.items()}
    return {**seen, "allmulti": int("ALLMULTI" in found["flags"])}


def saved(machine: Machine) -> list[Path]:
    return sorted((machine.root / "tuning").glob("*"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", ["config", "args"])
def test_one_attribute_changes_nothing_else(
    machine: Machine, eth0: Netns, version: str, source: str
) -> None:
    """T: promisc, mtu, txQLen, mac, allmulti from config / args: ADD, CHECK, DEL restores; only it is saved."""
    before = looks(eth0)
    given = prev(eth0, version)
    for name, value, was, becomes in EACH:
        keys = {name: value}
        cfg = conf(machine, version, **(keys if source == "config" else {"args": {"cni": keys}}))
        assert before[name] == was
        result = machine.add(cfg, eth0, prev=given)

        assert looks(eth0) == {**before, name: becomes}, name
        (backup,) = saved(machine)
        assert backup.name == "c1_eth0.json"
        originals = json.loads(backup.read_text())
        assert originals.keys() & {each[0] for each in EACH} == {name}
        assert originals[name] == was
        changed = {name: becomes} if name == "mac" or (name == "mtu" and version >= "1.0.0") else {}
        assert result == {
            **given,
            "interfaces": [given["interfaces"][0], {**given["interfaces"][1], **changed}],
        }
        if version >= "0.4.0":
            machine.check(cfg, eth0, result)
        machine.delete(cfg, eth0, prev=result)
        assert (looks(eth0), saved(machine)) == (before, [])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("keys", "args"),
    [
        ({}, f"IgnoreUnknown=1;MAC={MAC}"),
        ({"runtimeConfig": {"mac": MAC}}, ""),
        ({"args": {"cni": {"mac": MAC}}}, "IgnoreUnknown=1;MAC=c2:00:00:00:00:02"),
        ({"mac": "c2:00:00:00:00:03", "args": {"cni": {"mac": MAC}}}, ""),
    ],
    ids=["CNI_ARGS", "runtimeConfig", "args and CNI_ARGS", "args and config"],
)
def test_mac_of_one_source(
    machine: Machine, eth0: Netns, version: str, keys: dict[str, Any], args: str
) -> None:
    """T: mac from CNI_ARGS / runtimeConfig; args.cni before CNI_ARGS and config; DEL restores."""
    cfg = conf(machine, version, **keys)
    result = machine.add(cfg, eth0, prev=prev(eth0, version), args=args)

    assert eth0.link("eth0")["address"] == MAC
    assert [each["mac"] for each in result["interfaces"]] == ["02:00:00:00:00:09", MAC]
    machine.delete(cfg, eth0, prev=result, args=args)
    assert (eth0.link("eth0")["address"], saved(machine)) == (OTHER_MAC, [])


def test_args_win_over_keys(machine: Machine, eth0: Netns) -> None:
    """5.2: args.cni overrides; sysctls are merged key by key."""
    cfg = conf(
        machine,
        mtu=1400,
        txQLen=7,
        promisc=True,
        allmulti=False,
        sysctl={"net.core.somaxconn": "500", "net.ipv4.ip_default_ttl": "70"},
        args={
            "cni": {
                "mtu": 1300,
                "txQLen": 8,
                "promisc": False,
                "allmulti": True,
                "sysctl": {"net.core.somaxconn": "600"},
            }
        },
    )
    result = machine.add(cfg, eth0, prev=prev(eth0))

    expected = {"mtu": 1300, "txQLen": 8, "promisc": 0, "mac": OTHER_MAC, "allmulti": 1}
    assert looks(eth0) == expected
    assert eth0.sysctl("core/somaxconn") == "600"
    assert eth0.sysctl("ipv4/ip_default_ttl") == "70"
    machine.check(cfg, eth0, result)


def test_ifname_with_a_dot(machine: Machine, container: Netns) -> None:
    """5.2: dots become slashes first, then the first IFNAME the interface, whose dot stays."""
    container.ip("link add eth0.7 type veth peer name eth1")
    cfg = conf(machine, sysctl={"net.ipv4.conf.IFNAME.arp_filter": "1"})
    result = machine.add(cfg, container, prev=prev(container), ifname="eth0.7")

    assert container.sysctl("ipv4/conf/eth0.7/arp_filter") == "1"
    machine.check(cfg, container, result, ifname="eth0.7")
    machine.delete(cfg, container, prev=result, ifname="eth0.7")
    assert container.sysctl("ipv4/conf/eth0.7/arp_filter") == "0"

    twice = conf(machine, sysctl={"net.ipv4.conf.IFNAME.IFNAME": "1"})
    out = machine.call("ADD", twice, container, prev=prev(container), ifname="eth0.7")
    assert "net/ipv4/conf/eth0.7/IFNAME does not exist" in out.error
