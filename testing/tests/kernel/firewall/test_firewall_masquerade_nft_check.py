"""CHECK of masquerading by nftables, and the rules it reads from the kernel."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

import pytest
from masquerade_rules import BOTH, COMMENT, ME, TABLE

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._nft_wire import INET, Wire


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel


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
    assert rules[0].text == ("ip saddr == 10.0.0.1", "tcp dport == 80", "accept")
    assert any(text.startswith("?") for text in rules[1].text)
    assert one == rules[:1]
    assert none == []
