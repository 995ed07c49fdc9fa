"""The networks of these tests."""

from __future__ import annotations

from typing import Any


NETWORK = "net1"
BRIDGE = "br1"
PREFIX = "10.87.7."
"""What all addresses of the network begin with; not 10.88, which is podman's own network."""
GATEWAY = f"{PREFIX}1"
HOST_LOCAL = {
    "type": "host-local",
    "ranges": [[{"subnet": f"{PREFIX}0/24"}]],
    "routes": [{"dst": "0.0.0.0/0"}],
}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
FIREWALL = {"type": "firewall"}
TUNING = {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}}


def network(
    *chained: dict[str, Any], version: str = "1.0.0", ipam: dict[str, Any] = HOST_LOCAL
) -> dict[str, Any]:
    """Our bridge with an IPAM plugin, and what follows it in the chain."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": ipam,
    }
    return {"cniVersion": version, "name": NETWORK, "plugins": [bridge, *chained]}
