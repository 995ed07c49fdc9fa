"""Connections the kernel tracks: forgetting those that a changed port mapping concerns.

Packets of a known flow do not look at nat rules. So a UDP client that keeps sending from one port would go
on reaching a container that is gone, or the host instead of a new container (plugins#1190).
"""

from __future__ import annotations

import errno
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address

import attrs

from cnisdk._net._attributes import attribute, attributes
from cnisdk._net._nft_wire import ACK, DUMP, Wire
from cnisdk._result import IpAddress


_CTNETLINK = 1
_GET, _DELETE = _CTNETLINK << 8 | 1, _CTNETLINK << 8 | 2
_TUPLE_ORIG, _TUPLE_REPLY, _ZONE = 1, 2, 18
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE, _DESTINATION = {4: 1, 6: 3}, {4: 2, 6: 4}
_NUMBER, _DESTINATION_PORT = 1, 3
_FAMILY = {4: 2, 6: 10}
_NESTED = 0x8000
_HEADER = 20
_ATTEMPTS = 8
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


@attrs.frozen
class Flow:
    """A tracked connection."""

    protocol: int
    destination: IpAddress
    """Where its first packet was sent to."""
    port: int
    answered_by: IpAddress
    """Where answers come from: another address than the destination when that was translated."""
    key: bytes
    """Attributes that name it to the kernel."""


def forget(wire: Wire, version: int, port: int, unwanted: Callable[[Flow], bool]) -> int:
    """Delete flows to a port; returns how many.

    Args:
        wire: The socket.
        version: 4 or 6.
        port: The port their first packet was sent to.
        unwanted: Chooses among them.
    """
    count = 0
    for flow in [each for each in _flows(wire, version, port) if unwanted(each)]:
        with suppress(FileNotFoundError):  # it has ended meanwhile
            for _ in wire.ask(_DELETE, _FAMILY[version], flow.key, ACK):
                pass
            count += 1
    return count


def _flows(wire: Wire, version: int, port: int) -> Iterator[Flow]:
    needle = attribute(_DESTINATION_PORT, struct.pack("!H", port))[:6]
    for attempt in range(_ATTEMPTS):
        try:
            for message in wire.ask(_GET, _FAMILY[version], b"", DUMP):
                flow = _flow(message, version) if needle in message else None
                if flow is not None and flow.port == port:
                    yield flow
        except InterruptedError:
            time.sleep(0.001 * 2**attempt)
        except OSError as failure:
            if failure.errno in {errno.EINVAL, errno.EOPNOTSUPP}:
                return  # nothing is tracked by this kernel
            raise
        else:
            return


def _flow(message: bytes, version: int) -> Flow | None:
    found = dict(attributes(message[_HEADER:]))
    original, reply = found.get(_TUPLE_ORIG, b""), found.get(_TUPLE_REPLY, b"")
    there, ports = _tuple(original)
    back, _ = _tuple(reply)
    try:
        key = attribute(_TUPLE_ORIG | _NESTED, original)
        if _ZONE in found:
            key += attribute(_ZONE, found[_ZONE])
        return Flow(
            protocol=ports[_NUMBER][0],
            destination=ip_address(there[_DESTINATION[version]]),
            port=int.from_bytes(ports[_DESTINATION_PORT], "big"),
            answered_by=ip_address(back[_SOURCE[version]]),
            key=key,
        )
    except (KeyError, IndexError):
        return None  # of a protocol without ports


def _tuple(data: bytes) -> tuple[dict[int, bytes], dict[int, bytes]]:
    parts = dict(attributes(data))
    return dict(attributes(parts.get(_TUPLE_IP, b""))), dict(
        attributes(parts.get(_TUPLE_PROTO, b""))
    )
