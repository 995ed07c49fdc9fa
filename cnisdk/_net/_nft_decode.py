"""What a rule in the kernel says, in nft's words, for the few statements our rules are made of.

The kernel keeps a rule as a list of expressions that load something, compare it, and decide. Only
what masquerading, the spoof check and iptables-nft write is understood; anything else comes out as
``?name``, so an altered rule never looks like the expected one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network


_TYPE_MASK = 0x3FFF  # the upper bits say "nested" and "big endian"
_IPV4, _IPV6 = 2, 10
_IPV4_FIELDS = {12: "saddr", 16: "daddr"}
_IPV6_FIELDS = {8: "saddr", 24: "daddr"}
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
_VERDICTS = {0: "drop", 1: "accept", -1: "continue", -3: "jump", -4: "goto", -5: "return"}
_LINK_HEADER, _NETWORK_HEADER = 0, 1
_META_IIFNAME, _META_IIFTYPE, _META_NFPROTO = 6, 8, 15


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The type-length-value items of a netlink message."""
    start = 0
    while start + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, start)
        if length < 4:
            return
        yield kind & _TYPE_MASK, data[start + 4 : start + length]
        start += (length + 3) & ~3


def comment_of(userdata: bytes, expressions: bytes) -> str:
    """A rule's comment, as nft stores it or as iptables-nft does; "" without one."""
    start = 0
    while start + 2 <= len(userdata):
        kind, length = userdata[start], userdata[start + 1]
        if kind == 0:
            return _string(userdata[start + 2 : start + 2 + length])
        start += 2 + length
    for name, fields in _expressions(expressions):
        if name == "match" and _string(fields.get(1, b"")) == "comment":
            return _string(fields.get(3, b""))
    return ""


def statements(family: int, expressions: bytes) -> tuple[str, ...]:
    """The rule, one string a statement; comments and counters are left out."""
    return tuple(_Decoder(family).run(expressions))


class _Decoder:
    """Follows the value that was loaded last to the comparison that uses it."""

    def __init__(self, family: int) -> None:
        self.layer = family
        self.loaded = "?"
        self.mask = b""

    def run(self, expressions: bytes) -> Iterator[str]:
        for name, fields in _expressions(expressions):
            if name == "meta":
                self.loaded, self.mask = f"meta {_number(fields.get(2))}", b""
            elif name == "payload":
                self.loaded, self.mask = self._field(fields), b""
            elif name == "bitwise":
                self.mask = dict(attributes(fields.get(4, b""))).get(1, b"")
            elif name == "cmp":
                yield from self._comparison(fields)
            elif name == "immediate":
                yield _verdict(fields.get(2, b""))
            elif name == "masq":
                yield "masquerade"
            elif name == "target":
                yield _string(fields.get(1, b"")).lower()
            elif name == "match" and _string(fields.get(1, b"")) == "comment":
                continue
            elif name != "counter":
                yield f"?{name}"

    def _field(self, fields: dict[int, bytes]) -> str:
        base, offset = _number(fields.get(2)), _number(fields.get(3))
        if base == _LINK_HEADER and (offset, _number(fields.get(4))) == (6, 6):
            return "ether saddr"
        if base == _NETWORK_HEADER and self.layer == _IPV4 and offset in _IPV4_FIELDS:
            return f"ip {_IPV4_FIELDS[offset]}"
        if base == _NETWORK_HEADER and self.layer == _IPV6 and offset in _IPV6_FIELDS:
            return f"ip6 {_IPV6_FIELDS[offset]}"
        return f"?payload {base}+{offset}"

    def _comparison(self, fields: dict[int, bytes]) -> Iterator[str]:
        operator = _OPERATORS[_number(fields.get(2)) % len(_OPERATORS)]
        value = dict(attributes(fields.get(3, b""))).get(1, b"")
        if self.loaded == f"meta {_META_NFPROTO}" and operator == "==":
            self.layer = _number(value)  # goes without saying once the address is compared
        elif self.loaded == f"meta {_META_IIFNAME}":
            yield f"iifname {operator} {_string(value)}"
        elif self.loaded == "ether saddr":
            yield f"ether saddr {operator} {value.hex(':')}"
        elif self.loaded.startswith(("ip ", "ip6 ")):
            yield f"{self.loaded} {operator} {_network(self.loaded, value, self.mask)}"
        elif self.loaded != f"meta {_META_IIFTYPE}":
            yield f"?{self.loaded} {operator} {value.hex()}"


def network_text(network: IPv4Network | IPv6Network) -> str:
    """A network as `statements` writes it: without the length when it is a single address."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)


def _network(field: str, value: bytes, mask: bytes) -> str:
    size = 16 if field.startswith("ip6") else 4
    # nft compares whole bytes without a mask: three bytes for a /24.
    bits = int.from_bytes(mask, "big").bit_count() if mask else 8 * len(value)
    return network_text(ip_network((value.ljust(size, b"\0"), bits), strict=False))


def _verdict(data: bytes) -> str:
    verdict = dict(attributes(dict(attributes(data)).get(2, b"")))
    code = int.from_bytes(verdict.get(1, b""), "big", signed=True)
    name = _VERDICTS.get(code, f"?verdict {code}")
    return f"{name} {_string(verdict[2])}" if 2 in verdict else name


def _expressions(data: bytes) -> Iterator[tuple[str, dict[int, bytes]]]:
    for _, element in attributes(data):
        found = dict(attributes(element))
        yield _string(found.get(1, b"")), dict(attributes(found.get(2, b"")))


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")


def _string(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode(errors="replace")
