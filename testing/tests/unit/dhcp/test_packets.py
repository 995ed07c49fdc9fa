"""DHCP messages in frames: what is sent, and what is made of what comes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk._net._kernel import _dhcp
from cnisdk._net._kernel._dhcp import Packet


def sent(options=None, **fields):
    return Packet(
        xid=0x01020304, options=options or {53: b"\1"}, chaddr="02:00:00:00:00:05", **fields
    )


def as_reply(frame, **changes):
    """A client's frame as if a server had sent it."""
    data = bytearray(frame)
    data[42] = 2
    for offset, value in changes.items():
        data[int(offset[1:])] = value
    return bytes(data)


def checksum(data):
    words = struct.unpack(f">{len(data) // 2}H", data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_what_is_sent():
    """Broadcast before there is an address; both checksums right; at least as long as a BOOTP message."""
    frame = _dhcp.encode(sent(broadcast=True, secs=7))

    assert frame[:6] == b"\xff" * 6
    assert frame[6:12].hex(":") == "02:00:00:00:00:05"
    assert frame[26:34] == b"\0\0\0\0\xff\xff\xff\xff"
    assert frame[34:38] == struct.pack(">HH", 68, 67)
    assert frame[46:54] == b"\1\2\3\4" + struct.pack(">HH", 7, 0x8000)
    assert len(frame) == 42 + 300
    assert checksum(frame[14:34]) == 0xFFFF
    udp = frame[34:]
    assert checksum(frame[26:34] + struct.pack(">HH", 17, len(udp)) + udp) == 0xFFFF


def test_what_comes_back():
    """All options, long ones in parts (RFC 3396)."""
    options = {53: b"\2", 61: b"\0" + b"x" * 600, 12: b""}

    packet = _dhcp.decode(as_reply(_dhcp.encode(sent(options))))

    assert packet is not None
    assert packet.options == options
    assert (packet.xid, packet.kind, packet.chaddr) == (0x01020304, 2, "02:00:00:00:00:05")


def test_options_in_the_fields_of_names():
    """Option 52: the fields for a file and a server's name hold more of them, the file's first."""
    frame = bytearray(as_reply(_dhcp.encode(sent({53: b"\5", 52: b"\3", 6: b"\1\1"}))))
    body = 42
    frame[body + 108 : body + 113] = bytes([6, 2, 2, 2, 255])
    frame[body + 44 : body + 51] = bytes([6, 1, 3, 15, 1, 97, 255])

    packet = _dhcp.decode(bytes(frame))

    assert packet is not None
    assert packet.options[6] == b"\1\1\2\2\3"
    assert packet.options[15] == b"a"


@pytest.mark.parametrize("cut", [0, 13, 20, 40, 42, 100, 281, 284])
def test_cut_frames(cut):
    assert _dhcp.decode(as_reply(_dhcp.encode(sent()))[:cut]) is None


def test_what_is_no_reply():
    frame = _dhcp.encode(sent())

    assert _dhcp.decode(frame) is None  # a client's
    assert _dhcp.decode(as_reply(frame, o278=0)) is None  # not the magic cookie


@given(
    st.binary(max_size=400), st.dictionaries(st.integers(0, 341), st.integers(0, 255), max_size=8)
)
def test_garbage_is_nothing(data, changes):
    """Whatever comes in, nothing raises."""
    damaged = bytearray(as_reply(_dhcp.encode(sent({53: b"\2", 1: b"\xff\xff\xff\0"}))))
    for offset, value in changes.items():
        damaged[offset] = value

    for frame in (data, bytes(damaged)):
        found = _dhcp.decode(frame)
        assert found is None or isinstance(found.kind, int)
