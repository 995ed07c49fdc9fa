"""The seven versions of the CNI specification, and what each of them has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cnisdk import errors


ALL: Final = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""Every released version of the specification, oldest first."""

NEWEST: Final = ALL[-1]
OLDEST: Final = ALL[0]
"""What a missing or empty ``cniVersion`` means."""


def parse(version: str) -> tuple[int, int, int]:
    """Split a version into numbers; missing parts are 0 and "" is 0.1.0, as in the Go library.

    Raises:
        ValueError: not one to three dot-separated whole numbers.
    """
    parts = (version or OLDEST).split(".")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f'invalid version "{version}"')
    numbers = [int(part) for part in parts] + [0, 0]
    return numbers[0], numbers[1], numbers[2]


def at_least(version: str, floor: str) -> bool:
    """Whether ``version`` is ``floor`` or newer."""
    return parse(version) >= parse(floor)


def since(floor: str) -> tuple[str, ...]:
    """Every released version from ``floor`` on, oldest first."""
    return tuple(each for each in ALL if at_least(each, floor))


def has_check(version: str) -> bool:
    """CHECK came with 0.4.0."""
    return at_least(version, "0.4.0")


def has_gc(version: str) -> bool:
    """GC came with 1.1.0."""
    return at_least(version, "1.1.0")


def has_status(version: str) -> bool:
    """STATUS came with 1.1.0."""
    return at_least(version, "1.1.0")


def has_many_addresses(version: str) -> bool:
    """Before 0.3.0 a result held at most one address per family, and no interfaces."""
    return at_least(version, "0.3.0")


def refuse_many_addresses(version: str, families: Iterable[int]) -> None:
    """Refuse addresses that a result of this version cannot hold.

    Args:
        version: ``cniVersion`` of the call.
        families: 4 or 6, one for each address.

    Raises:
        errors.InvalidConfig: several of one family, in the words of the Go plugins (code 7).
    """
    families = list(families)
    if has_many_addresses(version):
        return
    for family in (4, 6):
        if families.count(family) > 1:
            raise errors.InvalidConfig(
                f"CNI version {version} does not support more than 1 address per family",
                hint=f"there are {families.count(family)} of IPv{family}; "
                "use cniVersion 0.3.0 or newer",
            )
