"""A host with a device that host-device can lend to a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from machine import Machine, Netns


SUBNET = "10.1.0.0/24"
MAC = "02:00:00:00:00:77"


def host_with_device(machine: Machine) -> Netns:
    """A host with a device that is up and has an alias, an MTU, an address of its own."""
    machine.host.ip(f"link add ens5 address {MAC} mtu 1400 type veth peer name wire")
    machine.host.ip("link set wire up")
    machine.host.set_sysctl("ipv6/conf/ens5/accept_dad", "0")
    machine.host.ip("address add 192.0.2.7/24 dev ens5")
    machine.host.ip("link set ens5 up")
    machine.host.run("ip", "link", "set", "ens5", "alias", "uplink of rack 7")
    return machine.host


def conf(machine: Machine, *subnets: str, **keys: Any) -> dict[str, Any]:
    document = machine.conf(*subnets, **{"type": "host-device", "device": "ens5", **keys})
    del document["bridge"]
    return {key: value for key, value in document.items() if value is not None}


def device(host: Netns) -> tuple[Any, ...]:
    found = host.link("ens5")
    return (
        *(found["address"], found["mtu"], "UP" in found["flags"], found.get("ifalias", "")),
        host.addresses("ens5"),
    )


def records(machine: Machine) -> list[Path]:
    return sorted((machine.root / "run" / "host-device").glob("*.json"))
