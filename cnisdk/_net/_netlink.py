"""A blocking rtnetlink socket: batches out, answers and acknowledgements in."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Container, Sequence

from cnisdk._net._setns import entered


HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence number, sender."""
_ERROR, _DONE = 2, 3
_DUMP_INTERRUPTED, _CAPPED, _ACK_TLVS = 0x10, 0x100, 0x200
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT_CHECK = 270, 10, 11, 12
_MESSAGE_TLV = 1
_RECEIVE = 1 << 18
_DUMP_TRIES = 12
_REPLY_SECONDS = 20.0
_LONGEST_WAIT = 3600.0
_BATCH = 64
"""Requests of one call: the answers to all of them have to fit into the socket's buffer."""


class KernelRefusal(OSError):
    """The kernel refused a request; ``position`` says which one of a batch."""

    def __init__(self, number: int, text: str, position: int) -> None:
        super().__init__(number, text or os.strerror(number))
        self.position = position


class AlreadyThere(KernelRefusal, FileExistsError):
    """EEXIST, for those who expect it."""


class Socket(socket.socket):
    """A socket that may be left to the garbage collector, as a handler leaves what it was given.

    In a cycle a plain one complains, depending on which object the collector takes first.
    """

    def __del__(self) -> None:
        self.close()


class Netlink:
    """One rtnetlink socket in one network namespace.

    Args:
        netns_fd: The namespace; None for the current one.
        groups: Multicast groups (bits) whose events are wanted.
    """

    def __init__(self, netns_fd: int | None = None, groups: int = 0) -> None:
        with entered(netns_fd):
            self._socket = Socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
        for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
            try:
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            except OSError:
                continue  # an older kernel: shorter messages, longer dumps
        self._socket.bind((0, groups))
        self._socket.settimeout(_REPLY_SECONDS)
        self._sequence = 0

    def batch(
        self, requests: Sequence[bytearray], *, tolerated: Container[int] = ()
    ) -> list[list[bytes]]:
        """Send requests in one call, or in as few as possible; each asks for an acknowledgement.

        The kernel goes on after a refusal: what follows in the same call has been tried.

        Args:
            requests: The messages.
            tolerated: Error numbers that are as good as success.

        Returns:
            For each request the messages that answered it.

        Raises:
            KernelRefusal: the first request that was refused.
        """
        answers: list[list[bytes]] = []
        for start in range(0, len(requests), _BATCH):
            try:
                answers += self._batch(requests[start : start + _BATCH], tolerated)
            except KernelRefusal as refusal:
                refusal.position += start
                raise
        return answers

    def _batch(self, requests: Sequence[bytearray], tolerated: Container[int]) -> list[list[bytes]]:
        first = self._sequence + 1
        for request in requests:
            self._number(request)
        self._socket.send(b"".join(requests))
        answers: list[list[bytes]] = [[] for _ in requests]
        waiting = set(range(len(requests)))
        refusals: list[KernelRefusal] = []
        while waiting:
            for kind, flags, sequence, message in self._receive():
                position = sequence - first
                if position not in waiting:
                    continue
                if kind != _ERROR:
                    answers[position].append(message)
                    continue
                waiting.discard(position)
                number, text = _refusal(flags, message)
                if number and number not in tolerated:
                    kind_of = AlreadyThere if number == errno.EEXIST else KernelRefusal
                    refusals.append(kind_of(number, text, position))
        if refusals:
            raise min(refusals, key=lambda each: each.position)
        return answers

    def dump(self, request: bytearray) -> list[bytes]:
        """Everything the kernel has of a kind; repeated when it changed meanwhile (W-NL-1).

        Raises:
            KernelRefusal: the kernel refused, or never got through undisturbed (EAGAIN).
        """
        for attempt in range(_DUMP_TRIES):
            messages = self._dump_once(request)
            if messages is not None:
                return messages
            time.sleep(0.001 * 2 ** min(attempt, 6))
        raise KernelRefusal(errno.EAGAIN, "the kernel's tables change too fast to be read", 0)

    def _dump_once(self, request: bytearray) -> list[bytes] | None:
        self._number(request)
        wanted = self._sequence
        self._socket.send(request)
        messages: list[bytes] = []
        undisturbed = True
        while True:
            for kind, flags, sequence, message in self._receive():
                if sequence != wanted:
                    continue
                undisturbed = undisturbed and not flags & _DUMP_INTERRUPTED
                if kind in {_ERROR, _DONE}:
                    number, text = _refusal(flags, message)
                    if number:
                        raise KernelRefusal(number, text, 0)
                    return messages if undisturbed else None
                messages.append(message)

    def wait(self, seconds: float) -> bool:
        """Wait for an event; drains what has come. Returns whether there was one."""
        if not select.select([self._socket], [], [], min(seconds, _LONGEST_WAIT))[0]:
            return False
        try:
            self._socket.recv(_RECEIVE)
        except OSError as failure:
            if failure.errno != errno.ENOBUFS:
                raise
        return True

    def fileno(self) -> int:
        """The descriptor, for those who wait for several things."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _number(self, request: bytearray) -> None:
        self._sequence += 1
        struct.pack_into("=I", request, 8, self._sequence)

    def _receive(self) -> list[tuple[int, int, int, bytes]]:
        data = self._socket.recv(_RECEIVE)
        messages: list[tuple[int, int, int, bytes]] = []
        offset = 0
        while offset + HEADER.size <= len(data):
            length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
            messages.append((kind, flags, sequence, data[offset : offset + length]))
            offset += (length + 3) & ~3
        return messages


def _refusal(flags: int, message: bytes) -> tuple[int, str]:
    """Error number and the kernel's own words from an acknowledgement."""
    if len(message) < HEADER.size + 4:
        return 0, ""
    number = -struct.unpack_from("=i", message, HEADER.size)[0]
    if not number or not flags & _ACK_TLVS:
        return max(number, 0), ""
    offset = HEADER.size + 4
    if len(message) >= offset + 4:
        original = struct.unpack_from("=I", message, offset)[0]
        offset += HEADER.size if flags & _CAPPED else (original + 3) & ~3
    while offset + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, offset)
        if kind & 0x3FFF == _MESSAGE_TLV:
            return number, message[offset + 4 : offset + length].rstrip(b"\0").decode(
                errors="replace"
            )
        offset += max((length + 3) & ~3, 4)
    return number, ""
