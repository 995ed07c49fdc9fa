"""A plugin without the rights, or in a kernel without nf_tables, ends with an error of ours."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net import _nft_wire
from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._masquerade_iptables import IptablesMasquerade


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel

CALLS = """
import sys
from ipaddress import ip_interface
from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._masquerade_iptables import IptablesMasquerade
from cnisdk._net import _nft
firewall, me = KernelFirewall(), Attachment("mynet", "cid1", "eth0")
for call in (
    lambda: firewall.add_masquerade(me, [ip_interface("10.1.2.3/24")], backend="nftables"),
    lambda: firewall.remove_masquerade(me),
    lambda: firewall.add_spoof_check(me, "veth0", "02:00:00:00:00:01"),
    lambda: _nft.run([{"list": {"tables": None}}], purpose="list"),
):
    try:
        call()
    except errors.CniError as failure:
        print(failure)
print(firewall.usable("nftables"))
print("alive")
"""


def test_missing_capability_is_an_error_and_never_ends_the_process(netns: Netns) -> None:
    """libnftables may call exit(3), which would leave the runtime without an error object."""
    setpriv = shutil.which("setpriv") or "setpriv"
    output = netns.run(
        setpriv,
        "--bounding-set=-net_admin",
        sys.executable,
        "-c",
        CALLS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).splitlines()

    assert output[-1] == "alive"
    assert len(output) == 6
    assert all("CAP_NET_ADMIN" in line for line in output[:-1])


@pytest.fixture
def kernel_without_nfnetlink(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(_nft_wire, "Socket", refuse)


@pytest.mark.usefixtures("kernel_without_nfnetlink")
def test_kernel_without_nftables_is_nothing_to_clean_up(
    firewall: KernelFirewall, attachment: Attachment
) -> None:
    """DEL and GC succeed: nothing can have been left there."""
    firewall.remove_masquerade(attachment)
    firewall.retain_masquerade("mynet", [])
    firewall.remove_spoof_check(attachment)
    firewall.retain_spoof_checks("mynet", [])

    assert "the kernel has no nfnetlink" in firewall.usable("nftables")


@pytest.mark.usefixtures("kernel_without_nfnetlink")
def test_kernel_without_nftables_cannot_add(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """ADD and CHECK say so."""
    for call in (
        lambda: firewall.add_masquerade(attachment, addresses, backend="nftables"),
        lambda: firewall.add_spoof_check(attachment, "veth0", "02:00:00:00:00:01"),
        lambda: firewall.expect_spoof_check(attachment, "veth0", "02:00:00:00:00:01"),
    ):
        with pytest.raises(errors.CniError, match="Protocol not supported"):
            call()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_nfnetlink_without_nf_tables_is_nothing_to_clean_up(
    netns: Netns, attachment: Attachment, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A kernel with conntrack but without nf_tables refuses each question."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_nft_wire.Wire, "ask", refuse)
    firewall = KernelFirewall(netns.fd)

    firewall.remove_masquerade(attachment)
    firewall.remove_spoof_check(attachment)

    assert "does not answer for nf_tables" in firewall.usable("nftables")


def test_failure_of_one_backend_does_not_keep_the_other_from_being_cleaned(
    netns: Netns, attachment: Attachment, addresses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design section 4.5: errors are collected."""
    firewall = KernelFirewall(netns.fd)
    firewall.add_masquerade(attachment, addresses, backend="iptables")

    def nft_fails(*_: object) -> None:
        raise errors.CniError("nft broke")

    def iptables_fails(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr("cnisdk._net._masquerade_nft.retain", nft_fails)
    with pytest.raises(errors.CniError, match="nft broke"):
        firewall.retain_masquerade("mynet", [])
    monkeypatch.setattr(IptablesMasquerade, "retain", iptables_fails)
    with pytest.raises(errors.CniError, match="nft broke; could not remove stale masquerading"):
        firewall.retain_masquerade("mynet", [])

    assert netns.nat() == []


def test_rules_changing_all_the_time_are_read_again(
    netns: Netns, attachment: Attachment, addresses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1: an interrupted dump is repeated, and its partial answer is not used (W-NL-1)."""
    firewall = KernelFirewall(netns.fd)
    firewall.add_masquerade(attachment, addresses, backend="nftables")
    original = _nft_wire.Wire.ask
    calls: list[int] = []

    def interrupted(self: _nft_wire.Wire, kind: int, family: int, what: bytes, flags: int) -> Any:
        calls.append(kind)
        if flags and len(calls) < 4:
            raise InterruptedError
        return original(self, kind, family, what, flags)

    monkeypatch.setattr(_nft_wire.Wire, "ask", interrupted)

    firewall.expect_masquerade(attachment, addresses, backend="nftables")
    assert len(calls) > 4


def test_rule_taken_by_somebody_else_is_no_error(
    netns: Netns, attachment: Attachment, addresses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DEL and GC at the same time: whoever comes second finds nothing, and that is fine."""
    firewall = KernelFirewall(netns.fd)
    firewall.add_masquerade(attachment, addresses, backend="nftables")
    original = _nft_wire.Wire.delete

    def too_late(self: _nft_wire.Wire, doomed: Any) -> None:
        monkeypatch.setattr(_nft_wire.Wire, "delete", original)
        KernelFirewall(netns.fd).remove_masquerade(attachment)
        original(self, doomed)

    monkeypatch.setattr(_nft_wire.Wire, "delete", too_late)

    firewall.remove_masquerade(attachment)

    assert [line for line in netns.ruleset("inet") if "saddr" in line] == []
