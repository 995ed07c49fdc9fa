"""What a rule in the kernel says, in nft's words, for the few statements our rules are made of.

The kernel keeps a rule as a list of expressions that load something, compare it, and decide. Only
what masquerading, the spoof check and iptables-nft write is understood; anything else comes out as
``?name``, so an altered rule never looks like the expected one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cnisdk._net._attributes import attributes


_IPV4, _IPV6 = 2, 10
_IPV4_FIELDS = {12: "saddr", 16: "daddr"}
_IPV6_FIELDS = {8: "saddr", 24: "daddr"}
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
_VERDICTS = {0: "drop", 1: "accept", -1: "continue", -3: "jump", -4: "goto", -5: "return"}
_LINK_HEADER, _NETWORK_HEADER, _TRANSPORT_HEADER = 0, 1, 2
_META_NAMES = {6: "iifname", 7: "oifname"}
_META_IIFTYPE, _META_NFPROTO, _META_L4PROTO = 8, 15, 16
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}
_PORTS = {0: "sport", 2: "dport"}
_FIB_ADDRESS_TYPE, _FIB_FLAGS = 3, {1: "fib saddr type", 2: "fib daddr type"}
_ADDRESS_TYPES = {1: "unicast", 2: "local", 3: "broadcast", 5: "multicast"}
_CT_KEYS = {
    0: ("ct state", {1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"}),
    2: ("ct status", {1: "expected", 16: "snat", 32: "dnat"}),
}
_XT_PORTS = {"tcp": 4, "udp": 4, "sctp": 0}
"""Where an iptables match keeps the range of destination ports."""


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
        self.protocol = ""
        self.protocol_untold = False
        self.registers: dict[int, bytes] = {}

    def run(self, expressions: bytes) -> Iterator[str]:
        yield from self._all(expressions)
        if self.protocol_untold:
            yield f"meta l4proto {self.protocol}"

    def _all(self, expressions: bytes) -> Iterator[str]:
        for name, fields in _expressions(expressions):
            if self._loads(name, fields):
                continue
            if name == "cmp":
                yield from self._comparison(fields)
            elif name == "immediate":
                yield _verdict(fields.get(2, b""))
            elif name == "masq":
                yield "masquerade"
            elif name == "nat":
                yield self._nat(fields)
            elif name in {"target", "match"}:
                yield from self._extension(name, _string(fields.get(1, b"")), fields.get(3, b""))
            elif name != "counter":
                yield f"?{name}"

    def _loads(self, name: str, fields: dict[int, bytes]) -> bool:
        """Follow an expression that only loads something."""
        if name == "bitwise":
            self.mask = dict(attributes(fields.get(4, b""))).get(1, b"")
            return True
        if name == "immediate":
            value = dict(attributes(fields.get(2, b""))).get(1)
            self.registers[_number(fields.get(1))] = value or b""
            return value is not None
        loaders = {"meta": _meta, "fib": _fib, "ct": _ct, "payload": self._field}
        if name not in loaders:
            return False
        self.loaded, self.mask = loaders[name](fields), b""
        return True

    def _extension(self, kind: str, name: str, info: bytes) -> Iterator[str]:
        """What iptables has made and nft has no expression for."""
        if kind == "target":
            yield self._target(name.lower(), info)
        elif name in _XT_PORTS:
            yield self._xt_ports(name, info)
        elif name != "comment":
            yield f"?{kind}"

    def _field(self, fields: dict[int, bytes]) -> str:
        base, offset = _number(fields.get(2)), _number(fields.get(3))
        if base == _LINK_HEADER and (offset, _number(fields.get(4))) == (6, 6):
            return "ether saddr"
        if base == _NETWORK_HEADER and self.layer == _IPV4 and offset in _IPV4_FIELDS:
            return f"ip {_IPV4_FIELDS[offset]}"
        if base == _NETWORK_HEADER and self.layer == _IPV6 and offset in _IPV6_FIELDS:
            return f"ip6 {_IPV6_FIELDS[offset]}"
        if base == _TRANSPORT_HEADER and self.protocol and offset in _PORTS:
            return f"{self.protocol} {_PORTS[offset]}"
        return f"?payload {base}+{offset}"

    def _comparison(self, fields: dict[int, bytes]) -> Iterator[str]:
        operator = _OPERATORS[_number(fields.get(2)) % len(_OPERATORS)]
        value = dict(attributes(fields.get(3, b""))).get(1, b"")
        if self.loaded == f"meta {_META_NFPROTO}" and operator == "==":
            self.layer = _number(value)  # goes without saying once the address is compared
        elif self.loaded == f"meta {_META_L4PROTO}" and operator == "==":
            # Goes without saying when a port of the protocol is compared.
            self.protocol = _PROTOCOLS.get(_number(value), str(_number(value)))
            self.protocol_untold = True
        elif self.loaded.endswith((" sport", " dport")):
            self.protocol_untold = False
            yield f"{self.loaded} {operator} {_number(value)}"
        elif self.loaded.startswith("fib "):
            kind = struct.unpack("=I", value.ljust(4, b"\0")[:4])[0]
            yield f"{self.loaded} {operator} {_ADDRESS_TYPES.get(kind, kind)}"
        elif self.loaded.startswith("ct ") and operator == "!=" and not any(value):
            yield _connection(int(self.loaded[3:]), self.mask)
        elif self.loaded in _META_NAMES.values():
            yield f"{self.loaded} {operator} {_string(value)}"
        elif self.loaded == "ether saddr":
            yield f"ether saddr {operator} {value.hex(':')}"
        elif self.loaded.startswith(("ip ", "ip6 ")):
            yield f"{self.loaded} {operator} {_network(self.loaded, value, self.mask)}"
        elif self.loaded != f"meta {_META_IIFTYPE}":
            yield f"?{self.loaded} {operator} {value.hex()}"

    def _nat(self, fields: dict[int, bytes]) -> str:
        address = self.registers.get(_number(fields.get(3)), b"")
        port = self.registers.get(_number(fields.get(5)), b"")[:2]
        kind = "dnat" if _number(fields.get(1)) else "snat"
        return f"{kind} to {_place(address, port)}"

    def _target(self, name: str, info: bytes) -> str:
        if name != "dnat" or len(info) < 38:
            return name
        # struct nf_nat_range2: flags, first and last address, first and last port
        first = info[4:20]
        address = first[:4] if self.layer == _IPV4 else first
        return f"dnat to {_place(address, info[36:38])}"

    def _xt_ports(self, name: str, info: bytes) -> str:
        self.protocol_untold = False
        low, high = struct.unpack_from("=HH", info.ljust(8, b"\0"), _XT_PORTS[name])
        return f"{name} dport == {low}" if low == high else f"?{name} dport {low}-{high}"


def _fib(fields: dict[int, bytes]) -> str:
    flags = _FIB_FLAGS.get(_number(fields.get(3)), "")
    return flags if _number(fields.get(2)) == _FIB_ADDRESS_TYPE and flags else "?fib"


def _connection(key: int, mask: bytes) -> str:
    field, names = _CT_KEYS.get(key, ("?ct", {}))
    bits = struct.unpack("=I", mask.ljust(4, b"\0")[:4])[0]
    known = [name for bit, name in names.items() if bits & bit]
    return f"{field} {','.join(known) if sum(b for b in names if bits & b) == bits else bits}"


def _meta(fields: dict[int, bytes]) -> str:
    key = _number(fields.get(2))
    return _META_NAMES.get(key, f"meta {key}")


def _ct(fields: dict[int, bytes]) -> str:
    return f"ct {_number(fields.get(2))}"


def _place(address: bytes, port: bytes) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return f"?{address.hex()}"
    if not any(port):
        return str(found)
    number = int.from_bytes(port, "big")
    return f"[{found}]:{number}" if found.version == 6 else f"{found}:{number}"


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
