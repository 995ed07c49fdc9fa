"""Masquerading as nft lists it, and as the Go plugins write it."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import TYPE_CHECKING

from cnisdk._names import Attachment


if TYPE_CHECKING:
    from conftest import Netns

TABLE = "cni_plugins_masquerade"
RULE_V4 = "ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "
RULE_V6 = "ip6 saddr fd00::5 ip6 daddr != fd00::/64 masquerade comment "
ME = Attachment(network="mynet", container_id="cid1", ifname="eth0")
BOTH = [ip_interface("10.1.2.3/24"), ip_interface("fd00::5/64")]
COMMENT = '"d23676b4f2d9fe04-0b65a318f52e521b, net: mynet, if: eth0, id: cid1"'
# What the Go plugins 1.6.2 leave behind for mynet/cid1/eth0 with 10.1.2.3/24.
GO_RULES = f"""
table inet {TABLE} {{
    chain masq_checks {{
        comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet"
        {RULE_V4} {COMMENT}
    }}
    chain postrouting {{
        type nat hook postrouting priority 100
        ip daddr 224.0.0.0/4 return
        ip6 daddr ff00::/8 return
        goto masq_checks
    }}
}}
"""


def rules_of(netns: Netns) -> list[str]:
    return [line for line in netns.ruleset("inet") if "masquerade comment" in line]
