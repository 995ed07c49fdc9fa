"""What masquerading needs of a node: nft as a library or a program, and what STATUS says without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from masquerade_rules import BOTH, COMMENT, ME, RULE_V4, RULE_V6, TABLE, rules_of

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net import _nft
from cnisdk._net._firewall import KernelFirewall


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel


def test_add_starts_no_process(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any, processes: list[str]
) -> None:
    """E1: one nft transaction without a program; the Go plugins start four."""
    firewall.add_masquerade(attachment, addresses, backend=None)
    firewall.expect_masquerade(attachment, addresses, backend=None)
    firewall.remove_masquerade(attachment)

    assert processes == []


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
