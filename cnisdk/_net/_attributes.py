"""The attributes that netlink messages consist of."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator


_TYPE_MASK = 0x3FFF  # the upper bits say "nested" and "big endian"


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The type-length-value items of a netlink message."""
    start = 0
    while start + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, start)
        if length < 4:
            return
        yield kind & _TYPE_MASK, data[start + 4 : start + length]
        start += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """One of them, for a message to the kernel."""
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def string(kind: int, value: str) -> bytes:
    """One that holds a string."""
    return attribute(kind, value.encode(errors="replace") + b"\0")


def number(value: bytes) -> int:
    """An unsigned number of any width, in the machine's order of bytes."""
    return int.from_bytes(value, sys.byteorder)


def text(value: bytes) -> str:
    """A string that a zero byte ends."""
    return value.partition(b"\0")[0].decode(errors="replace")
