"""What the firewall says to nft and iptables, and how it reads what they say."""

from __future__ import annotations

import re
from ipaddress import ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk._names import Attachment, short_hash
from cnisdk._net import _iptables, _masquerade_nft, _nft, _spoof_check
from cnisdk._net._masquerade_chain import (
    Mark,
    belongs_to,
    chain_name,
    doomed,
    ifname_mark,
    is_stale,
    lines,
    mark_of,
    names,
)
from cnisdk._net._nft_decode import attributes, comment_of, statements


ETH0 = Attachment(network="mynet", container_id="cid1", ifname="eth0")
NET1 = Attachment(network="mynet", container_id="cid1", ifname="net1")
CHAIN = "CNI-a631aa8e1549a3b129110fd2"

identifiers = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]{0,200}", fullmatch=True)
ifnames = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/:"),
    min_size=1,
    max_size=15,
)
attachments = st.builds(Attachment, network=identifiers, container_id=identifiers, ifname=ifnames)


def saved(*attachment_and_address: tuple[Attachment, str]) -> _iptables.NatTable:
    text = "*nat\n:POSTROUTING ACCEPT [0:0]\n"
    for attachment, address in attachment_and_address:
        text += f":{chain_name(attachment)} - [0:0]\n"
        text += "".join(f"-A {line}\n" for line in lines(attachment, ip_interface(address)))
    return _iptables.parse(text + "COMMIT\n")


def test_chain_name_is_that_of_the_go_plugins() -> None:
    """T: chain names exactly 28 chars, deterministic."""
    assert chain_name(ETH0) == CHAIN
    assert chain_name(ETH0) == chain_name(NET1)
    assert len(chain_name(ETH0)) == 28


def test_lines_for_iptables() -> None:
    """contracts 2.5: to the subnet accept, beyond it masquerade but for multicast."""
    comment = r'-m comment --comment "name: \"mynet\" id: \"cid1\""'
    inner = r'-m comment --comment "name: \"mynet\" id: \"cid1\" if: \"eth0\""'

    assert lines(ETH0, ip_interface("10.1.2.3/24")) == (
        f"{CHAIN} -s 10.1.2.3/32 -d 10.1.2.0/24 {inner} -j ACCEPT",
        f"{CHAIN} -s 10.1.2.3/32 ! -d 224.0.0.0/4 {inner} -j MASQUERADE",
        f"POSTROUTING -s 10.1.2.3/32 {comment} -j {CHAIN}",
    )
    assert [line.split(" -m ")[0] for line in lines(ETH0, ip_interface("fd00::5/64"))] == [
        f"{CHAIN} -s fd00::5/128 -d fd00::/64",
        f"{CHAIN} -s fd00::5/128 ! -d ff00::/8",
        "POSTROUTING -s fd00::5/128",
    ]


@given(attachments)
def test_every_comment_fits_and_is_read_back_as_the_attachment_s(attachment: Attachment) -> None:
    """An xt comment holds 255 characters; DEL must recognise what ADD wrote, whatever the names."""
    table = saved((attachment, "10.1.2.3/24"))

    assert all(len(rule.comment.encode()) <= 255 for rule in table.rules)
    assert all((mark := mark_of(rule)) and belongs_to(attachment)(mark) for rule in table.rules)
    assert [rule.text[-1] for rule in table.rules[:2]] == ["accept", "masquerade"]


def test_names_too_long_for_a_comment_are_hashed() -> None:
    """Documented form: hashes of network and container id in the place of both."""
    long = Attachment(network="n" * 200, container_id="c" * 64, ifname="eth0")

    assert names(ETH0) == ("mynet", "cid1")
    assert names(long) == (short_hash(long.network), short_hash(long.container_id))


def test_odd_interface_names_are_hashed() -> None:
    """A hash is longer than any interface name, so it is nobody else's name."""
    assert ifname_mark("eth0.10@x") == "eth0.10@x"
    assert ifname_mark('e"h') == short_hash('e"h')
    assert len(ifname_mark('e"h')) == 16


@pytest.mark.parametrize(
    ("comment", "mark"),
    [
        ('name: "n" id: "c"', Mark("n", "c", None)),
        ('name: "n" id: "c" if: "eth0"', Mark("n", "c", "eth0")),
        ('dnat name: "n" id: "c"', None),
        ('name: "n" id: "c" more', None),
        ("", None),
    ],
)
def test_mark_is_read_from_our_comments_only(comment: str, mark: Mark | None) -> None:
    """portmap's comments look alike and are not ours."""
    assert mark_of(_iptables.NatRule("x", comment, (), "")) == mark


def test_delete_of_one_interface_leaves_the_other() -> None:
    """W-MASQ-1: the chain is shared by a container's interfaces."""
    table = saved((ETH0, "10.1.2.3/24"), (NET1, "10.1.3.3/24"))

    going, empty = doomed(table.rules, CHAIN, belongs_to(ETH0))

    assert not empty
    assert len(going) == 3
    assert all("10.1.2.3/32" in rule.line for rule in going)


def test_delete_of_the_last_interface_takes_the_chain() -> None:
    """contracts 2.5: teardown deletes the chain."""
    table = saved((ETH0, "10.1.2.3/24"))

    going, empty = doomed(table.rules, CHAIN, belongs_to(ETH0))

    assert empty
    assert len(going) == 3


def test_shared_address_stays_as_long_as_one_interface_has_it() -> None:
    """W-MASQ-1: one rule in POSTROUTING may serve two interfaces."""
    table = saved((ETH0, "10.1.2.3/24"), (NET1, "10.1.2.3/24"))

    going, _ = doomed(table.rules, CHAIN, belongs_to(ETH0))

    assert [rule.chain for rule in going] == [CHAIN, CHAIN]


def test_gc_judges_by_container_and_interface() -> None:
    """W-MASQ-2: GC of the iptables form."""
    gone = is_stale("mynet", [ETH0])

    assert not gone(Mark("mynet", "cid1", "eth0"))
    assert gone(Mark("mynet", "cid1", "net1"))
    assert gone(Mark("mynet", "cid2", "eth0"))
    assert not gone(Mark("mynet", "cid1", None))
    assert gone(Mark("mynet", "cid2", None))
    assert not gone(Mark("other", "cid2", "eth0"))


def test_saved_rules_are_read_past_what_is_not_ours() -> None:
    """Quotes, negation, other tables, options without a value, masks with holes."""
    table = _iptables.parse(
        "# comment\n*filter\n:CNI-FORWARD - [0:0]\n-A FORWARD -j CNI-FORWARD\nCOMMIT\n"
        "*nat\n:X - [0:0]\n"
        r'-A X -s 10.0.0.1/32 ! -d 10.0.0.0/8 -m comment --comment "a \"b\" \\ c" -j MASQUERADE'
        "\n-A X -s 10.0.0.1/255.0.0.255 -p tcp --syn -g Y\n-A X -d fd00::/64 -j RETURN\nCOMMIT\n"
    )

    assert table.chains == {"X"}
    assert table.rules[0].comment == r'a "b" \ c'
    assert table.rules[0].text == ("ip saddr == 10.0.0.1", "ip daddr != 10.0.0.0/8", "masquerade")
    assert any(text.startswith("?") for text in table.rules[1].text)
    assert table.rules[2].text == ("ip6 daddr == fd00::/64", "return")


def test_saved_rules_without_the_text_looked_for_are_skipped() -> None:
    """E1: 200,000 rules of kube-proxy are not taken apart."""
    table = _iptables.parse("*nat\n:A - [0:0]\n-A A -j ACCEPT\n-A A -j CNI-X\n", "CNI-X")

    assert [rule.text for rule in table.rules] == [("jump CNI-X",)]


def test_nft_transaction_of_an_add() -> None:
    """contracts 2.5: table, chains, and per address one rule; stale rules go in the same one."""
    commands = _masquerade_nft.commands(ETH0, [ip_interface("10.1.2.3/24")])
    kinds = [(verb, next(iter(what))) for command in commands for verb, what in command.items()]

    assert kinds == [
        ("add", "table"),
        ("add", "chain"),
        ("create", "chain"),
        ("add", "rule"),
        ("add", "rule"),
        ("add", "rule"),
        ("add", "rule"),
    ]
    assert commands[-1]["add"]["rule"]["comment"] == ETH0.owner_tag


def test_nft_transaction_leaves_a_right_base_chain_alone() -> None:
    """W-MASQ-5: flushed and refilled on every ADD."""
    commands = _masquerade_nft.commands(ETH0, [ip_interface("10.1.2.3/24")], base="right")

    assert [next(iter(command["add"])) for command in commands] == ["rule"]


@pytest.mark.parametrize("address", ["10.1.2.3/24", "10.1.2.3/32", "fd00::1/64", "fd00::1/128"])
def test_nft_rule_and_its_text_agree(address: str) -> None:
    """CHECK compares with the text what ADD made of the JSON."""
    rule = _masquerade_nft.commands(ETH0, [ip_interface(address)])[-1]["add"]["rule"]
    source, subnet = (statement["match"] for statement in rule["expr"][:2])
    right = subnet["right"]
    shown = right if isinstance(right, str) else "{addr}/{len}".format(**right["prefix"])
    layer = source["left"]["payload"]["protocol"]

    assert _masquerade_nft.rule_text(ip_interface(address)) == (
        f"{layer} saddr == {source['right']}",
        f"{layer} daddr != {shown}",
        "masquerade",
    )


@given(attachments)
def test_spoof_check_names_stay_within_what_nft_takes(attachment: Attachment) -> None:
    """libnftables ends the process at a comment beyond 253 bytes, nft's text refuses 129."""
    rules = [
        command["add"]["rule"]
        for command in _spoof_check.commands(attachment, "veth0", "02:00:00:00:00:01")
        if "rule" in command.get("add", {})
    ]

    assert all(len(rule["comment"]) <= 128 for rule in rules)
    assert all(len(rule["comment"].encode()) <= 253 for rule in rules)
    assert all(len(rule["chain"].encode()) <= 255 for rule in rules)


def test_spoof_check_id_is_hashed_only_where_it_must() -> None:
    """contracts 2.6: id = <cid>-<ifname>; beyond 128 characters of comment the two hashes."""
    fits = Attachment(network="n", container_id="c" * 111, ifname="eth0")
    long = Attachment(network="n", container_id="c" * 112, ifname="eth0")

    assert _spoof_check.identifier(ETH0) == "cid1-eth0"
    assert _spoof_check.identifier(fits) == f"{'c' * 111}-eth0"
    assert _spoof_check.identifier(long) == long.key
    assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{16}", long.key)


@pytest.mark.parametrize(
    ("complaint", "hint"),
    [
        ("Error: Could not process rule: Operation not permitted", "CAP_NET_ADMIN"),
        ("Error: syntax error, unexpected '{'", "JSON support"),
        ("Error: Could not process rule: Operation not supported", "modules nf_tables, nft_masq"),
        ("Error: Could not process rule: File exists", "nothing was changed"),
    ],
)
def test_refusals_come_with_what_to_do(complaint: str, hint: str) -> None:
    """Messages name what to do next."""
    assert hint in _nft._hint(complaint)


@pytest.mark.parametrize("data", [b"", b"\1", b"\0" * 8, b"\xff" * 40, b"\5\0\1\0x"])
def test_damaged_messages_are_read_to_their_end(data: bytes) -> None:
    """A kernel's answer that is not understood must not raise or hang."""
    assert isinstance(list(attributes(data)), list)
    assert isinstance(comment_of(data, data), str)
    assert isinstance(statements(2, data), tuple)
