"""Which JSON values a field of a given type takes, and what is said of the others."""

import dataclasses
import enum
import math
import pathlib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_interface, ip_network
from typing import Annotated, Any, Literal, NewType, Optional

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnisdk
from cnisdk import errors
from cnisdk._codec import decode
from cnisdk._problems import Problems
from cnisdk._structure import from_text, hook_for


class Mode(enum.Enum):
    """A choice."""

    L2 = "l2"
    L3 = "l3"


@dataclasses.dataclass
class Plain:
    """What the SDK leaves to cattrs."""

    size: int


@cnisdk.config
class Inner:
    """A section."""

    max_size: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    peers: tuple[cnisdk.IpAddress, ...] = ()


VlanId = NewType("VlanId", int)

ACCEPTED = [
    (str, "x", "x"),
    (str, "", ""),
    (bool, True, True),
    (int, 12, 12),
    (int, 12.0, 12),
    (int, -(10**30), -(10**30)),
    (float, 1, 1.0),
    (float, 1.5, 1.5),
    (Any, {"a": [1, None]}, {"a": [1, None]}),
    (object, [1], [1]),
    (int | None, None, None),
    (Optional[int], 5, 5),  # noqa: UP045  # authors write it this way, too
    (int | str, 5, 5),
    (int | str, "5", "5"),
    (int | float, 1.5, 1.5),
    (list[int] | int, [1], [1]),
    (bool | list[str] | None, ["a"], ["a"]),
    (Literal["nftables", "iptables"], "nftables", "nftables"),
    (Literal[1, "auto"], 1, 1),
    (Literal["a"] | None, None, None),
    (Mode, "l3", Mode.L3),
    (Mode | None, None, None),
    (list[int], [1, 2], [1, 2]),
    (list, [1, "a"], [1, "a"]),
    (tuple[str, ...], ["a"], ("a",)),
    (tuple[int, str], [1, "a"], (1, "a")),
    (Sequence[int], [1], (1,)),
    (set[str], ["a", "a"], {"a"}),
    (frozenset[int], [1], frozenset({1})),
    (tuple[tuple[int, ...], ...], [[1], [2, 3]], ((1,), (2, 3))),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (Mapping[str, list[int]], {"a": [1]}, {"a": [1]}),
    (dict[int, str], {"7": "x"}, {7: "x"}),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, Any], {"a": None}, {"a": None}),
    (cnisdk.IpAddress, "10.0.0.1", ip_address("10.0.0.1")),
    (cnisdk.IpAddress, "::ffff:10.0.0.1", ip_address("10.0.0.1")),
    (cnisdk.IpAddress | None, "", None),
    (IPv4Address | None, "", None),
    (cnisdk.IpInterface, "10.2.3.1/24", ip_interface("10.2.3.1/24")),
    (cnisdk.IpInterface | None, None, None),
    (cnisdk.IpNetwork, "10.2.3.1/24", ip_network("10.2.3.0/24")),
    (IPv4Address, "10.0.0.1", ip_address("10.0.0.1")),
    (IPv6Network, "fd00::/64", ip_network("fd00::/64")),
    (cnisdk.Dns, {}, cnisdk.Dns()),
    (cnisdk.Dns | None, {}, None),
    (cnisdk.Dns | None, {"domain": "a"}, cnisdk.Dns(domain="a")),
    (cnisdk.Route, {"dst": "0.0.0.0/0"}, cnisdk.Route(ip_network("0.0.0.0/0"))),
    (Inner, {"MaxSize": 2}, Inner(max_size=2)),
    (dict[str, Inner], {"a": {}}, {"a": Inner()}),
    (VlanId, 5, 5),
    (Annotated[int, "a note"], 5, 5),
    (Plain, {"size": 3}, Plain(3)),
    (pathlib.Path, "/x", pathlib.Path("/x")),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), ACCEPTED)
def test_value_of_the_right_type_is_read(annotation: Any, value: object, expected: object) -> None:
    """What Go's decoder would take, and types it has no name for."""
    found = hook_for(annotation)(value)

    assert found == expected
    assert type(found) is type(expected)


WRONG_TYPE = [
    (str, 1, "expected a string, got 1"),
    (str, None, "expected a string, got null"),
    (bool, "no", 'expected true or false, got "no"'),
    (bool, 1, "expected true or false, got 1"),
    (int, "12", 'expected a whole number, got "12"'),
    (int, True, "expected a whole number, got true"),
    (int, 1.5, "expected a whole number, got 1.5"),
    (int, [], "expected a whole number, got []"),
    (float, True, "expected a number, got true"),
    (float, "1", 'expected a number, got "1"'),
    (int | None, "x", 'expected a whole number, got "x"'),
    (int | str, 1.5, "expected a whole number or a string, got 1.5"),
    (bool | list[str], 1, "expected true or false or a list, got 1"),
    (Literal[1, 2], True, "expected 1 or 2, got true"),
    (Literal["a", "b"], ["a"], 'expected "a" or "b", got ["a"]'),
    (Mode, 2, 'expected "l2" or "l3", got 2'),
    (Mode, {}, 'expected "l2" or "l3", got {}'),
    (list[int], "ab", 'expected a list, got "ab"'),
    (set[str], "ab", 'expected a list, got "ab"'),
    (tuple[int, str], [1], "expected a list of 2, got [1]"),
    (tuple[int, str], 1, "expected a list of 2, got 1"),
    (list[int], {"a": 1}, 'expected a list, got {"a": 1}'),
    (dict[str, int], [], "expected an object, got []"),
    (cnisdk.IpAddress, 5, "expected an IP address, got 5"),
    (cnisdk.IpInterface, None, "expected an address in CIDR notation, got null"),
    (Inner, "x", 'expected an object, got "x"'),
    (cnisdk.Dns, 1, "expected an object, got 1"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), WRONG_TYPE)
def test_value_of_another_json_type_is_refused(
    annotation: Any, value: object, message: str
) -> None:
    """T: wrong JSON type for a known field is an error (contract 1.3); never coerced."""
    with pytest.raises(Problems) as caught:
        hook_for(annotation)(value)

    (problem,) = caught.value.problems
    assert problem.message == message
    assert problem.error is errors.DecodingFailure


WRONG_VALUE = [
    (Literal["nftables", "iptables"], "nft", 'expected "nftables" or "iptables", got "nft"'),
    (Mode, "l4", 'expected "l2" or "l3", got "l4"'),
    (float, 10**400, " is out of range"),
    (cnisdk.IpAddress, "zz", 'expected an IP address, got "zz"'),
    (cnisdk.IpAddress, "", 'expected an IP address, got ""'),
    (cnisdk.IpAddress, "fe80::1%eth0", 'expected an IP address, got "fe80::1%eth0"'),
    (cnisdk.IpAddress, "010.0.0.1", 'expected an IP address, got "010.0.0.1"'),
    (IPv4Address, "::1", 'expected an IPv4 address, got "::1"'),
    (IPv6Network, "10.0.0.0/8", 'expected an IPv6 network in CIDR notation, got "10.0.0.0/8"'),
    (cnisdk.IpInterface, "10.0.0.1", 'expected an address in CIDR notation, got "10.0.0.1"'),
    (cnisdk.IpInterface, "10.0.0.1/33", 'expected an address in CIDR notation, got "10.0.0.1/33"'),
    (
        cnisdk.IpInterface,
        "10.0.0.1/255.0.0.0",
        'expected an address in CIDR notation, got "10.0.0.1/255.0.0.0"',
    ),
    (cnisdk.IpNetwork, "10.0.0.0/²", "expected a network in CIDR notation"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), WRONG_VALUE)
def test_value_that_makes_no_sense_is_refused(annotation: Any, value: object, message: str) -> None:
    """T: invalid CIDR; IP text that is garbage: right JSON type, wrong content, so code 7."""
    with pytest.raises(Problems) as caught:
        hook_for(annotation)(value)

    (problem,) = caught.value.problems
    assert message in problem.message
    assert len(problem.message) < 200
    assert problem.error is errors.InvalidConfig


@pytest.mark.parametrize(
    ("annotation", "value", "paths"),
    [
        (list[int], [1, "a", None], ["[1]", "[2]"]),
        (dict[str, int], {"a": 1, "b": "x"}, ["b"]),
        (dict[int, str], {"x": "a"}, ["x"]),
        (tuple[tuple[Inner, ...], ...], [[{}], [{"peers": ["::1", "zz"]}]], ["[1][0].peers[1]"]),
        (Inner, {"MAXSIZE": "1"}, ["MAXSIZE"]),
        (Inner | None, {"maxSize": 0}, ["maxSize"]),
        (list[Inner] | str, [{"maxSize": 0}], ["[0].maxSize"]),
        (cnisdk.Route, {"dst": "zz"}, ["dst"]),
        (list[cnisdk.Route], [{"dst": "::/0", "mtu": -1}], ["[0].mtu"]),
        (cnisdk.Dns, {"search": [1]}, ["search[0]"]),
    ],
)
def test_defects_carry_their_json_path(annotation: Any, value: object, paths: list[str]) -> None:
    """Every defect of a value is found, each with its path in the operator's spelling."""
    with pytest.raises(Problems) as caught:
        hook_for(annotation)(value)

    assert [problem.path for problem in caught.value.problems] == paths


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_number_that_json_lacks_is_no_whole_number(value: float) -> None:
    """Python's decoder takes NaN and Infinity; no field of type int does."""
    with pytest.raises(Problems):
        hook_for(int)(value)


@pytest.mark.parametrize("annotation", [Plain, pathlib.Path])
def test_types_left_to_cattrs_fail_as_problems(annotation: Any) -> None:
    """Whatever their constructors raise."""
    with pytest.raises(Problems):
        hook_for(annotation)(12)


@pytest.mark.parametrize(
    ("text", "annotation", "expected"),
    [
        ("True", bool, True),
        ("true", bool, True),
        ("1", bool, True),
        ("False", bool, False),
        ("false", bool, False),
        ("0", bool, False),
        ("x", str, "x"),
        ("1", str, "1"),
        ("-5", int, -5),
        ("7", int | None, 7),
        ("1.5", float, 1.5),
        ("10.0.0.1", cnisdk.IpAddress, ip_address("10.0.0.1")),
        ("10.0.0.1", cnisdk.IpAddress | None, ip_address("10.0.0.1")),
        ("l2", Mode, Mode.L2),
    ],
)
def test_argument_text_is_read_as_the_fields_type(
    text: str, annotation: Any, expected: object
) -> None:
    """T: args booleans, string field, value vs pointer fields (here: plain and optional types)."""
    found = from_text(text, annotation)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "annotation"),
    [
        ("maybe", bool),
        ("", bool),
        ("--5", int),
        ("1_000", int),
        (" 1", int),
        ("٣", int),
        ("9" * 5000, int),
        ("nan", float),
        ("inf", float),
        ("zz", cnisdk.IpAddress),
    ],
)
def test_argument_text_of_another_form_is_refused(text: str, annotation: Any) -> None:
    """T: args: invalid boolean; unparsable known value."""
    with pytest.raises(Problems):
        from_text(text, annotation)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.ip_addresses().map(str),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("annotation", list(dict.fromkeys(row[0] for row in ACCEPTED)), ids=str)
@given(value=JSON)
def test_any_json_value_is_read_or_refused(annotation: Any, value: object) -> None:
    """No value makes a type fail in another way, and a second reading agrees with the first."""
    hook = hook_for(annotation)
    try:
        found = hook(value)
    except Problems as refused:
        assert all(problem.message for problem in refused.problems)
    else:
        assert repr(found) == repr(hook(value))


@cnisdk.config
class Unreadable(cnisdk.NetConf):
    """Its field has no form in JSON."""

    callback: type[int] | complex | None = None


def test_field_type_without_json_form_is_named() -> None:
    """The author's mistake, said at the first call."""
    with pytest.raises(errors.InternalError, match=r"Unreadable: field callback") as caught:
        decode(Unreadable, {})

    assert caught.value.code == 999


@cnisdk.config
class Dangling(cnisdk.NetConf):
    """Its annotation names nothing."""

    __annotations__ = {"peer": "NoSuchClass | None"}
    peer = None


def test_annotation_that_cannot_be_resolved_is_named() -> None:
    """The usual reason is an import under TYPE_CHECKING."""
    with pytest.raises(errors.InternalError, match="Dangling: name 'NoSuchClass'") as caught:
        decode(Dangling, {})

    assert "TYPE_CHECKING" in caught.value.details
