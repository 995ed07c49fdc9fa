"""What is on stdin: one JSON object, its version, and its keys in any case."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn, cast

from cnisdk import errors, versions
from cnisdk._problems import expected


_LARGEST = 16 << 20
"""Bytes of stdin; a configuration beyond it is a caller's mistake, not a network."""
_CHUNK = 1 << 16
_PAUSE = 0.002


def read_all(stdin: BinaryIO) -> bytes:
    """Read stdin to its end: a pipe gives it in pieces.

    Raises:
        errors.IoFailure: it cannot be read, or does not end (code 5).
    """
    received = bytearray()
    try:
        while len(received) <= _LARGEST:
            # None: nothing there yet, on a descriptor that somebody made non-blocking.
            chunk = cast("bytes | None", stdin.read(_CHUNK))
            if chunk is None:
                time.sleep(_PAUSE)
            elif not chunk:
                return bytes(received)
            else:
                received += chunk
    except (OSError, ValueError) as failure:
        raise errors.IoFailure(f"error reading from stdin: {failure}") from failure
    raise errors.IoFailure(f"stdin holds more than {_LARGEST >> 20} MiB")


class Repetitive(dict[str, Any]):
    """A JSON object that gave keys more than once; the last ones count, as in the Go library."""

    def __init__(self, values: Mapping[str, Any], repeated: tuple[str, ...]) -> None:
        super().__init__(values)
        self.repeated = repeated

    def with_values(self, values: Mapping[str, Any]) -> Repetitive:
        """The same with other values."""
        return Repetitive(values, self.repeated)


def repeated_keys(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that a configuration's object gave more than once, for who wants to refuse that.

    Args:
        value: A field of the configuration, of a mapping type.
    """
    return value.repeated if isinstance(value, Repetitive) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    counts = dict.fromkeys(found, 0)
    for name, _ in pairs:
        counts[name] += 1
    return Repetitive(found, tuple(name for name, count in counts.items() if count > 1))


def parse(raw: bytes) -> dict[str, Any]:
    """The configuration on stdin as a JSON object.

    Raises:
        errors.DecodingFailure: not JSON, or not an object (code 6).
    """
    try:
        document: object = json.loads(raw, parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as failure:
        raise errors.DecodingFailure(
            f"error unmarshalling network config: {failure}",
            details="stdin must hold one JSON object" + (", but is empty" if not raw else ""),
        ) from None
    if not isinstance(document, dict):
        raise errors.DecodingFailure(
            f"error unmarshalling network config: {expected('an object', document)}"
        )
    return cast("dict[str, Any]", document)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def value_of(document: object, key: str) -> Any:
    """A key's value, matched regardless of case; the last one wins, as in the Go library."""
    if not isinstance(document, dict):
        return None
    folded = key.lower()
    found = None
    for name, value in cast("dict[str, Any]", document).items():
        if name.lower() == folded:
            found = value
    return found


def text_of(document: Mapping[str, Any], key: str) -> str:
    """A key's text; "" when it is absent.

    Raises:
        errors.DecodingFailure: it is something else (code 6).
    """
    value: object = value_of(document, key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise errors.DecodingFailure(f"{key}: {expected('a string', value)}")
    return value


def version_of(document: Mapping[str, Any]) -> str:
    """The configuration's cniVersion; a missing or empty one is 0.1.0.

    Raises:
        errors.DecodingFailure: it is no version (code 6).
    """
    given = text_of(document, "cniVersion")
    try:
        versions.parse(given)
    except ValueError:
        raise errors.DecodingFailure(
            f"cniVersion: {expected('a version such as 1.1.0', given)}"
        ) from None
    return given or versions.OLDEST
