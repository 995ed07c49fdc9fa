"""DHCP messages in Ethernet frames, laid out by pyroute2's message classes, and the socket they go through.

Of pyroute2's DHCP client the layouts and the packet filter are used, the client is not; ARCHITECTURE.md says why.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import attrs
from pyroute2.dhcp.dhcp4msg import dhcp4msg
from pyroute2.dhcp.dhcp4socket import listen_udp_port
from pyroute2.ext import bpf
from pyroute2.ext.rawsocket import AsyncRawSocket
from pyroute2.protocols import ethmsg, ip4msg, msg, udp4_pseudo_header, udpmsg

from cnisdk._net._setns import entered


ANY, EVERYBODY = "0.0.0.0", "255.255.255.255"  # noqa: S104  # an address in a packet
BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
_ETH_P_IP = 0x0800
_ATTACH_FILTER = 26
_CLIENT, _SERVER = 68, 67
_REPLY, _BROADCAST_FLAG = 2, 0x8000
_IP_START, _UDP_BYTES = 14, 8
_SNAME, _FILE, _OPTIONS = 44, 108, 240  # offsets in the DHCP message
_OVERLOAD, _PAD, _END = 52, 0, 255
_SMALLEST = 300
"""Some relays drop messages below the BOOTP size."""


@attrs.frozen(kw_only=True)
class Packet:
    """One DHCP message and the addresses it goes from and to."""

    xid: int
    options: dict[int, bytes]
    chaddr: str
    secs: int = 0
    broadcast: bool = False
    ciaddr: str = ANY
    yiaddr: str = ANY
    source_mac: str = ""
    target_mac: str = BROADCAST_MAC
    source: str = ANY
    target: str = EVERYBODY

    @property
    def kind(self) -> int:
        """The DHCP message type (option 53); 0 for a BOOTP message."""
        return (self.options.get(53) or b"\0")[0]


# The fixed part. The options are coded here: pyroute2 knows only some, and no long ones.
_Bootp: Any = type("_Bootp", (msg,), {"fields": dhcp4msg.fields})


def encode(packet: Packet) -> bytes:
    """A client's message as a frame."""
    body: bytes = _encoded(
        _Bootp(
            {
                "xid": packet.xid,
                "secs": min(packet.secs, 0xFFFF),
                "flags": _BROADCAST_FLAG if packet.broadcast else 0,
                "ciaddr": packet.ciaddr,
                "chaddr": packet.chaddr,
            }
        )
    )
    body += b"".join(_option(code, value) for code, value in packet.options.items())
    body = (body + bytes([_END])).ljust(_SMALLEST, b"\0")
    length = _UDP_BYTES + len(body)
    ends = {"src": packet.source, "dst": packet.target}
    ports = {"sport": _CLIENT, "dport": _SERVER, "len": length}
    pseudo = _encoded(udp4_pseudo_header({**ends, "len": length}))
    checksum = AsyncRawSocket.csum(pseudo + _encoded(udpmsg(ports)) + body) or 0xFFFF
    header = {**ends, "len": 20 + length, "proto": socket.IPPROTO_UDP, "ttl": 64}
    header["csum"] = AsyncRawSocket.csum(_encoded(ip4msg(header)))
    frame = {"dst": packet.target_mac, "src": packet.chaddr, "type": _ETH_P_IP}
    return (
        _encoded(ethmsg(frame))
        + _encoded(ip4msg(header))
        + _encoded(udpmsg({**ports, "csum": checksum}))
        + body
    )


def decode(data: bytes) -> Packet | None:
    """A server's message out of a frame; None for whatever is no such message.

    The checksum of UDP is not looked at: between namespaces of one machine it is often not computed.
    """
    try:
        eth: Any = ethmsg(buf=data).decode()
        ip4: Any = ip4msg(buf=data, offset=_IP_START).decode()
        start = _IP_START + 4 * (ip4["verlen"] & 15) + _UDP_BYTES
        length = struct.unpack_from(">H", data, start - 4)[0] - _UDP_BYTES
        body = data[start : start + length]
        fixed: Any = _Bootp(buf=body).decode()
        if fixed["op"] != _REPLY or body[_OPTIONS - 4 : _OPTIONS] != b"c\x82Sc":
            return None
        options = _options(body)
    except (ValueError, IndexError, struct.error):
        return None
    return Packet(
        xid=fixed["xid"],
        options=options,
        chaddr=fixed["chaddr"],
        ciaddr=fixed["ciaddr"],
        yiaddr=fixed["yiaddr"],
        source_mac=eth["src"],
        target_mac=eth["dst"],
        source=ip4["src"],
        target=ip4["dst"],
    )


def open_socket(netns_fd: int | None, ifname: str) -> socket.socket:
    """A socket for frames of an interface; what it receives are messages for DHCP clients.

    Raises:
        OSError: as socket(2) and bind(2); ENODEV when there is no such interface.
    """
    with entered(netns_fd):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            program, keep = bpf.compile(listen_udp_port(_CLIENT))
            made.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)
            del keep  # the program's memory, which had to live until now
            made.setblocking(False)
            # Without a protocol until here, so nothing can have come past the filter.
            made.bind((ifname, _ETH_P_IP))
        except BaseException:
            made.close()
            raise
    return made


def open_port(netns_fd: int | None, ifname: str) -> socket.socket | None:
    """The client's UDP port, so that the kernel does not refuse what servers send to it.

    Nothing is read from it. None where somebody has it already.
    """
    with entered(netns_fd):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            made.bind((ANY, _CLIENT))
        except OSError:
            made.close()
            return None
    return made


def _encoded(message: Any) -> bytes:
    data: bytes = message.encode().buf
    return data


def _option(code: int, value: bytes) -> bytes:
    """One option; a long one in several parts (RFC 3396)."""
    parts = [value[n : n + 255] for n in range(0, len(value), 255)] or [b""]
    return b"".join(bytes([code, len(part)]) + part for part in parts)


def _options(body: bytes) -> dict[int, bytes]:
    """The options, parts of one put together; the fields of names may hold more of them."""
    found = _parsed(body[_OPTIONS:])
    overload = (found.get(_OVERLOAD) or b"\0")[0]
    fields = ((1, body[_FILE : _OPTIONS - 4]), (2, body[_SNAME:_FILE]))
    for _, field in (each for each in fields if overload & each[0]):
        for code, value in _parsed(field).items():
            found[code] = found.get(code, b"") + value
    return found


def _parsed(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset < len(data) and data[offset] != _END:
        code = data[offset]
        if code == _PAD:
            offset += 1
            continue
        length = data[offset + 1]
        value = data[offset + 2 : offset + 2 + length]
        if len(value) < length:
            raise ValueError(f"option {code} ends too early")
        found[code] = found.get(code, b"") + value
        offset += 2 + length
    return found
