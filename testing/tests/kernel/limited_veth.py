"""A veth as an earlier plugin has made it, limits for it, and what tc shows of them."""

from __future__ import annotations

import json
from typing import Any

from machine import Machine, Netns


BOTH: dict[str, Any] = {
    "ingressRate": 8_000_000,
    "ingressBurst": 800_000,
    "egressRate": 4_000_000,
    "egressBurst": 400_000,
}
INGRESS: dict[str, Any] = {key: value for key, value in BOTH.items() if key.startswith("ingress")}
EGRESS: dict[str, Any] = {key: value for key, value in BOTH.items() if key.startswith("egress")}
SMALLEST: dict[str, Any] = {"ingressRate": 8, "ingressBurst": 8, "egressRate": 16, "egressBurst": 8}


def wire(machine: Machine, container: Netns, host: str = "veth0", ifname: str = "eth0") -> None:
    machine.host.ip(f"link add {host} mtu 1400 type veth peer name {ifname} netns {container.path}")
    machine.host.ip(f"link set {host} up")
    container.ip(f"link set {ifname} up")


def conf(*, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {"cniVersion": version, "name": "mynet", "type": "bandwidth", **keys}


def prev(
    container: Netns, version: str = "1.0.0", *hosts: str, ifname: str = "eth0"
) -> dict[str, Any]:
    names = hosts or ("veth0",)
    return {
        "cniVersion": version,
        "interfaces": [
            *({"name": each} for each in names),
            {"name": ifname, "sandbox": container.path},
        ],
        "ips": [{"address": "10.0.0.2/24", "interface": len(names), "version": "4"}],
    }


def ifbs(machine: Machine) -> list[str]:
    return [name for name in machine.host.links() if name.startswith("bwp")]


def qdiscs(netns: Netns, name: str) -> list[tuple[str, str, Any, Any]]:
    """Kind, handle, rate in bytes/s, burst in bytes."""
    found = json.loads(netns.run("tc", "-j", "qdisc", "show", "dev", name))
    return [
        (each["kind"], each["handle"], *map(each.get("options", {}).get, ("rate", "burst")))
        for each in found
        if each["kind"] != "noqueue"
    ]


def filters(machine: Machine, name: str = "veth0") -> list[dict[str, Any]]:
    text = machine.host.run("tc", "-j", "filter", "show", "dev", name, "parent", "ffff:")
    return [
        each["options"] for each in json.loads(text or "[]") if "actions" in each.get("options", {})
    ]
