"""Validators for keys that many plugins have.

    mtu: int = attrs.field(default=0, validator=cnisdk.validators.mtu)

Each raises ValueError, which the caller of the plugin sees as an error of code 7 that names the key.
"""

from __future__ import annotations

from typing import Any

import attrs


_SMALLEST_MTU = 68
_NAME_BYTES = 15
_ALTERNATIVE_NAME_BYTES = 127
_MAC_BYTES = 6


def mtu(_: object, _field: attrs.Attribute[Any], value: int) -> None:
    """An MTU in bytes, or 0 for the kernel's default."""
    if value and not _SMALLEST_MTU <= value <= 65535:
        raise ValueError(f"must be 0 or {_SMALLEST_MTU} to 65535, got {value}")


def ifname(
    _: object, _field: attrs.Attribute[Any], value: str, *, longest: int = _NAME_BYTES
) -> None:
    """The name of an interface."""
    unfit = any(each in "/:" or each.isspace() or not each.isprintable() for each in value)
    if unfit or value in {"", ".", ".."} or len(value.encode()) > longest:
        raise ValueError(
            f"must be an interface name: at most {longest} bytes without / : and spaces, "
            f'got "{value}"'
        )


def optional_ifname(field: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """The name of an interface, or "" for the default."""
    if value:
        ifname(field, attribute, value)


def existing_ifname(field: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """The name of an interface that is there, its alternative names included; or "" for none."""
    if value:
        ifname(field, attribute, value, longest=_ALTERNATIVE_NAME_BYTES)


def mac(_: object, _field: attrs.Attribute[Any], value: str | None) -> None:
    """A hardware address, or nothing."""
    digits = (value or "").translate({ord(each): None for each in ":-."})
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if value and (len(raw) != _MAC_BYTES or raw[0] & 1 or not any(raw)):
        raise ValueError(
            "must be a hardware address such as 02:00:00:00:00:01, neither all zero "
            f'nor multicast, got "{value}"'
        )
