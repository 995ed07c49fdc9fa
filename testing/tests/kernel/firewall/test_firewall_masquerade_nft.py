"""Masquerading by nftables in a real kernel."""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

import pytest

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net import _masquerade_nft, _nft
from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._nft_wire import INET, Wire


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel

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


def test_add_starts_no_process(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any, processes: list[str]
) -> None:
    """E1: one nft transaction without a program; the Go plugins start four."""
    firewall.add_masquerade(attachment, addresses, backend=None)
    firewall.expect_masquerade(attachment, addresses, backend=None)
    firewall.remove_masquerade(attachment)

    assert processes == []


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


def test_remove_without_anything_installed_still_removes(
    netns: Netns,
    firewall: KernelFirewall,
    attachment: Attachment,
    addresses: Any,
    request: pytest.FixtureRequest,
) -> None:
    """E1, A4: missing binaries are no reason to leave rules behind."""
    firewall.add_masquerade(attachment, addresses, backend="nftables")
    request.getfixturevalue("without_nft_library")
    request.getfixturevalue("without_programs")

    firewall.remove_masquerade(attachment)

    assert rules_of(netns) == []


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            f"flush chain inet {TABLE} masq_checks\n",
            (
                'masquerading of 10.1.2.3: the nft rule "ip saddr == 10.1.2.3 ip daddr != 10.1.2.0/24 '
                'masquerade" is missing'
            ),
        ),
        (
            (
                f"flush chain inet {TABLE} masq_checks\nadd rule inet {TABLE} masq_checks "
                f"ip saddr 10.1.2.3 ip daddr != 10.1.0.0/16 masquerade comment {COMMENT}\n"
            ),
            (
                'masquerading of 10.1.2.3: the nft rule "ip saddr == 10.1.2.3 ip daddr != 10.1.2.0/24 '
                'masquerade" reads "ip saddr == 10.1.2.3 ip daddr != 10.1.0.0/16 masquerade" instead'
            ),
        ),
        (
            (
                f"flush chain inet {TABLE} masq_checks\nadd rule inet {TABLE} masq_checks "
                f"ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 tcp dport 80 masquerade comment {COMMENT}\n"
            ),
            (
                'masquerading of 10.1.2.3: the nft rule "ip saddr == 10.1.2.3 ip daddr != 10.1.2.0/24 '
                'masquerade" reads'
            ),
        ),
        (
            f"flush chain inet {TABLE} postrouting\n",
            "masquerading of 10.1.2.3: the nft chain postrouting does not lead to masq_checks",
        ),
        (
            f"flush table inet {TABLE}\ndelete table inet {TABLE}\n",
            "masquerading of 10.1.2.3: the nft rule",
        ),
    ],
    ids=["rule gone", "rule altered", "rule narrowed", "base emptied", "table gone"],
)
def test_check_names_what_is_missing(
    netns: Netns,
    firewall: KernelFirewall,
    change: str,
    message: str,
) -> None:
    """W-BR-4: masquerade unverified by CHECK; E3: rules wiped by others are noticed."""
    firewall.add_masquerade(ME, BOTH, backend="nftables")
    netns.nft(change)

    with pytest.raises(errors.CniError) as caught:
        firewall.expect_masquerade(ME, BOTH, backend=None)

    assert caught.value.msg.startswith(message)


def test_subnets_of_any_length_are_masqueraded_and_checked(
    firewall: KernelFirewall, attachment: Attachment
) -> None:
    """nft compares whole bytes without a mask and others with one; CHECK reads both."""
    addresses = [
        ip_interface(text)
        for text in ("10.1.2.3/0", "10.2.2.3/8", "10.3.2.3/13", "10.4.2.3/31", "10.5.2.3/32")
    ] + [ip_interface(f"fd00::{length:x}/{length}") for length in (1, 48, 63, 127, 128)]

    firewall.add_masquerade(attachment, addresses, backend="nftables")
    firewall.expect_masquerade(attachment, addresses, backend="nftables")

    with pytest.raises(errors.CniError, match=r"10\.6\.2\.3"):
        firewall.expect_masquerade(attachment, [ip_interface("10.6.2.3/24")], backend="nftables")


def test_check_does_not_take_the_other_backend_for_the_one_asked_for(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """A configuration that names its backend is checked against that one."""
    firewall.add_masquerade(attachment, addresses, backend="nftables")

    with pytest.raises(errors.CniError, match="the iptables rule"):
        firewall.expect_masquerade(attachment, addresses, backend="iptables")


@pytest.mark.usefixtures("without_nft_library")
def test_without_the_library_the_program_is_used(
    netns: Netns,
    firewall: KernelFirewall,
    processes: list[str],
) -> None:
    """E4: distributions that ship nft without libnftables.so.1."""
    firewall.add_masquerade(ME, BOTH, backend="nftables")
    used = list(processes)

    assert used == ["nft"]
    assert rules_of(netns) == [RULE_V4 + COMMENT, RULE_V6 + COMMENT]


@pytest.mark.usefixtures("without_nft_library", "without_programs")
def test_without_any_nft_the_error_says_what_to_install(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """E4: what failed, and what to do."""
    with pytest.raises(errors.CniError) as asked:
        firewall.add_masquerade(attachment, addresses, backend="nftables")
    with pytest.raises(errors.CniError) as default:
        firewall.add_masquerade(attachment, addresses, backend=None)

    assert asked.value.msg == (
        "could not masquerade cid1/eth0 on mynet: neither libnftables.so.1 nor the program nft "
        "was found"
    )
    assert "apt-get install nftables" in asked.value.details
    assert "neither nftables nor iptables can be used" in default.value.msg
    assert "apt-get install nftables" in firewall.usable()


@pytest.mark.usefixtures("without_nft_library")
def test_program_and_library_report_the_same_refusal(netns: Netns) -> None:
    """A refused transaction names nft's reason and leaves nothing behind."""
    commands = [
        {"add": {"table": {"family": "inet", "name": "half"}}},
        {"create": {"table": {"family": "inet", "name": "half"}}},
    ]

    with pytest.raises(_nft.NftFailure) as by_program:
        _nft.run(commands, purpose="try", netns_fd=netns.fd)
    _nft._loaded.clear()
    with pytest.raises(_nft.NftFailure) as by_library:
        _nft.run(commands, purpose="try", netns_fd=netns.fd)

    assert by_program.value.msg == by_library.value.msg
    assert by_library.value.msg == "could not try: Error: Could not process rule: File exists"
    assert netns.ruleset("inet") == []


@pytest.mark.parametrize("backend", ["ipvs", "", "NFTABLES"])
def test_unknown_backend_is_refused(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any, backend: str
) -> None:
    """contracts 2.5: other value is an error; the key and the value are named."""
    with pytest.raises(errors.InvalidConfig, match=f'ipMasqBackend: unknown backend "{backend}"'):
        firewall.add_masquerade(attachment, addresses, backend=backend)


def test_usable_tries_the_rules_and_leaves_nothing(netns: Netns, firewall: KernelFirewall) -> None:
    """Design section 4.6: STATUS is honest."""
    assert firewall.usable() == firewall.usable("nftables") == firewall.usable("iptables") == ""
    assert netns.ruleset("inet") == []


@pytest.mark.parametrize("base", ["right", "wrong"])
def test_usable_on_a_node_that_masquerades_already(
    netns: Netns, firewall: KernelFirewall, base: str
) -> None:
    """Design section 4.6: STATUS is honest, and changes nothing."""
    firewall.add_masquerade(ME, BOTH, backend="nftables")
    if base == "wrong":
        netns.run("nft", "flush", "chain", "inet", TABLE, "postrouting")
    before = netns.ruleset("inet")

    assert firewall.usable("nftables") == ""
    assert netns.ruleset("inet") == before


def test_reading_finds_what_nft_wrote_and_only_that(netns: Netns) -> None:
    """Rules come out in nft's words; what is not understood cannot be mistaken for ours."""
    netns.nft(
        "add table inet t\nadd chain inet t c\nadd chain inet t d\n"
        'add rule inet t c ip saddr 10.0.0.1 tcp dport 80 counter accept comment "one"\n'
        "add rule inet t c meta mark 7 drop\n"
        "add rule inet t c iifname a jump d\n"
    )
    with Wire(netns.fd) as wire:
        rules = wire.rules(INET, "t")
        one = wire.rules(INET, "t", "c", containing="one")
        none = wire.rules(INET, "nosuch")

    assert [rule.comment for rule in rules] == ["one", "", ""]
    assert rules[2].text == ("iifname == a", "jump d")
    assert any(text.startswith("?") for text in rules[0].text)
    assert any(text.startswith("?") for text in rules[1].text)
    assert one == rules[:1]
    assert none == []


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
