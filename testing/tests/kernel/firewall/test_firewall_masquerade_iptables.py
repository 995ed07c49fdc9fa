"""Masquerading by iptables in a real kernel, both variants of it."""

from __future__ import annotations

import os
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

import pytest

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._names import Attachment
from cnisdk._net import _iptables, _nft, _programs
from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._masquerade_chain import chain_name


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel

CHAIN = "CNI-a631aa8e1549a3b129110fd2"
BASE = r'-m comment --comment "name: \"mynet\" id: \"cid1\""'
ETH0 = r'-m comment --comment "name: \"mynet\" id: \"cid1\" if: \"eth0\""'
# What the Go plugins leave behind for mynet/cid1 with 10.1.2.3/24.
GO_LINES = [
    f":{CHAIN} - [0:0]",
    f"-A POSTROUTING -s 10.1.2.3/32 {BASE} -j {CHAIN}",
    f"-A {CHAIN} -d 10.1.2.0/24 {BASE} -j ACCEPT",
    f"-A {CHAIN} ! -d 224.0.0.0/4 {BASE} -j MASQUERADE",
]
PORTMAP = "CNI-DN-0123456789abcdef01234"
DNAT = r'-m comment --comment "dnat name: \"mynet\" id: \"cid1\""'
ME = Attachment(network="mynet", container_id="cid1", ifname="eth0")
BOTH = [ip_interface("10.1.2.3/24"), ip_interface("fd00::5/64")]
NET1 = Attachment(network="mynet", container_id="cid1", ifname="net1")
NET1_ADDRESSES = [ip_interface("10.1.3.3/24")]


@pytest.fixture(params=["nft", "legacy"], autouse=True)
def save(request: pytest.FixtureRequest) -> str:
    """Run each test with both variants; the value is the program that shows the variant's rules."""
    if request.param == "legacy":
        request.getfixturevalue("legacy")
    return f"iptables-{request.param}-save"


def add_like_go(netns: Netns, save: str, lines: list[str] = GO_LINES) -> None:
    script = "\n".join(["*nat", *lines, "COMMIT", ""])
    netns.run(save.replace("save", "restore"), "--noflush", stdin=script)


def test_add_gives_rules_that_the_go_plugins_would_delete(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """contracts 2.5: the iptables form, chain and comment of POSTROUTING as Go's DEL names them."""
    firewall.add_masquerade(attachment, addresses, backend="iptables")

    assert netns.nat(save) == [
        f":{CHAIN} - [0:0]",
        f"-A POSTROUTING -s 10.1.2.3/32 {BASE} -j {CHAIN}",
        f"-A {CHAIN} -s 10.1.2.3/32 -d 10.1.2.0/24 {ETH0} -j ACCEPT",
        f"-A {CHAIN} -s 10.1.2.3/32 ! -d 224.0.0.0/4 {ETH0} -j MASQUERADE",
    ]
    assert netns.nat(save.replace("ip", "ip6", 1)) == [
        f":{CHAIN} - [0:0]",
        f"-A POSTROUTING -s fd00::5/128 {BASE} -j {CHAIN}",
        f"-A {CHAIN} -s fd00::5/128 -d fd00::/64 {ETH0} -j ACCEPT",
        f"-A {CHAIN} -s fd00::5/128 ! -d ff00::/8 {ETH0} -j MASQUERADE",
    ]


def test_add_is_one_reading_and_one_writing_process(
    firewall: KernelFirewall, attachment: Attachment, processes: list[str]
) -> None:
    """W-MASQ-4: nine to eleven processes in the Go plugins."""
    addresses = [ip_interface(f"10.1.2.{number}/24") for number in range(1, 6)]

    firewall.add_masquerade(attachment, addresses, backend="iptables")

    assert processes == ["iptables-save", "iptables-restore"]


def test_remove_starts_no_process_for_iptables_nft(
    netns: Netns, attachment: Attachment, addresses: Any, save: str, request: pytest.FixtureRequest
) -> None:
    """W-MASQ-3, E1: nine processes per DEL in the Go plugins."""
    firewall = KernelFirewall(netns.fd)
    firewall.add_masquerade(attachment, addresses, backend="iptables")
    processes = request.getfixturevalue("processes")

    firewall.remove_masquerade(attachment)
    used = list(processes)

    legacy = ["-legacy-save", "-legacy-restore"]
    expected = [f"{tool}{action}" for tool in ("iptables", "ip6tables") for action in legacy]
    assert used == (expected if "legacy" in save else [])
    assert netns.nat(save) == netns.nat(save.replace("ip", "ip6", 1)) == []


def test_add_again_replaces(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """T: re-ADD replaces; E6: no duplicated rules after a restart; a family that is gone goes."""
    firewall.add_masquerade(attachment, addresses, backend="iptables")
    first = netns.nat(save)
    firewall.add_masquerade(attachment, addresses, backend="iptables")
    second = netns.nat(save)
    firewall.add_masquerade(attachment, [ip_interface("10.1.2.9/24")], backend="iptables")

    assert second == first
    assert [line for line in netns.nat(save) if "10.1.2.3" in line] == []
    assert len(netns.nat(save)) == len(first)
    assert netns.nat(save.replace("ip", "ip6", 1)) == []


def test_one_of_two_interfaces_goes_and_the_other_stays_masqueraded(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """W-MASQ-1: deleting one flushed the shared chain and failed with "device busy"."""
    firewall.add_masquerade(attachment, addresses, backend="iptables")
    firewall.add_masquerade(NET1, NET1_ADDRESSES, backend="iptables")

    firewall.remove_masquerade(attachment)

    firewall.expect_masquerade(NET1, NET1_ADDRESSES, backend="iptables")
    assert [line for line in netns.nat(save) if "eth0" in line or "10.1.2.3" in line] == []
    firewall.remove_masquerade(NET1)
    assert netns.nat(save) == []


def test_an_address_used_again(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """T: address reuse: a late teardown leaves the rules of whoever has the address now."""
    four = Attachment(network="mynet", container_id="four", ifname="eth0")
    firewall.add_masquerade(attachment, addresses, backend="iptables")
    firewall.add_masquerade(four, addresses, backend="iptables")

    firewall.remove_masquerade(attachment)

    firewall.expect_masquerade(four, addresses, backend="iptables")
    assert "cid1" not in "".join(netns.nat(save) + netns.nat(save.replace("ip", "ip6", 1)))


def test_rules_of_the_go_plugins_are_checked_and_removed(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """Design section 6: swap both ways; W-BR-2: without knowing the addresses."""
    add_like_go(netns, save)

    firewall.expect_masquerade(attachment, addresses[:1], backend=None)
    firewall.remove_masquerade(attachment)
    firewall.remove_masquerade(attachment)

    assert netns.nat(save) == []


def test_what_a_failed_delete_of_the_go_plugins_left_is_removed(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, save: str
) -> None:
    """W-MASQ-1, W-BR-10: their chain is flushed already, its jump stays for ever."""
    add_like_go(netns, save, GO_LINES[:2])

    firewall.remove_masquerade(attachment)

    assert netns.nat(save) == []


def test_ours_stay_when_theirs_in_the_same_chain_go(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, save: str
) -> None:
    """Design section 6: a container with one interface of theirs and one of ours."""
    add_like_go(netns, save)
    firewall.add_masquerade(NET1, NET1_ADDRESSES, backend="iptables")

    firewall.remove_masquerade(attachment)

    firewall.expect_masquerade(NET1, NET1_ADDRESSES, backend="iptables")
    assert [line for line in netns.nat(save) if "10.1.2.3" in line] == []


def test_foreign_rules_in_our_chain_are_kept(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """Only what carries our comment is ours to delete, so the chain stays, and DEL succeeds."""
    firewall.add_masquerade(attachment, addresses, backend="iptables")
    foreign = f"-A {CHAIN} -s 10.7.7.7/32 -p tcp -m tcp --dport 80 --syn -j RETURN".split()
    netns.run(save.replace("-save", ""), "-t", "nat", *foreign)

    firewall.remove_masquerade(attachment)

    left = netns.nat(save)
    assert len(left) == 2
    assert "10.7.7.7" in left[1]


def test_gc_keeps_valid_attachments_and_other_networks(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """W-MASQ-2: GC of the iptables form was a stub."""
    foreign = Attachment(network="mynet2", container_id="gone", ifname="eth0")
    stale = Attachment(network="mynet", container_id="gone", ifname="eth0")
    for each in (attachment, stale, foreign):
        firewall.add_masquerade(each, addresses[:1], backend="iptables")
    firewall.add_masquerade(NET1, NET1_ADDRESSES, backend="iptables")

    firewall.retain_masquerade("mynet", [attachment])

    left = "\n".join(netns.nat(save))
    assert chain_name(stale) not in left
    assert "net1" not in left
    firewall.expect_masquerade(attachment, addresses[:1], backend="iptables")
    firewall.expect_masquerade(foreign, addresses[:1], backend="iptables")


def test_gc_judges_rules_of_the_go_plugins_by_container(
    netns: Netns, firewall: KernelFirewall, save: str
) -> None:
    """Their rules do not tell the interface: any valid attachment of the container keeps them."""
    add_like_go(netns, save)

    firewall.retain_masquerade("mynet", [NET1])
    kept = netns.nat(save)
    firewall.retain_masquerade("mynet", [])

    assert kept == GO_LINES
    assert netns.nat(save) == []


@pytest.mark.parametrize(
    ("number", "place"), [(0, "POSTROUTING"), (1, CHAIN), (2, CHAIN)], ids=["jump", "own", "rest"]
)
def test_check_names_the_missing_rule(
    netns: Netns,
    firewall: KernelFirewall,
    save: str,
    number: int,
    place: str,
) -> None:
    """W-BR-4: masquerade unverified by CHECK."""
    firewall.add_masquerade(ME, BOTH, backend="iptables")
    rules = [line for line in netns.nat(save) if line.startswith("-A")]
    script = f"*nat\n-D{rules[number][2:]}\nCOMMIT\n"
    netns.run(save.replace("save", "restore"), "--noflush", stdin=script)

    for backend in ("iptables", None):
        with pytest.raises(errors.CniError) as caught:
            firewall.expect_masquerade(ME, BOTH, backend=backend)
        assert caught.value.msg.startswith("masquerading of 10.1.2.3: the iptables rule")
        assert caught.value.msg.endswith(f"is missing from chain {place}")


def test_long_and_odd_names_are_added_checked_and_removed(
    netns: Netns, firewall: KernelFirewall, addresses: Any, save: str
) -> None:
    """An xt comment holds 255 characters, and iptables-restore has its own idea of quotes."""
    odd = Attachment(network="n" * 150, container_id="c" * 150, ifname="a\"'\\$é@%")

    firewall.add_masquerade(odd, addresses, backend="iptables")
    firewall.expect_masquerade(odd, addresses, backend="iptables")
    firewall.retain_masquerade(odd.network, [odd])
    firewall.expect_masquerade(odd, addresses, backend="iptables")
    firewall.retain_masquerade(odd.network, [])

    assert netns.nat(save) == []


def test_other_rules_of_the_table_are_untouched(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, addresses: Any, save: str
) -> None:
    """Masks with holes, options without value, other plugins' chains: read past, and kept."""
    add_like_go(
        netns,
        save,
        [
            f":{PORTMAP} - [0:0]",
            "-A POSTROUTING -s 10.0.0.1/255.0.255.255 -p tcp -m tcp --syn -j RETURN",
            rf"-A {PORTMAP} {DNAT} -j RETURN",
        ],
    )
    before = netns.nat(save)

    firewall.add_masquerade(attachment, addresses, backend="iptables")
    firewall.remove_masquerade(attachment)
    firewall.retain_masquerade("mynet", [])

    assert netns.nat(save) == before


@pytest.mark.usefixtures("without_programs")
def test_without_programs_the_error_says_what_to_install(
    firewall: KernelFirewall, attachment: Attachment, addresses: Any
) -> None:
    """What failed, and what to do; DEL has no need of them."""
    with pytest.raises(errors.CniError) as caught:
        firewall.add_masquerade(attachment, addresses, backend="iptables")

    assert "the program iptables-save was not found" in caught.value.msg
    assert "apt-get install iptables" in caught.value.details
    assert "apt-get install iptables" in firewall.usable("iptables")
    firewall.remove_masquerade(attachment)


def test_without_nft_iptables_is_the_default(
    netns: Netns, attachment: Attachment, addresses: Any, save: str, request: pytest.FixtureRequest
) -> None:
    """contracts 2.5: unset backend, the other way round: iptables where nft cannot be used."""
    request.getfixturevalue("without_nft_library")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(_nft, "find_program", lambda _: "")
    firewall = KernelFirewall(netns.fd)

    firewall.add_masquerade(attachment, addresses, backend=None)
    firewall.expect_masquerade(attachment, addresses, backend=None)

    assert len(netns.nat(save)) == 4
    assert firewall.usable() == ""
    assert "neither libnftables.so.1 nor the program nft" in firewall.usable("nftables")


def test_lost_race_is_tried_again(
    netns: Netns,
    firewall: KernelFirewall,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other interface's ADD made the shared chain between our reading and our writing."""
    original = _iptables.save
    calls: list[str] = []

    def save_then_lose(*args: Any, **kwargs: Any) -> Any:
        table = original(*args, **kwargs)
        calls.append("save")
        if len(calls) == 1:
            KernelFirewall(netns.fd).add_masquerade(NET1, NET1_ADDRESSES, backend="iptables")
        return table

    monkeypatch.setattr(_iptables, "save", save_then_lose)

    firewall.add_masquerade(ME, BOTH[:1], backend="iptables")

    firewall.expect_masquerade(ME, BOTH[:1], backend="iptables")
    firewall.expect_masquerade(NET1, NET1_ADDRESSES, backend="iptables")


def test_refusal_is_reported_with_the_program_s_own_text(netns: Netns, save: str) -> None:
    """What failed, and iptables' message."""
    program = _programs.find_program(save.replace("save", "restore"))

    with pytest.raises(errors.CniError) as caught:
        _iptables.restore(program, ["-A NOSUCH -j ACCEPT"], "try", netns_fd=netns.fd, deadline=None)

    assert caught.value.msg.startswith("could not try: ")
    assert "line 2 failed" in caught.value.msg or "No chain" in caught.value.msg
    assert "nothing was changed" in caught.value.details


def test_hanging_program_is_killed_at_the_deadline(netns: Netns, tmp_path: Any) -> None:
    """E1: iptables --wait had no end; design section 4.8: the step that hung is named."""
    program = tmp_path / "iptables-save"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)

    with pytest.raises(errors.TryAgainLater, match="waiting for iptables-save"):
        _iptables.save(str(program), "", netns_fd=netns.fd, deadline=Deadline(0.2))


def test_program_runs_in_the_namespace_with_a_plain_environment(netns: Netns) -> None:
    """CNI_* and whatever else the runtime set are not the program's business."""
    done = _programs.run_program(
        ["/bin/sh", "-c", "env; readlink /proc/self/ns/net"],
        "",
        netns_fd=netns.fd,
        deadline=Deadline.never(),
    )

    assert f"net:[{os.fstat(netns.fd).st_ino}]" in done.stdout
    assert "CNI_" not in done.stdout
    assert "LC_ALL=C" in done.stdout
