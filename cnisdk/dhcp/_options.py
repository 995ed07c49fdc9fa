"""DHCP options: their names in configurations, what is asked for and sent, what the answers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any, Final, cast

import attrs

from cnisdk import errors
from cnisdk._result import Dns, Route


NETMASK, ROUTERS, DNS_SERVERS, HOST_NAME, DOMAIN, MTU, STATIC_ROUTES = 1, 3, 6, 12, 15, 26, 33
REQUESTED_ADDRESS, LEASE_TIME, MESSAGE_TYPE, SERVER, PARAMETERS, LARGEST = 50, 51, 53, 54, 55, 57
REASON, T1, T2, CLIENT, SEARCH, CLASSLESS_ROUTES = 56, 58, 59, 61, 119, 121

NAMES: Final = {
    "dhcp-client-identifier": CLIENT,
    "subnet-mask": NETMASK,
    "routers": ROUTERS,
    "host-name": HOST_NAME,
    "user-class": 77,
    "vendor-class-identifier": 60,
}
"""Names by which a configuration may call options; any other one goes by its number."""
# RFC 3442: the classless routes come before the others.
DEFAULTS: Final = (
    NETMASK,
    CLASSLESS_ROUTES,
    STATIC_ROUTES,
    ROUTERS,
    DNS_SERVERS,
    DOMAIN,
    SEARCH,
    MTU,
    LEASE_TIME,
    T1,
    T2,
)
"""What is asked for unless a request has ``skipDefault``."""
_LONGEST = 255
_LEAST_MTU = 68
_LINK_SCOPE = 253


def option_code(name: str) -> int:
    """The number of an option.

    Args:
        name: One of `NAMES`, or a number from 0 to 255.

    Raises:
        ValueError: it is neither.
    """
    if name in NAMES:
        return NAMES[name]
    if name.isascii() and name.isdigit() and int(name) < 256:
        return int(name)
    raise ValueError(
        f'Can not parse option "{name}": expected a number from 0 to 255 or one of '
        f"{', '.join(NAMES)}"
    )


@attrs.frozen
class Wishes:
    """What an attachment's configuration has to say on its lease."""

    provide: Mapping[int, bytes] = attrs.field(factory=dict[int, bytes])
    """Options sent along."""
    request: tuple[int, ...] = DEFAULTS
    """Options asked for."""
    priority: int = 0
    """Metric of the routes; 0 leaves it to the kernel."""

    @classmethod
    def of(cls, ipam: Mapping[str, Any], args: Mapping[str, str]) -> Wishes:
        """Read them from an ``ipam`` section and CNI_ARGS.

        Raises:
            errors.InvalidConfig: an option that does not exist, or a value that is too long.
        """
        keys = {key.lower(): value for key, value in ipam.items()}
        try:
            return cls(
                provide=dict(_provided(_entries(keys.get("provide")), args)),
                request=_requested(_entries(keys.get("request"))),
                priority=int(keys.get("priority") or 0),
            )
        except (TypeError, ValueError) as problem:
            raise errors.InvalidConfig(f"ipam: {problem}") from None


def _entries(value: object) -> list[dict[str, Any]]:
    entries = cast("list[dict[str, Any]]", value or [])
    return [{key.lower(): each for key, each in entry.items()} for entry in entries]


def _provided(
    entries: list[dict[str, Any]], args: Mapping[str, str]
) -> Iterable[tuple[int, bytes]]:
    for entry in entries:
        code = option_code(str(entry.get("option", "")))
        values = [entry.get("value"), args.get(str(entry.get("fromarg") or ""))]
        for text in filter(None, values):  # the argument comes later, so it wins
            value = str(text).encode()
            if len(value) > _LONGEST:
                raise ValueError(
                    f"provide: the value of option {entry['option']} has {len(value)} bytes, but "
                    f"{_LONGEST} are the most"
                )
            yield code, value


def _requested(entries: list[dict[str, Any]]) -> tuple[int, ...]:
    wanted = [option_code(str(each["option"])) for each in entries if each.get("option")]
    if not any(each.get("skipdefault") for each in entries):
        wanted += DEFAULTS
    return tuple(dict.fromkeys(wanted)) or DEFAULTS


# ---- what the answers mean ----------------------------------------------------------------------


def addresses(value: bytes | None) -> list[IPv4Address]:
    """The addresses of an option that is a list of them."""
    data = value or b""
    return [IPv4Address(data[n : n + 4]) for n in range(0, len(data) - 3, 4)]


def seconds(value: bytes | None) -> int | None:
    """The duration an option gives; None when there is none."""
    return int.from_bytes(value, "big") if value and len(value) == 4 else None


def text(value: bytes | None) -> str:
    """The text of an option."""
    return (value or b"").rstrip(b"\0").decode(errors="replace")


def routes(options: Mapping[int, bytes], priority: int = 0) -> tuple[Route, ...]:
    """The routes of an answer.

    Classless ones replace all others (RFC 3442); else the old static ones, then the default by the first
    router. What is on the link keeps the gateway 0.0.0.0, so that nobody gives it the address's own.
    """
    found = list(_classless(options.get(CLASSLESS_ROUTES, b"")))
    if not found:
        static = addresses(options.get(STATIC_ROUTES))
        pairs = zip(static[::2], static[1::2], strict=False)
        found = [(_classful(target), gateway) for target, gateway in pairs]
        routers = addresses(options.get(ROUTERS))[:1]
        found += [(IPv4Network("0.0.0.0/0"), router) for router in routers]
    mtu = _mtu(options.get(MTU))
    return tuple(
        Route(dst, gateway, mtu=mtu, priority=priority, scope=None if int(gateway) else _LINK_SCOPE)
        for dst, gateway in found
    )


def dns(options: Mapping[int, bytes]) -> Dns:
    """The DNS settings of an answer."""
    return Dns(
        nameservers=tuple(map(str, addresses(options.get(DNS_SERVERS)))),
        domain=text(options.get(DOMAIN)),
        search=tuple(_names(options.get(SEARCH, b""))),
    )


def _mtu(value: bytes | None) -> int:
    mtu = int.from_bytes(value or b"", "big") if len(value or b"") == 2 else 0
    return mtu if mtu >= _LEAST_MTU else 0


def _classful(target: IPv4Address) -> IPv4Network:
    """The network an address meant before there were masks (RFC 2132, option 33)."""
    first = target.packed[0]
    bits = 8 if first < 128 else 16 if first < 192 else 24
    return cast("IPv4Network", ip_network(f"{target}/{bits}", strict=False))


def _classless(data: bytes) -> Iterable[tuple[IPv4Network, IPv4Address]]:
    """Option 121: prefix length, as many bytes of the network as it needs, gateway."""
    offset = 0
    while offset < len(data):
        bits = data[offset]
        needed = (bits + 7) // 8
        end = offset + 1 + needed + 4
        if bits > 32 or end > len(data):
            return
        network = data[offset + 1 : offset + 1 + needed].ljust(4, b"\0")
        yield IPv4Network((network, bits), strict=False), IPv4Address(data[end - 4 : end])
        offset = end


def _names(data: bytes) -> Iterable[str]:
    """Option 119: domain names, compressed as in DNS messages (RFC 3397)."""
    offset = 0
    while offset < len(data):
        labels, offset = _name(data, offset)
        if labels:
            yield ".".join(labels)


def _name(data: bytes, offset: int) -> tuple[list[str], int]:
    labels: list[str] = []
    after, start = 0, offset
    while offset < len(data):
        length = data[offset]
        if length >= 192 and offset + 1 < len(data):
            after = after or offset + 2
            target = (length & 63) << 8 | data[offset + 1]
            if target >= start:
                break  # only what came before may be meant; anything else could go round in circles
            offset = start = target
            continue
        offset += 1 + length
        if not length:
            return labels, after or offset
        labels.append(data[offset - length : offset].decode(errors="replace"))
    return labels, after or len(data)
