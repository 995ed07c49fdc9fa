"""Queueing disciplines and filters over rtnetlink (linux/pkt_sched.h, pkt_cls.h, tc_mirred.h).

pyroute2 has these messages too, but imports 40 modules for them.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from cnisdk._net._attributes import attribute, attributes, string
from cnisdk._net._netlink import KernelRefusal
from cnisdk._net._qdisc import ENTRY, ROOT, Qdisc, Redirect


if TYPE_CHECKING:
    from cnisdk._net._netlink import Netlink

_NEWQDISC, _DELQDISC, _GETQDISC = 36, 37, 38
_NEWTFILTER, _DELTFILTER, _GETTFILTER = 44, 45, 46
_REQUEST, _ACK, _ECHO, _DUMP = 0x1, 0x4, 0x8, 0x300
_REPLACE, _EXCL, _CREATE = 0x100, 0x200, 0x400
_MESSAGE = struct.Struct("=IHHIIB3xiIII")
"""struct nlmsghdr and struct tcmsg."""
_TBF = struct.Struct("=BBHhHI BBHhHI III")
"""struct tc_tbf_qopt: rate, peak rate, limit, buffer, mtu."""
_SELECTOR = struct.Struct("=BBBxHHhhI IIii")
"""struct tc_u32_sel with one key."""
_MIRRED = struct.Struct("=IIiii iI")
"""struct tc_mirred."""
_KIND, _OPTIONS = 1, 2
_TBF_PARMS, _TBF_RATE64 = 1, 4
_U32_CLASS, _U32_SELECTOR, _U32_ACTION = 1, 5, 7
_ACTION_KIND, _ACTION_OPTIONS, _MIRRED_PARMS = 1, 2, 2
_TERMINAL, _STOLEN, _TO_EGRESS = 1, 4, 1
_EVERY_PROTOCOL = 0x0300  # ETH_P_ALL in network order
_FIRST_CLASS = 0x00010001
_LARGEST_32 = 2**32 - 1
_NESTED = 0x8000


class Shaping:
    """The part of a kernel's namespace that limits rates."""

    _netlink: Netlink

    def qdisc(self, index: int, parent: int) -> Qdisc | None:
        """The queueing discipline at a link's root or ingress; None where it is the kernel's own."""
        # Older kernels answer only those who ask for an echo.
        request = _request(_GETQDISC, _ECHO, index, parent=parent)
        try:
            answers = self._netlink.batch([request])[0]
        except KernelRefusal as refusal:
            if refusal.errno in {errno.ENOENT, errno.EINVAL}:
                return None
            raise
        return _qdisc(answers[0]) if answers else None

    def set_qdisc(self, index: int, qdisc: Qdisc) -> None:
        """Make a queueing discipline, or give the one that is there these numbers."""
        flags = _CREATE | (_REPLACE if qdisc.parent == ROOT else _EXCL)
        request = _request(_NEWQDISC, flags, index, handle=qdisc.handle, parent=qdisc.parent)
        request += string(_KIND, qdisc.kind)
        if qdisc.kind == "tbf":
            request += attribute(_OPTIONS, _tbf(qdisc))
        self._netlink.batch([_complete(request)])

    def remove_qdisc(self, index: int, qdisc: Qdisc) -> None:
        """Remove a queueing discipline, with its filters."""
        handle, parent = qdisc.handle, qdisc.parent
        self._netlink.batch([_request(_DELQDISC, 0, index, handle=handle, parent=parent)])

    def redirects(self, index: int) -> list[Redirect]:
        """The filters of a link that redirect what comes in, in their order."""
        return [each for message in self._filters(index) for each in _redirects(message)]

    def has_filters(self, index: int) -> bool:
        """Whether a link has any filter for what comes in."""
        return bool(self._filters(index))

    def _filters(self, index: int) -> list[bytes]:
        try:
            return self._netlink.dump(_request(_GETTFILTER, _DUMP, index, parent=ENTRY))
        except KernelRefusal as refusal:
            if refusal.errno in {errno.ENOENT, errno.EINVAL}:
                return []  # no queueing discipline that has filters
            raise

    def add_redirect(self, index: int, redirect: Redirect) -> None:
        """Send all that comes in by a link out by another one."""
        info = redirect.priority << 16 | _EVERY_PROTOCOL
        request = _request(_NEWTFILTER, _CREATE | _EXCL, index, parent=ENTRY, info=info)
        request += string(_KIND, "u32") + attribute(_OPTIONS, _u32(redirect.target or 0))
        self._netlink.batch([_complete(request)])

    def remove_redirects(self, index: int, priority: int) -> None:
        """Remove the filters of one priority for packets that come in."""
        info = priority << 16 | _EVERY_PROTOCOL
        self._netlink.batch([_request(_DELTFILTER, 0, index, parent=ENTRY, info=info)])


def _request(
    kind: int, flags: int, index: int, *, handle: int = 0, parent: int = 0, info: int = 0
) -> bytearray:
    flags |= _REQUEST | (0 if flags == _DUMP else _ACK)
    head = _MESSAGE.pack(_MESSAGE.size, kind, flags, 0, 0, 0, index, handle, parent, info)
    return bytearray(head)


def _complete(request: bytearray) -> bytearray:
    struct.pack_into("=I", request, 0, len(request))
    return request


def _tbf(qdisc: Qdisc) -> bytes:
    rate = min(qdisc.rate, _LARGEST_32)
    numbers = (0, 0, 0, 0, 0, rate, 0, 0, 0, 0, 0, 0, qdisc.limit, qdisc.buffer, 0)
    options = attribute(_TBF_PARMS, _TBF.pack(*numbers))
    if qdisc.rate > _LARGEST_32:
        options += attribute(_TBF_RATE64, struct.pack("=Q", qdisc.rate))
    return options


def _u32(target: int) -> bytes:
    selector = _SELECTOR.pack(_TERMINAL, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    mirred = _MIRRED.pack(0, 0, _STOLEN, 0, 0, _TO_EGRESS, target)
    options = attribute(_ACTION_OPTIONS | _NESTED, attribute(_MIRRED_PARMS, mirred))
    action = attribute(1 | _NESTED, string(_ACTION_KIND, "mirred") + options)
    return (
        attribute(_U32_CLASS, struct.pack("=I", _FIRST_CLASS))
        + attribute(_U32_SELECTOR, selector)
        + attribute(_U32_ACTION | _NESTED, action)
    )


def _qdisc(message: bytes) -> Qdisc | None:
    _, _, _, _, _, _, _, handle, parent, _ = _MESSAGE.unpack_from(message)
    found = dict(attributes(message[_MESSAGE.size :]))
    kind = found.get(_KIND, b"").rstrip(b"\0").decode()
    if not handle:
        return None  # the kernel's own, such as noqueue
    options = dict(attributes(found.get(_OPTIONS, b""))) if kind == "tbf" else {}
    if _TBF_PARMS not in options:
        return Qdisc(kind=kind, handle=handle, parent=parent)
    numbers = _TBF.unpack_from(options[_TBF_PARMS])
    rate = numbers[5]
    if _TBF_RATE64 in options:
        (rate,) = struct.unpack("=Q", options[_TBF_RATE64])
    return Qdisc(
        kind=kind,
        handle=handle,
        parent=parent,
        rate=rate,
        limit=numbers[12],
        buffer=numbers[13],
    )


def _redirects(message: bytes) -> list[Redirect]:
    """What one filter redirects; nothing for one that does something else."""
    info = _MESSAGE.unpack_from(message)[-1]
    found = dict(attributes(message[_MESSAGE.size :]))
    kind = found.get(_KIND, b"").rstrip(b"\0").decode()
    options = dict(attributes(found.get(_OPTIONS, b""))) if kind == "u32" else {}
    selector = options.get(_U32_SELECTOR, b"")
    keys = [selector[start : start + 8] for start in range(16, len(selector), 16)]
    everything = info & 0xFFFF == _EVERY_PROTOCOL and not any(map(any, keys))
    targets: list[int] = []
    for _, action in attributes(options.get(_U32_ACTION, b"")):
        parts = dict(attributes(action))
        if parts.get(_ACTION_KIND) != b"mirred\0":
            continue
        mirred = dict(attributes(parts.get(_ACTION_OPTIONS, b""))).get(_MIRRED_PARMS)
        if mirred is not None:
            *_, direction, target = _MIRRED.unpack_from(mirred)
            targets += [target] if direction == _TO_EGRESS else []
    # Only the first one counts: it takes the packet.
    return [
        Redirect(target=each or None, everything=everything, priority=info >> 16)
        for each in targets[:1]
    ]
