"""What stands before a chained plugin: an interface as another plugin would have made it, a veth pair."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cni_conformance import _results


if TYPE_CHECKING:
    from cni_conformance._testbed import Attachment


Json = dict[str, Any]

_MTU = 1480
MOST = 240
"""How many a testbed can have: as many as there are subnets."""


def attach(attachment: Attachment, number: int, *, first: bool) -> Json:
    """Make the interface of an attachment; gives the result that tells of it.

    Args:
        attachment: Whose namespace and interface name to use.
        number: Which of the testbed it is: no two have the same subnet.
        first: Whether it is the first of its container, which gets the default route.

    Raises:
        Blocked: ip(8) cannot.
    """
    run, netns = attachment.testbed.command, attachment.netns
    host, inside, peer = f"cfveth{number}", attachment.ifname, f"cfpeer{number}"
    gateway, address = f"10.99.{number}.1", f"10.99.{number}.2"
    macs = {host: f"0a:58:0a:63:{number:02x}:01", inside: f"0a:58:0a:63:{number:02x}:02"}
    # No value is the usual one, so that what was there can be told from what is always there.
    ends = [f"{host} mtu {_MTU} address {macs[host]}", f"{peer} mtu {_MTU} address {macs[inside]}"]
    run("ip", *f"link add {ends[0]} type veth peer name {ends[1]}".split())
    run("ip", "link", "set", peer, "netns", os.path.basename(netns))
    run("ip", "addr", "add", f"{gateway}/24", "dev", host)
    run("ip", "link", "set", host, "up")
    run("ip", "link", "set", peer, "name", inside, inside=netns)
    run("ip", "addr", "add", f"{address}/24", "dev", inside, inside=netns)
    run("ip", "link", "set", inside, "up", inside=netns)
    route: Json = {"dst": f"198.18.{number}.0/24", "gw": gateway, "priority": 77}
    route |= {"mtu": 1300, "advmss": 1260}
    words = f"route add {route['dst']} via {gateway} metric 77 mtu 1300 advmss 1260"
    run("ip", *words.split(), inside=netns)
    routes = [route]
    if first:
        run("ip", "route", "add", "default", "via", gateway, inside=netns)
        routes.insert(0, {"dst": "0.0.0.0/0", "gw": gateway})
    own = {"pciID": "0000:00:1f.6", "socketPath": f"/run/conformance-{number}.sock"}
    result: Json = {
        "interfaces": [
            {"name": host, "mac": macs[host], "mtu": _MTU},
            {"name": inside, "mac": macs[inside], "mtu": _MTU, "sandbox": netns, **own},
        ],
        "ips": [{"address": f"{address}/24", "gateway": gateway, "interface": 1}],
        "routes": routes,
        "dns": {"nameservers": ["10.99.0.53"]},
    }
    return _results.in_version(result, attachment.testbed.version)
