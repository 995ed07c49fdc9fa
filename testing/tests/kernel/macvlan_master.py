"""A link that macvlans can be made on, and their configuration."""

from __future__ import annotations

from typing import Any

from machine import Machine, Netns


SUBNET = "10.1.0.0/24"
MASTER_MTU = 1400


def conf(machine: Machine, *subnets: str, **keys: Any) -> dict[str, Any]:
    document = machine.conf(*subnets, **{"master": "m0", "type": "macvlan", **keys})
    del document["bridge"]
    return {key: value for key, value in document.items() if value is not None}


def master(netns: Netns, *, gateway: bool = False) -> Netns:
    """A link that macvlans can be made on; with a default route when wanted."""
    netns.ip("link add m0 type veth peer name m1")
    netns.ip(f"link set m0 up mtu {MASTER_MTU}")
    netns.ip("link set m1 up")
    if gateway:
        netns.ip("address add 192.0.2.2/24 dev m0")
        netns.ip("route add default via 192.0.2.1")
    return netns
