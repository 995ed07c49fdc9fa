"""Gob, as far as Go's net/rpc needs it. The bytes in here were written down from the format's description."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk.dhcp import _gob
from cnisdk.dhcp._gob import BYTES, INT, STRING, UINT, List, Struct


_POINT = Struct("Point", (("X", INT), ("Y", INT)))
_ALL = Struct(
    "All",
    (
        ("Text", STRING),
        ("Data", BYTES),
        ("Count", UINT),
        ("Point", _POINT),
        ("Points", List(_POINT)),
        ("Texts", List(STRING)),
    ),
)


def messages(stream):
    while stream:
        found = _gob.length(stream)
        assert found is not None
        size, start = found
        yield stream[start : start + size]
        stream = stream[start + size :]


def test_the_example_of_the_description():
    """pkg.go.dev/encoding/gob: a struct of two ints, 22 and 33, apart from the type's number."""
    *_, value = messages(_gob.Encoder().encode(_POINT, {"X": 22, "Y": 33}))

    assert value[-5:] == bytes([0x01, 0x2C, 0x01, 0x42, 0x00])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "Text": st.text(min_size=1),
            "Data": st.binary(min_size=1, max_size=300),
            "Count": st.integers(1, 2**64 - 1),
            "Point": st.fixed_dictionaries({"X": st.integers(-(2**63), -1)}),
            "Points": st.lists(
                st.fixed_dictionaries({"Y": st.integers(1, 2**63 - 1)}), min_size=1, max_size=4
            ),
            "Texts": st.lists(st.text(), min_size=1, max_size=4),
        },
    )
)
def test_values_come_back(value):
    encoder, decoder = _gob.Encoder(), _gob.Decoder()

    for _ in range(2):  # types are defined once
        found = [decoder.decode(each) for each in messages(encoder.encode(_ALL, value))]
        assert found[-1] == value
        assert not any(found[:-1])


@given(st.binary(max_size=60))
def test_garbage_is_read_or_refused(data):
    """Nothing else is raised, whatever a stranger sends."""
    with contextlib.suppress(_gob.Malformed):
        _gob.Decoder().decode(data)


@pytest.mark.parametrize("head", [b"", b"\xfe", b"\xfe\x01"])
def test_a_length_needs_enough_bytes(head):
    assert _gob.length(head) is None
    assert _gob.length(b"\xfe\x01\x00") == (256, 3)
