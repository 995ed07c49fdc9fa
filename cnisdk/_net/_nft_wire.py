"""nf_tables spoken directly: finding rules by comment, and deleting them by handle.

`_nft` writes rules through libnftables. What DEL and GC need, reading and deleting, goes over the
kernel's own socket instead, for two reasons. It needs nothing installed, so an attachment made
before the tools were removed is still cleaned up. And it is fast on a busy node: libnftables needs
60 ms to list a chain of 1000 rules as JSON, this 7 ms, because only rules that contain the text
looked for are decoded.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import attrs

from cnisdk._net._attributes import attribute, attributes, string
from cnisdk._net._netlink import HEADER, Socket
from cnisdk._net._nft_decode import comment_of, statements
from cnisdk._net._setns import entered


INET, IPV4, BRIDGE, IPV6 = 1, 2, 7, 10
"""Families (NFPROTO_*)."""
FAMILY_NAMES = {INET: "inet", IPV4: "ip", BRIDGE: "bridge", IPV6: "ip6"}

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _CAP_ACK = 270, 10
_REQUEST, ACK, DUMP, _DUMP_INTERRUPTED = 0x1, 0x4, 0x300, 0x10
_ERROR, _DONE = 0x2, 0x3
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFTABLES = 10
_GETTABLE, _DELTABLE, _GETCHAIN, _DELCHAIN, _GETRULE, _DELRULE, _GETGEN = (
    _NFTABLES << 8 | n for n in (1, 2, 4, 5, 7, 8, 16)
)
_NOT_RECURSIVE = 0x100
_TABLE_NAME, _TABLE_FLAGS, _DORMANT = 1, 2, 1
_RULE_TABLE, _RULE_CHAIN, _RULE_HANDLE, _RULE_EXPRESSIONS, _RULE_USERDATA = 1, 2, 3, 4, 7
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7

_NO_NFTABLES = {
    errno.EINVAL,  # nfnetlink without the nf_tables subsystem
    errno.EOPNOTSUPP,
    errno.EAFNOSUPPORT,
    errno.EPROTONOSUPPORT,
}
_RACES = {errno.ENOENT, errno.EBUSY, errno.EINTR, errno.EAGAIN}
_BATCH = 100
"""Deletions in one message; more would overrun the socket's buffers."""
_ATTEMPTS = 10
_REPLY_SECONDS = 10.0


@attrs.frozen
class WireRule:
    """A rule as found in the kernel."""

    family: int
    table: str
    chain: str
    handle: int
    comment: str
    text: tuple[str, ...]
    """The rule in nft's words, for example ``("ip saddr == 10.1.2.3", "masquerade")``."""
    expressions: bytes = attrs.field(default=b"", eq=False, repr=False)
    """As the kernel sent them."""


@attrs.frozen
class WireChain:
    """A chain by name, to be deleted with all rules in it."""

    family: int
    table: str
    chain: str
    """"" for the table itself."""
    only_empty: bool = False
    """Refuse (EBUSY) to delete it with something in it."""


class Wire:
    """A socket to nf_tables in one network namespace.

    Args:
        netns_fd: The namespace; None means the one the caller is in.

    Raises:
        OSError: the kernel has no nfnetlink at all.
    """

    def __init__(self, netns_fd: int | None = None) -> None:
        with entered(netns_fd):
            self._socket = Socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
            )
        self._socket.settimeout(_REPLY_SECONDS)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket. The kernel waits until rules deleted by anybody are out of use."""
        self._socket.close()

    def problem(self) -> str:
        """Why nf_tables cannot be used here; "" when it can."""
        try:
            self.ask(_GETGEN, 0, b"", 0)
        except OSError as failure:
            if failure.errno == errno.EPERM:
                return "no permission to read nftables (CAP_NET_ADMIN is needed)"
            return f"the kernel does not answer for nf_tables: {failure.strerror}"
        return ""

    def chain(self, family: int, table: str, chain: str) -> str | None:
        """The chain's type and hook, such as ``nat postrouting 100``; "" without hook, None without chain.

        Another policy than accept comes after it: ``nat postrouting 100 policy drop``; and "dormant" where
        the table is, so that no packet comes by.
        """
        wanted = string(_CHAIN_TABLE, table) + string(_CHAIN_NAME, chain)
        try:
            reply = next(self.ask(_GETCHAIN, family, wanted, 0), b"")
        except OSError as failure:
            if failure.errno == errno.ENOENT or failure.errno in _NO_NFTABLES:
                return None
            raise
        found = dict(attributes(reply[20:]))
        if _CHAIN_HOOK not in found:
            return ""
        hook = dict(attributes(found[_CHAIN_HOOK]))
        number, priority = (struct.unpack("!i", hook.get(n, bytes(4)))[0] for n in (1, 2))
        kind = found.get(_CHAIN_TYPE, b"").rstrip(b"\0").decode()
        names = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
        policy = "" if any(found.get(_CHAIN_POLICY, b"\1")) else " policy drop"
        state = policy + (" dormant" if self._is_dormant(family, table) else "")
        return f"{kind} {names[number] if number < len(names) else number} {priority}{state}"

    def _is_dormant(self, family: int, table: str) -> bool:
        try:
            reply = next(self.ask(_GETTABLE, family, string(_TABLE_NAME, table), 0), b"")
        except FileNotFoundError:
            return False  # gone since its chain was asked for
        flags = dict(attributes(reply[20:])).get(_TABLE_FLAGS, bytes(4))
        return bool(int.from_bytes(flags, "big") & _DORMANT)

    def rules(
        self, family: int, table: str, chain: str = "", *, containing: str | Sequence[bytes] = ""
    ) -> list[WireRule]:
        """Rules of a table or of one chain of it, in their order.

        Args:
            family: The table's family.
            table: The table.
            chain: The chain; "" means all chains.
            containing: Only rules with this text in their comment, their chain or their target; or with
                any of these bytes, whatever they mean there. Decoding is what takes time.
        """
        needles = (
            [containing.encode(errors="replace")] if isinstance(containing, str) else containing
        )
        wanted = string(_RULE_TABLE, table) + (string(_RULE_CHAIN, chain) if chain else b"")
        for attempt in range(_ATTEMPTS):
            try:
                replies = [
                    message
                    for message in self.ask(_GETRULE, family, wanted, DUMP)
                    if any(needle in message for needle in needles)
                ]
            except InterruptedError:
                time.sleep(0.001 * 2**attempt)  # the rules changed while they were being read
                continue
            except OSError as failure:
                if failure.errno == errno.ENOENT or failure.errno in _NO_NFTABLES:
                    return []
                raise
            return [_rule(message) for message in replies]
        raise OSError(errno.EBUSY, f"the rules of table {table} keep changing while they are read")

    def delete(self, doomed: Sequence[WireRule | WireChain]) -> None:
        """Delete rules and chains in the order given; up to 100 of them as one transaction.

        Raises:
            FileNotFoundError: one of them is gone already, so nothing was deleted.
            OSError: EBUSY: a chain is still jumped to.
        """
        for start in range(0, len(doomed), _BATCH):
            self._delete_batch(doomed[start : start + _BATCH])

    def delete_found(self, find: Callable[[], Sequence[WireRule | WireChain]]) -> None:
        """Delete what ``find`` finds; found anew when others change the rules in between."""
        for attempt in range(_ATTEMPTS):
            doomed = find()
            if not doomed:
                return
            try:
                self.delete(doomed)
            except OSError as failure:
                if failure.errno not in _RACES or attempt + 1 == _ATTEMPTS:
                    raise
                time.sleep(0.001 * 2**attempt)
            else:
                return

    def _delete_batch(self, doomed: Sequence[WireRule | WireChain]) -> None:
        begin = self._next()
        messages = [_message(_BATCH_BEGIN, begin, 0, _REQUEST, b"", resource=_NFTABLES)]
        pending: set[int] = set()
        for each in doomed:
            sequence = self._next()
            pending.add(sequence)
            flags = _REQUEST | ACK
            if isinstance(each, WireRule):
                kind = _DELRULE
                payload = string(_RULE_TABLE, each.table) + string(_RULE_CHAIN, each.chain)
                payload += attribute(_RULE_HANDLE, struct.pack("!Q", each.handle))
            else:
                kind = _DELCHAIN if each.chain else _DELTABLE
                payload = string(_CHAIN_TABLE, each.table)
                payload += string(_CHAIN_NAME, each.chain) if each.chain else b""
                flags |= _NOT_RECURSIVE if each.only_empty else 0
            messages.append(_message(kind, sequence, each.family, flags, payload))
        messages.append(_message(_BATCH_END, self._next(), 0, _REQUEST, b"", resource=_NFTABLES))
        self._socket.send(b"".join(messages))
        failed = 0
        while pending:
            for kind, _, sequence, body in self._receive():
                if kind != _ERROR or sequence < begin:
                    continue
                failed = failed or -struct.unpack_from("=i", body)[0]
                pending.discard(sequence)
                if sequence == begin:
                    pending.clear()  # the batch as a whole was refused
        if failed:
            raise OSError(failed, os.strerror(failed))

    def ask(self, kind: int, family: int, payload: bytes, flags: int) -> Iterator[bytes]:
        """Replies to one request, as whole messages (a single one without `DUMP`).

        Args:
            kind: Subsystem and message of nfnetlink.
            family: NFPROTO_*.
            payload: Attributes.
            flags: `DUMP`, or `ACK` for a request without any other reply.

        Raises:
            InterruptedError: the tables changed during the dump.
            OSError: the kernel refused.
        """
        sequence = self._next()
        self._socket.send(_message(kind, sequence, family, _REQUEST | flags, payload))
        replies: list[bytes] = []
        interrupted = False
        while True:
            for reply, reply_flags, number, body in self._receive():
                if number != sequence:
                    continue  # the rest of a dump that was given up
                interrupted = interrupted or bool(reply_flags & _DUMP_INTERRUPTED)
                if reply == _ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if not code:
                        return iter(replies)
                    raise OSError(code, os.strerror(code))
                if reply != _DONE:
                    replies.append(bytes(HEADER.size) + body)
                if reply == _DONE or not flags & DUMP:
                    if interrupted:
                        raise InterruptedError
                    return iter(replies)

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        data = self._socket.recv(1 << 17)
        start = 0
        while start + HEADER.size <= len(data):
            length, kind, flags, sequence, _ = HEADER.unpack_from(data, start)
            yield kind, flags, sequence, data[start + HEADER.size : start + length]
            start += (length + 3) & ~3

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _rule(message: bytes) -> WireRule:
    family = message[HEADER.size]
    found = dict(attributes(message[HEADER.size + 4 :]))
    expressions = found.get(_RULE_EXPRESSIONS, b"")
    return WireRule(
        family=family,
        table=found[_RULE_TABLE].rstrip(b"\0").decode(),
        chain=found[_RULE_CHAIN].rstrip(b"\0").decode(),
        handle=int.from_bytes(found[_RULE_HANDLE], "big"),
        comment=comment_of(found.get(_RULE_USERDATA, b""), expressions),
        text=statements(family, expressions),
        expressions=expressions,
    )


def _message(
    kind: int, sequence: int, family: int, flags: int, payload: bytes, *, resource: int = 0
) -> bytes:
    generic = struct.pack("!BBH", family, 0, resource)
    length = HEADER.size + len(generic) + len(payload)
    return HEADER.pack(length, kind, flags, sequence, 0) + generic + payload
