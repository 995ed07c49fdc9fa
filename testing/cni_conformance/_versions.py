"""The versions of the specification, oldest first."""

from __future__ import annotations


VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = VERSIONS[-1]

# What each command needs (SPEC.md, released versions).
FIRST_VERSION_WITH = {
    "ADD": "0.1.0",
    "DEL": "0.1.0",
    "VERSION": "0.1.0",
    "CHECK": "0.4.0",
    "GC": "1.1.0",
    "STATUS": "1.1.0",
}


def at_least(version: str, other: str) -> bool:
    """Whether a version is another one or newer."""
    return VERSIONS.index(version) >= VERSIONS.index(other)


def has_command(version: str, command: str) -> bool:
    """Whether a version of the specification defines a command."""
    return at_least(version, FIRST_VERSION_WITH[command])


def known(versions: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Those of the given versions that this suite knows, oldest first."""
    return tuple(version for version in VERSIONS if version in versions)
