"""Single JSON values to Python types: text, numbers, addresses."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Final

from cnisdk import errors
from cnisdk._problems import Problem, Problems, expected, shown
from cnisdk._result import Dns, IpAddress, IpInterface, IpNetwork, Route
from cnisdk._result_json import decode_dns, decode_route, parse_cidr, parse_ip


Hook = Callable[[Any], Any]
"""Reads one JSON value, or raises `Problems`."""


def refuse(wanted: str, value: Any) -> Problems:
    return Problems([Problem("", expected(wanted, value), errors.DecodingFailure)])


def anything(value: Any) -> Any:
    return value


def _exact(kind: type, wanted: str) -> Hook:
    def hook(value: Any) -> Any:
        if type(value) is not kind:
            raise refuse(wanted, value)
        return value

    return hook


def _whole_number(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise refuse("a whole number", value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse("a number", value)
    try:
        return float(value)
    except OverflowError:
        raise Problems([Problem("", f"{shown(value)} is out of range")]) from None


# ---- addresses and what holds them --------------------------------------------------------------


def _parsed(parse: Callable[[str], Any], kinds: Any, wanted: str) -> Hook:
    def hook(value: Any) -> Any:
        if not isinstance(value, str):
            raise refuse(wanted, value)
        try:
            found = parse(value)
        except ValueError:
            found = None
        if not isinstance(found, kinds):
            raise Problems([Problem("", expected(wanted, value), refused=value)])
        return found

    return hook


def _ip_or_cidr(text: str) -> IpAddress | IpInterface:
    return parse_cidr(text) if "/" in text else parse_ip(text)


def _network(text: str) -> IpNetwork:
    return parse_cidr(text).network


def _by_result_json(decode: Callable[[Any, str], Any], name: str) -> Hook:
    """Read by what reads results, whose errors carry the path."""

    def hook(value: Any) -> Any:
        try:
            return decode(value, name)
        except errors.CniError as failure:
            path, _, message = failure.msg.partition(": ")
            path = path.removeprefix(name).lstrip(".")
            raise Problems([Problem(path, message, type(failure))]) from None

    return hook


_ADDRESS = (IPv4Address, IPv6Address)
_INTERFACE = (IPv4Interface, IPv6Interface)
_NETWORK = (IPv4Network, IPv6Network)
read_dns = _by_result_json(decode_dns, "dns")

HOOKS: Final[dict[type, Hook]] = {
    str: _exact(str, "a string"),
    bool: _exact(bool, "true or false"),
    int: _whole_number,
    float: _number,
    type(None): _exact(type(None), "null"),
    IPv4Address: _parsed(parse_ip, IPv4Address, "an IPv4 address"),
    IPv6Address: _parsed(parse_ip, IPv6Address, "an IPv6 address"),
    IPv4Interface: _parsed(parse_cidr, IPv4Interface, "an IPv4 address in CIDR notation"),
    IPv6Interface: _parsed(parse_cidr, IPv6Interface, "an IPv6 address in CIDR notation"),
    IPv4Network: _parsed(_network, IPv4Network, "an IPv4 network in CIDR notation"),
    IPv6Network: _parsed(_network, IPv6Network, "an IPv6 network in CIDR notation"),
    Dns: lambda value: read_dns(value) or Dns(),
    Route: _by_result_json(decode_route, "route"),
}
UNIONS: Final[dict[frozenset[type], Hook]] = {
    frozenset(_ADDRESS): _parsed(parse_ip, _ADDRESS, "an IP address"),
    frozenset(_INTERFACE): _parsed(parse_cidr, _INTERFACE, "an address in CIDR notation"),
    frozenset(_NETWORK): _parsed(_network, _NETWORK, "a network in CIDR notation"),
    frozenset((*_ADDRESS, *_INTERFACE)): _parsed(
        _ip_or_cidr, (*_ADDRESS, *_INTERFACE), "an IP address"
    ),
}
ADDRESSES: Final = frozenset(_ADDRESS)
