"""Every call on the kernel that an ADD makes fails in turn; nothing of the ADD may stay."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from faults import MODES, sweep
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

V4, V6 = "10.1.0.0/24", "fd01::/64"


@attrs.frozen
class Case:
    """A plugin's configuration with all that it can make."""

    keys: dict[str, Any]
    subnets: tuple[str, ...] = (V4, V6)
    least: int = 15
    """Calls there are at least; fewer would mean that the sweep does not see them."""


CASES = {
    "bridge": Case(
        {
            "type": "bridge",
            "isDefaultGateway": True,
            "ipMasq": True,
            "macspoofchk": True,
            "hairpinMode": True,
            "mtu": 1400,
        },
        least=25,
    ),
    "bridge with iptables": Case(
        {"type": "bridge", "isGateway": True, "ipMasq": True, "ipMasqBackend": "iptables"}
    ),
    "bridge without addresses": Case({"type": "bridge", "promiscMode": True}, (), least=8),
    "ptp": Case({"type": "ptp", "ipMasq": True, "mtu": 1400}),
    "macvlan": Case({"type": "macvlan", "master": "m0", "bcqueuelen": 500}, least=8),
    "macvlan in the container": Case(
        {"type": "macvlan", "master": "c0", "linkInContainer": True}, least=8
    ),
    "macvlan of the default route": Case({"type": "macvlan", "mode": "private"}, least=8),
    "tap": Case({"type": "tap", "bridge": "cbr0", "owner": 7, "mtu": 1400}, least=8),
    "tuning": Case(
        {
            "type": "tuning",
            "mac": "02:00:00:00:00:77",
            "mtu": 1400,
            "promisc": True,
            "allmulti": True,
            "txQLen": 500,
            "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1", "net.core.somaxconn": "500"},
        },
        (),
        least=5,
    ),
    "loopback": Case({"type": "loopback"}, (), least=3),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_an_add_whose_call_fails_leaves_nothing(machine: Machine, name: str, mode: str) -> None:
    """Issue 4: fault injection at every kernel call of every ADD."""
    case = CASES[name]
    conf = machine.conf(*case.subnets, **{"dataDir": str(machine.root / "tuning"), **case.keys})
    uplink(machine.host)

    def container() -> Netns:
        made = machine.container()
        if case.keys["type"] == "tuning":
            made.ip("link add eth0 type veth peer name eth1")
        made.ip("link add cbr0 type bridge")
        made.ip("link add c0 type veth peer name c1")
        return made

    def prev(netns: Netns) -> dict[str, Any] | None:
        if case.keys["type"] != "tuning":
            return None
        return {"interfaces": [{"name": "eth0", "sandbox": netns.path}]}

    assert sweep(machine, conf, mode, container, prev) >= case.least


CHAINED: dict[str, dict[str, Any]] = {
    "bandwidth": {
        "type": "bandwidth",
        "ingressRate": 8000000,
        "ingressBurst": 800000,
        "egressRate": 8000000,
        "egressBurst": 800000,
    },
    "firewall with nftables": {"type": "firewall", "backend": "nftables"},
    "firewall with iptables": {
        "type": "firewall",
        "backend": "iptables",
        "ingressPolicy": "same-bridge",
    },
    "sbr": {"type": "sbr"},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CHAINED)
def test_a_chained_add_whose_call_fails_leaves_what_was_there(
    machine: Machine, name: str, mode: str
) -> None:
    """Issue 4: the same for plugins that work on what bridge has made."""
    conf = machine.conf(**CHAINED[name])
    results: dict[str, dict[str, Any]] = {}

    def container() -> Netns:
        made = machine.container()
        before = machine.conf(V4, V6, isDefaultGateway=True)
        cid = "c1" if results else "shared"
        results[made.path] = machine.add(before, made, container_id=cid)
        return made

    assert sweep(machine, conf, mode, container, lambda netns: results[netns.path]) >= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_lent_device_comes_back_from_an_add_whose_call_fails(machine: Machine, mode: str) -> None:
    """Issue 4, W-HD-2: host-device."""
    conf = machine.conf(V4, V6, type="host-device", device="m0")
    uplink(machine.host)

    assert sweep(machine, conf, mode, machine.container, lambda _: None, shared=False) > 8


def uplink(host: Netns) -> None:
    """A link of the host that others can be made on, with the default route."""
    host.ip("link add m0 type veth peer name m1")
    host.ip("link set m0 up")
    host.ip("link set m1 up")
    host.ip("address add 192.0.2.2/24 dev m0")
    host.ip("route add default via 192.0.2.1")
