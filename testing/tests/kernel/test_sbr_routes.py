"""sbr after plugins whose routes have more than a next hop, or whose addresses share a subnet."""

from __future__ import annotations

from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel


def chain(machine: Machine, ipam: dict[str, Any], **keys: Any) -> tuple[Any, Any]:
    bridge = machine.conf(version="1.1.0")
    sbr = {"cniVersion": "1.1.0", "name": "mynet", "type": "sbr", **keys}
    return {**bridge, "ipam": {"type": "static", **ipam}}, sbr


@pytest.mark.parametrize("metric", [{"mtu": 1300}, {"advmss": 1200}, {"priority": 50}])
def test_another_gateway_keeps_what_else_the_route_has(
    machine: Machine, container: Netns, metric: dict[str, int]
) -> None:
    """Guarantee 7: the result still says it, and CHECK of every plugin looks for it."""
    addresses = [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]
    routes = [{"dst": "0.0.0.0/0", **metric}]
    ipam = {"addresses": addresses, "routes": routes}
    bridge, sbr = chain(machine, ipam, gateways=["10.1.0.200"])
    result = machine.add(sbr, container, prev=machine.add(bridge, container))

    for conf in (bridge, sbr):
        machine.check(conf, container, result)


@pytest.mark.parametrize(
    "addresses", [("10.1.0.5/24", "10.1.0.6/24"), ("fd01::5/64", "fd01::6/64")]
)
def test_hints_of_two_addresses_of_a_subnet(
    machine: Machine, container: Netns, addresses: tuple[str, str]
) -> None:
    """The kernel has one IPv6 route for a subnet, whatever their sources."""
    ipam = {"addresses": [{"address": each} for each in addresses]}
    bridge, sbr = chain(machine, ipam, addSourceHints=True)
    result = machine.add(sbr, container, prev=machine.add(bridge, container))

    for conf in (bridge, sbr):
        machine.check(conf, container, result)
