"""Masquerading by nftables in a real kernel: what ADD makes, what DEL and GC take away."""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

import pytest
from masquerade_rules import COMMENT, GO_RULES, RULE_V4, RULE_V6, TABLE, rules_of

from cnisdk._names import Attachment
from cnisdk._net import _masquerade_nft, _nft
from cnisdk._net._firewall import KernelFirewall


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel

BASE = [
    "}",
    "",
    "chain postrouting {",
    "type nat hook postrouting priority srcnat; policy accept;",
    "ip daddr 224.0.0.0/4 return",
    "ip6 daddr ff00::/8 return",
    "goto masq_checks",
    "}",
    "}",
]
"""What comes after the rules of all attachments."""


def test_add_gives_the_shape_of_the_go_plugins(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """T: nft setup, dual stack: exact dump."""
    firewall.add_masquerade(attachment, addresses, backend="nftables")

    assert netns.ruleset("inet") == [
        f"table inet {TABLE} {{",
        "chain masq_checks {",
        RULE_V4 + COMMENT,
        RULE_V6 + COMMENT,
        *BASE,
    ]


def test_several_containers_and_networks(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """T: nft setup for several containers/networks incl. dual stack and multi-address, exact dump.

    T: address reuse: a late teardown leaves the rules of whoever has the address now.
    """
    one, two, four = (
        attachment,
        Attachment("mynet", "two", "eth0"),
        Attachment("mynet", "4", "net1"),
    )
    three = Attachment("othernet", "cid1", "eth0")
    many = [f"10.7.{n}.9/24" for n in range(4)] + ["fd07::9/64", "fd08::9/120"]
    given = {
        one: ["10.1.2.3/24"],
        two: ["10.1.2.4/24", "fd00::4/64"],
        three: many,
        four: ["10.1.2.3/24"],  # taken over from the first
    }

    def rules(of: Attachment) -> list[str]:
        found = [("ip6" if ":" in each else "ip", ip_interface(each)) for each in given[of]]
        return [
            f"{family} saddr {address.ip} {family} daddr != {address.network} masquerade "
            f'comment "{of.owner_tag}"'
            for family, address in found
        ]

    for each, addresses in given.items():
        firewall.add_masquerade(each, [*map(ip_interface, addresses)], backend="nftables")

    assert netns.ruleset("inet") == [
        f"table inet {TABLE} {{",
        "chain masq_checks {",
        *rules(one),
        *rules(two),
        *rules(three),
        *rules(four),
        *BASE,
    ]

    firewall.remove_masquerade(one)
    assert rules_of(netns) == [*rules(two), *rules(three), *rules(four)]
    firewall.remove_masquerade(three)
    assert rules_of(netns) == [*rules(two), *rules(four)]


def test_nftables_is_the_default(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """E4: nft default, probe which backend is live."""
    firewall.add_masquerade(attachment, addresses, backend=None)

    assert rules_of(netns) == [RULE_V4 + COMMENT, RULE_V6 + COMMENT]
    assert netns.nat() == []


def test_add_again_replaces(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """T: re-ADD replaces; E6: no duplicated rules after a restart."""
    firewall.add_masquerade(attachment, [ip_interface("10.9.9.9/16")], backend="nftables")

    firewall.add_masquerade(attachment, addresses, backend="nftables")
    firewall.add_masquerade(attachment, addresses, backend="nftables")

    assert rules_of(netns) == [RULE_V4 + COMMENT, RULE_V6 + COMMENT]


def test_add_without_addresses_leaves_none(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """An attachment that has lost its addresses has nothing to masquerade."""
    firewall.add_masquerade(attachment, addresses, backend="nftables")

    firewall.add_masquerade(attachment, [], backend="nftables")

    assert rules_of(netns) == []


def test_base_chain_is_left_alone_once_it_is_right(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """W-MASQ-5: postrouting was flushed and refilled on each ADD."""
    other = Attachment(network="mynet", container_id="cid2", ifname="eth0")
    firewall.add_masquerade(other, addresses, backend="nftables")
    netns.nft(f"insert rule inet {TABLE} postrouting oifname lo return\n")
    before = netns.run("nft", "-a", "list", "chain", "inet", TABLE, "postrouting")

    firewall.add_masquerade(attachment, addresses, backend="nftables")

    assert netns.run("nft", "-a", "list", "chain", "inet", TABLE, "postrouting") == before


def test_emptied_base_chain_is_filled_again(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """E3: rules that another program wiped are restored by the next ADD."""
    firewall.add_masquerade(attachment, addresses, backend="nftables")
    netns.run("nft", "flush", "chain", "inet", TABLE, "postrouting")

    firewall.add_masquerade(attachment, addresses, backend="nftables")

    assert netns.ruleset("inet").count("goto masq_checks") == 1


def test_many_adds_at_once_make_one_base_chain(netns: Netns) -> None:
    """W-MASQ-5: creating only when missing must not fill the chain twice."""
    failures: list[BaseException] = []

    def add(number: int) -> None:
        attachment = Attachment(network="mynet", container_id=f"c{number}", ifname="eth0")
        try:
            KernelFirewall(netns.fd).add_masquerade(
                attachment, [ip_interface(f"10.1.2.{number}/24")], backend="nftables"
            )
        except BaseException as failure:  # noqa: BLE001  # asserted below
            failures.append(failure)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert netns.ruleset("inet").count("goto masq_checks") == 1
    assert len(rules_of(netns)) == 8


def test_remove_takes_only_its_own(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """T: teardown removes only its own; W-BR-2, W-BR-10, A4: by the attachment alone."""
    others = [
        Attachment(network="mynet", container_id="cid1", ifname="net1"),
        Attachment(network="mynet", container_id="cid2", ifname="eth0"),
        Attachment(network="other", container_id="cid1", ifname="eth0"),
    ]
    for each in (attachment, *others):
        firewall.add_masquerade(each, addresses[:1], backend="nftables")

    firewall.remove_masquerade(attachment)
    firewall.remove_masquerade(attachment)

    left = rules_of(netns)
    assert [each.owner_tag in line for each, line in zip(others, left, strict=True)] == [True] * 3


def test_remove_in_an_untouched_namespace_does_nothing(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, processes: list[str]
) -> None:
    """W-MASQ-3: the unused backend made and deleted a chain in nine processes."""
    firewall.remove_masquerade(attachment)
    firewall.retain_masquerade("mynet", [])

    assert processes == []
    assert netns.ruleset("inet") == netns.ruleset("ip") == []


def test_rules_of_the_go_plugins_are_checked_and_removed(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """Design section 6: swap both ways."""
    netns.nft(GO_RULES)

    firewall.expect_masquerade(attachment, addresses[:1], backend=None)
    firewall.remove_masquerade(attachment)

    assert rules_of(netns) == []


def test_add_over_rules_of_the_go_plugins_replaces_them(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """Design section 6: swap both ways; their base chain is right as it is."""
    netns.nft(GO_RULES)

    firewall.add_masquerade(attachment, [ip_interface("10.1.2.9/32")], backend="nftables")

    assert rules_of(netns) == [
        f"ip saddr 10.1.2.9 ip daddr != 10.1.2.9 masquerade comment {COMMENT}"
    ]
    assert netns.ruleset("inet").count("goto masq_checks") == 1


def test_gc_keeps_valid_attachments_and_other_networks(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """W-MASQ-2: GC was written and never called; T: GC keeps valid ones."""
    stale = Attachment(network="mynet", container_id="gone", ifname="eth0")
    foreign = Attachment(network="mynet2", container_id="gone", ifname="eth0")
    for each in (attachment, stale, foreign):
        firewall.add_masquerade(each, addresses[:1], backend="nftables")

    firewall.retain_masquerade("mynet", [attachment])
    firewall.retain_masquerade("mynet", [attachment])

    left = rules_of(netns)
    assert len(left) == 2
    assert attachment.owner_tag in left[0]
    assert foreign.owner_tag in left[1]


def test_gc_of_hundreds_works_in_batches(netns: Netns, firewall: KernelFirewall) -> None:
    """More deletions than fit into one message."""
    commands: list[dict[str, Any]] = []
    for number in range(250):
        each = Attachment(network="mynet", container_id=f"c{number}", ifname="eth0")
        address = ip_interface(f"10.1.2.{number}/24")
        base = "right" if commands else "missing"
        commands += _masquerade_nft.commands(each, [address], base=base)
    _nft.run(commands, purpose="prepare", netns_fd=netns.fd)

    firewall.retain_masquerade("mynet", [])

    assert rules_of(netns) == []


def test_traffic_leaves_with_the_address_of_the_host(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """Masqueraded outside the subnet, untouched inside it."""
    netns.run("ip", "link", "set", "lo", "up")
    netns.run("ip", "address", "add", "10.1.2.3/24", "dev", "lo")
    netns.run("ip", "address", "add", "10.1.2.4/24", "dev", "lo")
    netns.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    firewall.add_masquerade(attachment, [ip_interface("10.1.2.3/24")], backend="nftables")

    assert sender_seen(netns, "192.0.2.1") != "10.1.2.3"
    assert sender_seen(netns, "10.1.2.4") == "10.1.2.3"


def sender_seen(netns: Netns, destination: str) -> str:
    """The source address a server sees of a client that binds 10.1.2.3."""
    from cnisdk._net._setns import entered

    with entered(netns.fd):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client:
        server.bind((destination, 0))
        server.settimeout(5)
        client.bind(("10.1.2.3", 0))
        client.sendto(b"x", server.getsockname())
        return str(server.recvfrom(10)[1][0])
