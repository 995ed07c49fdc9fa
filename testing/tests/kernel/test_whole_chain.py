"""The chain operators run: bridge, portmap, tuning, bandwidth, firewall; many containers, gone in any order."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

VERSION = "1.1.0"
CONTAINERS = 50
GONE_BEFORE = 10
FORGOTTEN = 5
LIMITS = {
    "ingressRate": 8_000_000,
    "ingressBurst": 800_000,
    "egressRate": 4_000_000,
    "egressBurst": 400_000,
}


def chain(machine: Machine, number: int, backend: str) -> list[dict[str, Any]]:
    common = {"cniVersion": VERSION, "name": "mynet"}
    ports = [{"hostPort": 8000 + number, "containerPort": 80, "protocol": "udp"}]
    return [
        machine.conf(
            "10.1.0.0/24",
            "fd01::/64",
            version=VERSION,
            isDefaultGateway=True,
            ipMasq=True,
            ipMasqBackend=backend,
            macspoofchk=True,
        ),
        {**common, "type": "portmap", "backend": backend, "runtimeConfig": {"portMappings": ports}},
        {
            **common,
            "type": "tuning",
            "dataDir": str(machine.root / "run/tuning"),
            "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"},
            "mtu": 1400,
        },
        {**common, "type": "bandwidth", "runtimeConfig": {"bandwidth": LIMITS}},
        {**common, "type": "firewall", "backend": backend, "ingressPolicy": "same-bridge"},
    ]


class Attached:
    """A container that has been through the chain."""

    def __init__(self, machine: Machine, number: int, backend: str) -> None:
        self.machine = machine
        self.netns: Netns = machine.container()
        self.plugins = chain(machine, number, backend)
        self.id = f"c{number}"
        self.result: dict[str, Any] = {}
        for each in self.plugins:
            prev = {"prev": self.result} if self.result else {}
            self.result = machine.add(each, self.netns, container_id=self.id, **prev)

    def check(self) -> None:
        for each in self.plugins:
            self.machine.check(each, self.netns, self.result, container_id=self.id)

    def delete(self, *, netns: bool, prev: bool) -> None:
        path = self.netns if netns else ""
        given = {"prev": self.result} if prev else {}
        for each in reversed(self.plugins):
            self.machine.delete(each, path, container_id=self.id, **given)


def state(machine: Machine) -> dict[str, list[str]]:
    """The host, without what counts packets, and without whether the bridge has a port just now."""
    host = machine.host
    looks = {
        "links": host.sh("ip -o link"),
        "addresses": host.sh("ip -o address"),
        "routes": host.sh("ip -4 route show table all") + host.sh("ip -6 route show table all"),
        "rules": host.sh("ip rule") + host.sh("ip -6 rule"),
        "filter": host.ruleset(),
        "qdiscs": host.sh("tc qdisc"),
        "settings": host.sh("sysctl -a --pattern ^net"),
        "files": "\n".join(each for each in machine.files() if "invocations" not in each),
    }
    passing = re.compile(
        r"^\d+: |packets \d+ bytes \d+|NO-CARRIER,|,LOWER_UP| linkdown|state (UP|DOWN)"
        r"|\S+_lft \S+| expires \S+| tentative|.*(conntrack_count|nf_conntrack_events|fe80|ff00).*"
    )
    return {
        what: sorted(filter(None, (passing.sub("", line) for line in text.splitlines())))
        for what, text in looks.items()
    }


@pytest.mark.parametrize("backend", ["iptables", "nftables"])
def test_the_host_is_as_before(machine: Machine, backend: str) -> None:
    """50 ADDs; 50 DELs in random order, 10 of namespaces that have gone; GC of what was forgotten."""
    shuffled = random.Random(4)
    Attached(machine, 0, backend).delete(netns=True, prev=True)  # makes what all share
    before = state(machine)
    attached = [Attached(machine, number, backend) for number in range(1, CONTAINERS + 1)]
    for each in shuffled.sample(attached, 5):
        each.check()
    shuffled.shuffle(attached)
    for index, each in enumerate(attached[FORGOTTEN:]):
        gone = index < GONE_BEFORE
        if gone:
            each.netns.close()
        each.delete(netns=not gone, prev=index % 2 == 0)
    for each in attached[:FORGOTTEN]:
        each.check()
        each.netns.close()
    for each in reversed(chain(machine, 0, backend)):
        machine.gc(each)

    assert state(machine) == before
