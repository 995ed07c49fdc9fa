"""Every call on the kernel fails in turn: ADD of plugins that move what is there, links and routes."""

from __future__ import annotations

from typing import Any

import pytest
from faults import MODES, sweep
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

MAC = "02:00:00:00:00:77"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("subnets", [(), ("10.1.0.0/24", "fd01::/64")], ids=["L2", "dual"])
def test_host_device(machine: Machine, mode: str, subnets: tuple[str, ...]) -> None:
    """Issue 4; W-HD-2: the device is back with all it had, addresses and routes included."""
    host = machine.host
    host.ip(f"link add ens5 address {MAC} mtu 1400 type veth peer name wire")
    for end in ("wire", "ens5"):
        host.set_sysctl(f"ipv6/conf/{end}/accept_dad", "0")
        host.ip(f"link set {end} up")
    host.ip("address add 192.0.2.7/24 brd + dev ens5")
    host.ip("address add 2001:db8::7/64 dev ens5 nodad")
    host.ip("route add 198.51.100.0/24 via 192.0.2.1")
    host.ip("route add 198.51.100.0/24 via 192.0.2.2 metric 7 table 88")
    host.run("ip", "link", "set", "ens5", "alias", "uplink of rack 7")
    conf = machine.conf(*subnets, type="host-device", device="ens5")

    machine.add(conf, machine.container())  # makes what stays on disk
    machine.gc(conf)

    assert sweep(machine, conf, mode, machine.container, lambda _: None, shared=False) >= 10


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "keys",
    [{}, {"table": 5000}, {"addSourceHints": True}, {"gateways": ["192.168.1.7", "fd01::7"]}],
    ids=["plain", "table", "hints", "gateways"],
)
def test_sbr(machine: Machine, mode: str, keys: dict[str, Any]) -> None:
    """Issue 4; W-SBR-4: neither half of the routes, nor a table, nor a rule is left."""

    def container() -> Netns:
        made = machine.container()
        made.ip("link add eth0 type veth peer name far")
        for end in ("far", "eth0"):
            made.set_sysctl(f"ipv6/conf/{end}/addr_gen_mode", "1")
            made.ip(f"link set {end} up")
        made.ip("address add 192.168.1.209/24 dev eth0")
        made.ip("address add fd01::209/64 dev eth0 nodad")
        made.ip("route add 172.17.0.0/16 via 192.168.1.1 mtu 1300 advmss 1200 src 192.168.1.209")
        made.ip("route add default via 192.168.1.1 metric 5")
        made.ip("route add 2001:db8::/32 via fd01::1 metric 7")
        return made

    def prev(netns: Netns) -> dict[str, Any]:
        return {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "eth0", "sandbox": netns.path}],
            "ips": [
                {"address": "192.168.1.209/24", "gateway": "192.168.1.1", "interface": 0},
                {"address": "fd01::209/64", "gateway": "fd01::1", "interface": 0},
            ],
        }

    conf = {"cniVersion": "1.0.0", "name": "mynet", "type": "sbr", **keys}
    assert sweep(machine, conf, mode, container, prev) >= (6 if "table" in keys else 15)
