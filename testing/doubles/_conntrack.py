"""Forgetting UDP connections by ctnetlink, for the port mapper."""

from __future__ import annotations

import socket
import struct


_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_REQUEST, _ACK, _DUMP = 0x01, 0x04, 0x300
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_PROTO, _PROTO_NUM, _PROTO_DST_PORT = 1, 2, 1, 3
_NESTED = 0x8000


def forget_udp(ports: set[int]) -> None:
    """Remove the entries of UDP packets that were sent to some ports; as far as it is possible."""
    if not ports:
        return
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
            netlink.settimeout(2)
            netlink.bind((0, 0))
            for address_family in (socket.AF_INET, socket.AF_INET6):
                for original in _originals(netlink, address_family, ports):
                    _send(netlink, _DELETE, _REQUEST | _ACK, address_family, original)
                    netlink.recv(65536)
    except OSError:
        return  # no connection tracking, nothing to forget


def _send(
    netlink: socket.socket, command: int, flags: int, address_family: int, data: bytes
) -> None:
    body = struct.pack("=BBH", address_family, 0, 0) + data
    netlink.send(struct.pack("=IHHII", 16 + len(body), command, flags, 1, 0) + body)


def _originals(netlink: socket.socket, address_family: int, ports: set[int]) -> list[bytes]:
    """The attribute with the original direction of each such connection."""
    _send(netlink, _GET, _REQUEST | _DUMP, address_family, b"")
    found: list[bytes] = []
    while True:
        data = netlink.recv(1 << 20)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind in {_ERROR, _DONE}:
                return found
            for name, value, whole in _attributes(data[20:length]):
                if name == _TUPLE_ORIG and _udp_port(value) in ports:
                    found.append(whole)
            data = data[(length + 3) & ~3 :]


def _udp_port(original: bytes) -> int | None:
    for name, value, _ in _attributes(original):
        if name == _TUPLE_PROTO:
            proto = {part: content for part, content, _ in _attributes(value)}
            if proto.get(_PROTO_NUM) == bytes([socket.IPPROTO_UDP]):
                return int.from_bytes(proto.get(_PROTO_DST_PORT, b""), "big")
    return None


def _attributes(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Each attribute: its type, its value, and the whole of it."""
    found: list[tuple[int, bytes, bytes]] = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        padded = (length + 3) & ~3
        whole = data[:length] + b"\0" * (padded - length)
        found.append((kind & ~_NESTED, data[4:length], whole))
        data = data[padded:]
    return found
