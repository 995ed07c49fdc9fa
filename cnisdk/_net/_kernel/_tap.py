"""Tap devices: made by ioctl (Documentation/networking/tuntap.rst), in the namespace of the caller."""

# ruff: noqa: PLC0415  # hardly any plugin makes one

from __future__ import annotations

import os
import struct


_DEVICE = "/dev/net/tun"
_SET_IFF, _SET_PERSIST, _SET_OWNER, _SET_GROUP = 0x400454CA, 0x400454CB, 0x400454CC, 0x400454CE
_TAP, _MULTI_QUEUE, _NO_PACKET_INFORMATION, _EXCLUSIVE = 0x2, 0x100, 0x1000, 0x8000


def make_tap(name: str, *, owner: int | None, group: int | None, multi_queue: bool) -> None:
    """Make a tap device that stays when nobody has it open."""
    from fcntl import ioctl

    flags = _TAP | _NO_PACKET_INFORMATION | _EXCLUSIVE | (_MULTI_QUEUE if multi_queue else 0)
    fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        ioctl(fd, _SET_IFF, struct.pack("16sH22x", name.encode(), flags))
        for request, value in ((_SET_OWNER, owner), (_SET_GROUP, group), (_SET_PERSIST, 1)):
            if value is not None:
                ioctl(fd, request, value)
    finally:
        os.close(fd)
