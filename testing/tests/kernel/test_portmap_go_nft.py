"""What newer Go plugins make by nftables (contracts 5.1): we check it, replace it, delete it.

No such version is packaged here, so its rules are written down.
"""

from __future__ import annotations

from typing import Any

import pytest
from machine import Machine, Netns
from portmap_chain import Attached, Chain


pytestmark = pytest.mark.kernel

WEB = {"hostPort": 8080, "containerPort": 80}
LOCAL = {"hostPort": 8081, "containerPort": 80, "hostIP": "192.0.2.1"}
RULES = """
table {ip} cni_hostport {{
  comment "CNI portmap plugin"
  chain hostports {{
    tcp dport 8080 dnat to {there}:80 comment "{cid}"
    {local}
  }}
  chain hostip_hostports {{ }}
  chain hostports_all {{ jump hostip_hostports; jump hostports; }}
  chain prerouting {{ type nat hook prerouting priority -100;
    {conditions} fib daddr type local jump hostports_all; }}
  chain output {{ type nat hook output priority -100;
    {conditions} fib daddr type local jump hostports_all; }}
  chain masquerading {{ type nat hook postrouting priority 100;
    {ip} saddr {source} {ip} daddr {address} masquerade comment "{cid}"
    {loopback}
  }}
}}
"""


def by_go(
    chain: Chain, netns: Netns, cid: str = "c1", *, masq_all: bool = False, conditions: str = ""
) -> dict[str, Any]:
    """ADD as the Go plugin does it."""
    prev = chain.add_first(netns, container_id=cid)
    for ip, each in zip(("ip", "ip6"), prev["ips"], strict=True):
        address = each["address"].partition("/")[0]
        v4 = ip == "ip"
        text = RULES.format(
            ip=ip,
            cid=cid,
            address=address,
            there=address if v4 else f"[{address}]",
            source=(("0.0.0.0/0" if v4 else "::/0") if masq_all else address),
            local=f'ip daddr 192.0.2.1 tcp dport 8081 dnat to {address}:80 comment "{cid}"'
            if v4
            else "",
            loopback=f'ip saddr 127.0.0.1 ip daddr {address} masquerade comment "{cid}"'
            if v4 and not masq_all
            else "",
            conditions=conditions if v4 else "",
        )
        chain.machine.host.run("nft", "-f", "-", stdin=text)
    link = chain.machine.host.run("ip", "-o", "route", "get", prev["ips"][0]["address"][:-3])
    name = link.split(" dev ")[1].split()[0]
    chain.machine.host.set_sysctl(f"ipv4/conf/{name}/route_localnet", "1")
    return prev


def commented(machine: Machine, cid: str = "c1") -> list[str]:
    return [line for line in machine.host.ruleset().splitlines() if f'comment "{cid}"' in line]


@pytest.fixture
def chain(machine: Machine) -> Chain:
    return Chain(machine, "ptp")


@pytest.mark.parametrize(
    ("keys", "given"),
    [
        ({}, {}),
        ({"masqAll": True}, {"masq_all": True}),
        (
            {"conditionsV4": ["ip", "saddr", "!=", "192.0.7.0/24"]},
            {"conditions": "ip saddr != 192.0.7.0/24"},
        ),
    ],
)
def test_check_and_del(
    chain: Chain, container: Netns, keys: dict[str, Any], given: dict[str, Any]
) -> None:
    prev = by_go(chain, container, **given)
    made = Attached(prev, chain.conf(WEB, LOCAL, **keys))
    chain.check(container, made)
    first = commented(chain.machine)[0].strip()
    chain.machine.host.run("nft", "flush", "chain", "ip", "cni_hostport", "hostports")
    out = chain.machine.call("CHECK", made.conf, container, prev=prev)
    assert "hostports" in out.error or first in out.error
    chain.delete(None)

    assert commented(chain.machine) == []


def test_a_second_add_is_ours(chain: Chain, container: Netns) -> None:
    """Nothing of the Go plugin's rules stays, and those of the container's other networks do (W-PM-3)."""
    prev = by_go(chain, container)
    other = 'add rule ip cni_hostport hostports tcp dport 9 dnat to 10.1.0.20:9 comment "c1"'
    chain.machine.host.run("nft", "-f", "-", stdin=other)
    again = Attached(prev, chain.conf(WEB))
    chain.machine.add(again.conf, container, prev=prev)

    chain.check(container, again)
    left = [line for line in commented(chain.machine) if "jump" not in line]
    assert [line.split()[2] for line in left] == ["9"]


def test_a_port_that_go_has_given_away_is_refused(chain: Chain, container: Netns) -> None:
    """W-PM-8: its rules name no more than the container."""
    by_go(chain, container)

    out = chain.try_add(chain.machine.container(), WEB, container_id="c2")

    assert "tcp port 8080 is already forwarded to 10.1.0.2 for c1" in out.error


def test_what_go_looks_for_is_there(chain: Chain, container: Netns) -> None:
    """Its CHECK counts rules with the container id, its DEL removes them; then nothing is forwarded."""
    chain.add(container, WEB, LOCAL, backend="nftables")
    host = chain.machine.host
    v4 = host.run("nft", "list", "table", "ip", "cni_hostport").splitlines()
    assert [" dport " in each for each in v4 if 'comment "c1"' in each] == [
        True,
        True,
        False,
        False,
    ]
    for family in ("ip", "ip6"):
        chain_name = ""
        for line in host.run("nft", "-a", "list", "table", family, "cni_hostport").splitlines():
            chain_name = line.split()[1] if line.strip().startswith("chain") else chain_name
            if 'comment "c1"' in line:
                host.sh(
                    f"nft delete rule {family} cni_hostport {chain_name} handle {line.split()[-1]}"
                )
    assert "jump dnat-" not in host.ruleset()
    chain.machine.gc(chain.conf())

    assert "dnat-" not in host.ruleset()
