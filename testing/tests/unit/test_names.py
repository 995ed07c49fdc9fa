"""Container id, network name, interface name, CNI_ARGS and the attachment's names."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk import errors
from cnisdk._names import (
    Attachment,
    check_network_name,
    ifname_problem,
    is_identifier,
    parse_cni_args,
    short_hash,
)


@pytest.mark.parametrize("value", ["a", "A9", "0", "a..b", "a_b-c.d", "x" * 300])
def test_identifier_of_allowed_characters_is_accepted(value: str) -> None:
    """T: cid, network name, ifname validators: good."""
    assert is_identifier(value)


@pytest.mark.parametrize(
    "value", ["", "..", "-x", ".a", "_a", "a b", "a/b", "a\n", "\na", "é", "a\0", "a\udc80"]
)
def test_identifier_with_anything_else_is_refused(value: str) -> None:
    r"""T: cid, network name, ifname validators: empty, bad chars, ".", "/", space; `$` before "\n"."""
    assert not is_identifier(value)


@pytest.mark.parametrize("name", ["eth0", "a" * 15, "é" * 7, "a-b_c.d", "@%$!"])
def test_ifname_the_kernel_takes_is_accepted(name: str) -> None:
    """T: cid, network name, ifname validators: good; the limit counts bytes."""
    assert ifname_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "interface name is empty"),
        ("a" * 16, "interface name is too long: should be less than 16 characters"),
        ("é" * 8, "interface name is too long: should be less than 16 characters"),
        (".", "interface name is . or .."),
        ("..", "interface name is . or .."),
        ("a/b", "interface name contains / or : or whitespace characters"),
        ("a:1", "interface name contains / or : or whitespace characters"),
        ("a b", "interface name contains / or : or whitespace characters"),
        ("a\n", "interface name contains / or : or whitespace characters"),
        ("a\u2003b", "interface name contains / or : or whitespace characters"),
        ("a\0", "interface name contains unprintable characters"),
        ("a\udc80", "interface name contains unprintable characters"),
        ("a\ud800", "interface name contains unprintable characters"),  # noqa: PT014  # not the same
    ],
)
def test_ifname_problem_is_named(name: str, problem: str) -> None:
    """T: ifname too long / "." / ".." / "/" / ":" / white space: exact text."""
    assert ifname_problem(name) == problem


def test_missing_network_name_is_an_invalid_config() -> None:
    """T: network name validator: empty."""
    with pytest.raises(errors.InvalidConfig) as caught:
        check_network_name("")

    assert caught.value.code == 7
    assert caught.value.msg.startswith("missing network name")


def test_bad_network_name_is_shown_in_one_readable_line() -> None:
    """T: bad network name."""
    with pytest.raises(errors.InvalidConfig) as caught:
        check_network_name("a\nb" + "x" * 1000)

    assert caught.value.code == 7
    assert caught.value.msg.startswith('invalid characters found in network name "a\\nb')
    assert len(caught.value.msg) < 200


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("IP=10.0.0.2", {"IP": "10.0.0.2"}),
        ("A=1;B=2", {"A": "1", "B": "2"}),
        ("A=1;", {"A": "1"}),
        (";;A=1; ;", {"A": "1"}),
        ("A=b=c", {"A": "b=c"}),
        ("A=", {"A": ""}),
        (" A =1", {"A": "1"}),
        ("A=1;A=2", {"A": "2"}),
    ],
)
def test_cni_args_are_split_at_the_first_equals_sign(text: str, arguments: dict[str, str]) -> None:
    """W-LIB-21: Go refuses a trailing ";" and a value that holds "="."""
    assert parse_cni_args(text) == arguments


@pytest.mark.parametrize("text", ["A", "=1", "A=1;B", " =x"])
def test_cni_args_pair_without_key_is_named(text: str) -> None:
    """T: args: an invalid pair is an error."""
    with pytest.raises(errors.InvalidEnvironment) as caught:
        parse_cni_args(text)

    assert caught.value.code == 4
    assert caught.value.msg.startswith('CNI_ARGS: invalid pair "')


@given(st.text())
def test_cni_args_parser_either_answers_or_refuses(text: str) -> None:
    """No text makes the parser fail in another way."""
    try:
        arguments = parse_cni_args(text)
    except errors.InvalidEnvironment as refused:
        assert "CNI_ARGS" in refused.msg
    else:
        assert all(arguments)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_short_hash_is_the_go_plugins_one(text: str) -> None:
    """The interpreter's own SHA-512 and OpenSSL's are the same."""
    assert short_hash(text) == hashlib.sha512(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "other",
    [
        Attachment("mynet1", "cid1", "eth0"),
        Attachment("mynat", "cid1", "eth0"),
        Attachment("mynet", "cid2", "eth0"),
        Attachment("mynet", "cid", "eth0"),
        Attachment("mynet", "cid1", "eth1"),
    ],
    ids=str,
)
def test_one_character_makes_another_name(other: Attachment) -> None:
    """T: hash names: deterministic, sensitive to one char, custom prefix, exactly 28 characters."""
    me, same = Attachment("mynet", "cid1", "eth0"), Attachment("mynet", "cid1", "eth0")
    name = me.hashed_name("CNI-DN-", 28, ifname=True)

    assert (len(name), name[:7]) == (28, "CNI-DN-")
    assert me.hashed_name("PREFIX-", 28, ifname=True) == f"PREFIX-{name[7:]}"
    assert (same.key, same.hashed_name("CNI-DN-", 28, ifname=True)) == (me.key, name)
    assert other.key != me.key
    assert other.hashed_name("CNI-DN-", 28, ifname=True) != name
    assert (other.hashed_name("CNI-", 28) == me.hashed_name("CNI-", 28)) == (
        (other.network, other.container_id) == (me.network, me.container_id)
    )


@given(st.text(), st.text(), st.text())
def test_owner_tag_fits_and_is_recognised(network: str, container: str, ifname: str) -> None:
    """At most 128 bytes, room of an nft comment; owned by this attachment, whatever its names."""
    attachment = Attachment(network, container, ifname)

    assert len(attachment.owner_tag.encode()) <= 128
    assert attachment.owns(attachment.owner_tag)
    assert '"' not in attachment.owner_tag


def test_an_owner_tag_tells_whose_it_is() -> None:
    """As far as it has room; other comments are nobody's."""
    attachment = Attachment("my net", "c1", "eth0")
    long = Attachment("mynet", "c" * 200, "eth0")
    cut = Attachment.from_tag(long.owner_tag)

    assert Attachment.from_tag(attachment.owner_tag) == attachment
    assert cut is not None
    assert (cut.network, cut.ifname) == ("mynet", "eth0")
    assert long.container_id.startswith(cut.container_id)
    for text in ("", "dnat name: x", f"{attachment.key}, net: ", attachment.owner_tag[5:]):
        assert Attachment.from_tag(text) is None


def test_attachments_that_join_to_the_same_text_have_different_keys() -> None:
    """Network a-b with container c is not network a with container b-c (W-LIB-16's trap)."""
    keys = {
        Attachment("a-b", "c", "eth0").key,
        Attachment("a", "b-c", "eth0").key,
        Attachment("a", "b", "c-eth0").key,
    }

    assert len(keys) == 3


@pytest.mark.parametrize(("prefix", "length"), [("bwp", 3), ("CNI-", 0), ("x" * 40, 28), ("", 200)])
def test_a_name_without_room_for_a_hash_is_refused(prefix: str, length: int) -> None:
    """2.7: T: too-long prefix, length bounds."""
    with pytest.raises(ValueError, match=f"a name of {length} characters"):
        Attachment("net", "c1", "eth0").hashed_name(prefix, length)


def test_attachment_reads_as_the_operator_would_say_it() -> None:
    """For messages."""
    assert str(Attachment("net", "c1", "eth0")) == "c1/eth0 on net"
