"""The MAC spoof check in a real kernel."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net import _nft, _nft_wire
from cnisdk._net._firewall import KernelFirewall


if TYPE_CHECKING:
    from conftest import Netns

pytestmark = pytest.mark.kernel

MAC = "02:00:00:00:00:0a"
TAG = "d23676b4f2d9fe04-0b65a318f52e521b, net: mynet, if: eth0, id: cid1"
# What the Go bridge plugin leaves behind for cid1/eth0 on veth0.
GO_SCRIPT = f"""
add table bridge nat
add chain bridge nat PREROUTING {{ type filter hook prerouting priority -300; policy accept; }}
add chain bridge nat cni-br-iface-cid1-eth0
add chain bridge nat cni-br-iface-cid1-eth0-mac
add rule bridge nat PREROUTING iifname veth0 jump cni-br-iface-cid1-eth0 comment "macspoofchk-cid1-eth0"
add rule bridge nat cni-br-iface-cid1-eth0 jump cni-br-iface-cid1-eth0-mac comment "macspoofchk-cid1-eth0"
add rule bridge nat cni-br-iface-cid1-eth0-mac ether saddr {MAC} return comment "macspoofchk-cid1-eth0"
add rule bridge nat cni-br-iface-cid1-eth0-mac drop comment "macspoofchk-cid1-eth0"
"""
EMPTY = [
    "table bridge nat {",
    "chain PREROUTING {",
    "type filter hook prerouting priority dstnat; policy accept;",
    "}",
    "}",
]


def test_add_gives_the_shape_of_the_go_plugins(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """T: setup ok; contracts 2.6; the owner tag stands where neither they nor their tests look."""
    firewall.add_spoof_check(attachment, "veth0", MAC.upper())

    assert netns.ruleset("bridge") == [
        *EMPTY[:3],
        'iifname "veth0" jump cni-br-iface-cid1-eth0 comment "macspoofchk-cid1-eth0"',
        "}",
        "",
        "chain cni-br-iface-cid1-eth0 {",
        'jump cni-br-iface-cid1-eth0-mac comment "macspoofchk-cid1-eth0"',
        f'return comment "{TAG}"',
        "}",
        "",
        "chain cni-br-iface-cid1-eth0-mac {",
        f'ether saddr {MAC} return comment "macspoofchk-cid1-eth0"',
        'drop comment "macspoofchk-cid1-eth0"',
        "}",
        "}",
    ]


def test_no_process_is_started(
    firewall: KernelFirewall, attachment: Attachment, processes: list[str]
) -> None:
    """contracts 6.6: two processes for ADD and three for DEL in the Go plugins."""
    firewall.add_spoof_check(attachment, "veth0", MAC)
    firewall.expect_spoof_check(attachment, "veth0", MAC)
    firewall.remove_spoof_check(attachment)

    assert processes == []


def test_add_again_replaces(netns: Netns, firewall: KernelFirewall, attachment: Attachment) -> None:
    """E6: no duplicated rules after a restart; Go's second ADD jumps twice."""
    firewall.add_spoof_check(attachment, "veth7", "02:00:00:00:00:0b")

    firewall.add_spoof_check(attachment, "veth0", MAC)

    firewall.expect_spoof_check(attachment, "veth0", MAC)
    assert [line for line in netns.ruleset("bridge") if "veth" in line] == [
        'iifname "veth0" jump cni-br-iface-cid1-eth0 comment "macspoofchk-cid1-eth0"'
    ]


def test_remove_takes_only_its_own(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """T: teardown ok; names that begin alike are told apart."""
    longer = Attachment(network="mynet", container_id="cid1", ifname="eth01")
    firewall.add_spoof_check(attachment, "veth0", MAC)
    firewall.add_spoof_check(longer, "veth1", MAC)

    firewall.remove_spoof_check(attachment)
    firewall.remove_spoof_check(attachment)

    firewall.expect_spoof_check(longer, "veth1", MAC)
    firewall.remove_spoof_check(longer)
    assert netns.ruleset("bridge") == EMPTY


def test_remove_in_an_untouched_namespace_does_nothing(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """Repeatable, whatever is there."""
    firewall.remove_spoof_check(attachment)
    firewall.retain_spoof_checks("mynet", [])

    assert netns.ruleset("bridge") == []


@pytest.mark.parametrize(
    "damage",
    [
        "flush chain bridge nat PREROUTING\n",
        (
            "flush chain bridge nat cni-br-iface-cid1-eth0\ndelete chain bridge nat "
            "cni-br-iface-cid1-eth0-mac\n"
        ),
        "flush chain bridge nat cni-br-iface-cid1-eth0-mac\n",
    ],
    ids=["jump gone", "mac chain gone", "mac chain empty"],
)
def test_what_is_left_of_a_check_is_removed(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, damage: str
) -> None:
    """T: each of three steps failing singly; W-SPOOF-1: failures left the rest behind."""
    firewall.add_spoof_check(attachment, "veth0", MAC)
    netns.nft(damage)

    firewall.remove_spoof_check(attachment)

    assert netns.ruleset("bridge") == EMPTY


@pytest.mark.parametrize(
    "failing",
    [("rules",), ("chain",), ("_delete_batch",), ("rules", "chain", "_delete_batch")],
    ids=["reading rules", "reading chains", "deleting", "all together"],
)
def test_a_call_that_fails_in_teardown_is_reported(
    netns: Netns,
    firewall: KernelFirewall,
    attachment: Attachment,
    monkeypatch: pytest.MonkeyPatch,
    failing: tuple[str, ...],
) -> None:
    """T: each of three steps failing singly and together; here one transaction, all or nothing."""
    firewall.add_spoof_check(attachment, "veth0", MAC)
    before = netns.ruleset("bridge")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        for each in failing:
            patch.setattr(_nft_wire.Wire, each, fail)
        with pytest.raises(
            errors.CniError, match=f"remove the MAC spoof check of {attachment}.*allocate memory"
        ):
            firewall.remove_spoof_check(attachment)
    assert netns.ruleset("bridge") == before

    firewall.remove_spoof_check(attachment)
    assert netns.ruleset("bridge") == EMPTY


def test_a_transaction_that_fails_leaves_nothing(
    netns: Netns,
    firewall: KernelFirewall,
    attachment: Attachment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T: first apply fails; second apply fails: what is there is looked at once more, then it is an error."""
    applied: list[int] = []

    def fail(commands: list[object], **_: object) -> None:
        applied.append(len(commands))
        raise _nft.NftFailure("could not apply")

    monkeypatch.setattr(_nft, "run", fail)
    with pytest.raises(errors.CniError, match="could not apply"):
        firewall.add_spoof_check(attachment, "veth0", MAC)

    assert len(applied) == 2
    assert netns.ruleset("bridge") == []


def test_check_of_the_go_plugins_is_verified_and_removed(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """Design section 6: swap both ways."""
    netns.nft(GO_SCRIPT)

    firewall.expect_spoof_check(attachment, "veth0", MAC)
    firewall.remove_spoof_check(attachment)

    assert netns.ruleset("bridge") == EMPTY


def test_delete_of_another_network_leaves_the_check(
    firewall: KernelFirewall, attachment: Attachment
) -> None:
    """The chain name lacks the network: undoing a second network's failed ADD must not open up."""
    firewall.add_spoof_check(attachment, "veth0", MAC)

    firewall.remove_spoof_check(Attachment("other", "cid1", "eth0"))

    firewall.expect_spoof_check(attachment, "veth0", MAC)


def test_gc_keeps_valid_attachments_and_other_networks(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment
) -> None:
    """A4: GC knows a check's network by the owner tag."""
    stale = Attachment(network="mynet", container_id="gone", ifname="eth0")
    foreign = Attachment(network="mynet2", container_id="gone2", ifname="eth0")
    for number, each in enumerate((attachment, stale, foreign)):
        firewall.add_spoof_check(each, f"veth{number}", MAC)

    firewall.retain_spoof_checks("mynet", [attachment])
    firewall.retain_spoof_checks("mynet", [attachment])

    firewall.expect_spoof_check(attachment, "veth0", MAC)
    firewall.expect_spoof_check(foreign, "veth2", MAC)
    assert "cid1" in "".join(netns.ruleset("bridge"))
    assert "iface-gone-" not in "".join(netns.ruleset("bridge"))


def test_gc_leaves_checks_of_unknown_network_alone(netns: Netns, firewall: KernelFirewall) -> None:
    """Design section 4.5: what is not tagged with this network is never touched."""
    netns.nft(GO_SCRIPT)
    before = netns.ruleset("bridge")

    firewall.retain_spoof_checks("mynet", [])

    assert netns.ruleset("bridge") == before


@pytest.mark.parametrize(
    ("container_id", "ifname"),
    [("c" * 100, "e" * 15), ("c" * 101, "e" * 15), ("c" * 300, "eth0"), ("cid1", "eth0-mac")],
)
def test_names_of_any_length_are_added_checked_and_removed(
    netns: Netns, firewall: KernelFirewall, container_id: str, ifname: str
) -> None:
    """nft comments end at 128 characters; libnftables ends the process beyond 253."""
    attachment = Attachment(network="mynet", container_id=container_id, ifname=ifname)
    plain = Attachment(network="mynet", container_id="cid1", ifname="eth0")
    firewall.add_spoof_check(plain, "veth0", MAC)

    firewall.add_spoof_check(attachment, "veth1", MAC)
    firewall.expect_spoof_check(attachment, "veth1", MAC)
    firewall.expect_spoof_check(plain, "veth0", MAC)
    firewall.remove_spoof_check(attachment)

    firewall.expect_spoof_check(plain, "veth0", MAC)
    firewall.retain_spoof_checks("mynet", [])
    assert netns.ruleset("bridge") == EMPTY


@pytest.mark.parametrize(
    ("one", "other"), [(("a", "b-eth0"), ("a-b", "eth0")), (("a-b", "mac"), ("a", "b"))]
)
def test_ids_that_read_alike_are_told_apart(
    firewall: KernelFirewall, one: tuple[str, str], other: tuple[str, str]
) -> None:
    """`<container id>-<ifname>` does not say where the one ends."""
    first = Attachment("mynet", *one)
    second = Attachment("othernet", *other)
    firewall.add_spoof_check(first, "veth0", MAC)
    firewall.add_spoof_check(second, "veth1", MAC)

    firewall.expect_spoof_check(first, "veth0", MAC)
    firewall.expect_spoof_check(second, "veth1", MAC)
    firewall.remove_spoof_check(second)
    firewall.expect_spoof_check(first, "veth0", MAC)


def test_interface_name_that_nft_text_cannot_spell(netns: Netns, firewall: KernelFirewall) -> None:
    """JSON can; and what is added can be removed."""
    attachment = Attachment(network="mynet", container_id="cid1", ifname="a@%\"'é;{")

    firewall.add_spoof_check(attachment, "veth1", MAC)
    firewall.expect_spoof_check(attachment, "veth1", MAC)
    firewall.remove_spoof_check(attachment)

    assert netns.ruleset("bridge") == EMPTY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("flush chain bridge nat PREROUTING\n", "chain PREROUTING should have"),
        (
            "flush chain bridge nat cni-br-iface-cid1-eth0\n",
            "chain cni-br-iface-cid1-eth0 should have",
        ),
        (
            "insert rule bridge nat cni-br-iface-cid1-eth0-mac accept\n",
            (
                'chain cni-br-iface-cid1-eth0-mac should have "ether saddr == 02:00:00:00:00:0a '
                'return", "drop" for cid1/eth0 on mynet, but has "accept", "ether saddr'
            ),
        ),
    ],
    ids=["jump gone", "chain emptied", "let through"],
)
def test_check_names_what_is_wrong(
    netns: Netns, firewall: KernelFirewall, attachment: Attachment, change: str, message: str
) -> None:
    """W-BR-4: spoof rules unverified by CHECK."""
    firewall.add_spoof_check(attachment, "veth0", MAC)
    netns.nft(change)

    with pytest.raises(errors.CniError) as caught:
        firewall.expect_spoof_check(attachment, "veth0", MAC)

    assert message in caught.value.msg


def test_check_compares_link_and_mac(firewall: KernelFirewall, attachment: Attachment) -> None:
    """Both values are in the message."""
    firewall.add_spoof_check(attachment, "veth0", MAC)

    with pytest.raises(errors.CniError, match=r"iifname == veth1.*iifname == veth0"):
        firewall.expect_spoof_check(attachment, "veth1", MAC)
    with pytest.raises(errors.CniError, match=r"02:00:00:00:00:ff.*02:00:00:00:00:0a"):
        firewall.expect_spoof_check(attachment, "veth0", "02:00:00:00:00:ff")


def test_frames_with_a_false_mac_are_dropped(netns: Netns, attachment: Attachment) -> None:
    """W-SPOOF-1: the rules do what they are for."""
    for command in (
        "link add br0 type bridge",
        "link add veth0 type veth peer inside",
        "link add veth1 type veth peer outside",
        "link set veth0 master br0",
        "link set veth1 master br0",
        *(f"link set {name} up" for name in ("br0", "veth0", "veth1", "inside", "outside")),
    ):
        netns.run("ip", *command.split())
    KernelFirewall(netns.fd).add_spoof_check(attachment, "veth0", MAC)

    assert received(netns, "02:00:00:00:00:0b") == []
    assert received(netns, MAC) == [MAC]


def received(netns: Netns, source: str) -> list[str]:
    """Source MACs of our frames that come out at the other port."""
    from cnisdk._net._setns import entered

    protocol = 0x88B5  # for local experiments
    with entered(netns.fd):
        inside = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        outside = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    with inside, outside:
        inside.bind(("inside", protocol))
        outside.bind(("outside", protocol))
        outside.settimeout(0.3)
        frame = bytes.fromhex("ffffffffffff" + source.replace(":", "")) + b"\x88\xb5" + bytes(50)
        inside.send(frame)
        try:
            return [outside.recv(100)[6:12].hex(":")]
        except TimeoutError:
            return []
