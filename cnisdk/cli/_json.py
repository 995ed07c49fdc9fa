"""JSON whose shape nobody vouches for, and JSON text with the place of every value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, Final, cast

import attrs


Path = tuple[str | int, ...]
"""Keys and indices from the document to a value."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
_DEEPEST: Final = 100


def as_object(value: object) -> dict[str, Any]:
    """The value when it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[Any]:
    """The value when it is a list, else an empty one."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def spelled(path: Path) -> str:
    """``plugins[0].ipam.subnet``; keys that would be misread are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


@attrs.frozen
class Located:
    """A JSON document and where its values stand."""

    value: Any
    offsets: Mapping[Path, int]
    """Path of a value -> where it starts; for the value of a key, where the key starts."""
    repeated: Sequence[tuple[Path, int]]
    """Keys given once more in one object, and where."""
    text: str

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1, of a value, or of the nearest one around it that is there."""
        while path and path not in self.offsets:
            path = path[:-1]
        return position(self.text, self.offsets.get(path, 0))


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1


def parse(text: str) -> Located:
    """Read JSON as RFC 8259 has it, keeping track of where everything stands.

    Raises:
        json.JSONDecodeError: says what is wrong, and where.
    """
    reader = _Reader(text)
    value, end = reader.value(reader.skip(0), ())
    end = reader.skip(end)
    if end < len(text):
        raise JSONDecodeError("Extra data after the document", text, end)
    return Located(value, reader.offsets, reader.repeated, text)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.offsets: dict[Path, int] = {}
        self.repeated: list[tuple[Path, int]] = []

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int, path: Path) -> tuple[Any, int]:
        self.offsets.setdefault(path, at)
        head = self.text[at : at + 1]
        if len(path) > _DEEPEST:
            raise JSONDecodeError("Nested too deeply", self.text, at)
        if head == "{":
            return self._object(at, path)
        if head == "[":
            return self._array(at, path)
        if head == '"':
            return self._string(at)
        number = _NUMBER.match(self.text, at)
        if number:
            digits = number[0]
            return (int(digits) if digits.lstrip("-").isdigit() else float(digits)), number.end()
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, at):
                return meaning, at + len(word)
        what = ": a comma too many" if head in {"]", "}"} and head else ""
        raise JSONDecodeError(f"Expecting a value{what}", self.text, at)

    def _string(self, at: int) -> tuple[str, int]:
        return cast("tuple[str, int]", scanstring(self.text, at + 1, True))

    def _object(self, at: int, path: Path) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self.skip(at + 1)
        if self.text[at : at + 1] == "}":
            return found, at + 1
        while True:
            if self.text[at : at + 1] != '"':
                what = "a comma too many" if found and self.text[at : at + 1] == "}" else "no key"
                raise JSONDecodeError(f"Expecting a key in double quotes: {what}", self.text, at)
            key_at = at
            key, at = self._string(at)
            if key in found:
                self.repeated.append(((*path, key), key_at))
            at = self.skip(at)
            if self.text[at : at + 1] != ":":
                raise JSONDecodeError(f'Expecting ":" after the key "{key}"', self.text, at)
            self.offsets[(*path, key)] = key_at
            found[key], at = self.value(self.skip(at + 1), (*path, key))
            at, more = self._separator(at, "}", f'the value of "{key}"')
            if not more:
                return found, at

    def _array(self, at: int, path: Path) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self.skip(at + 1)
        if self.text[at : at + 1] == "]":
            return found, at + 1
        while True:
            item, at = self.value(at, (*path, len(found)))
            found.append(item)
            at, more = self._separator(at, "]", f"item {len(found)} of the list")
            if not more:
                return found, at

    def _separator(self, at: int, close: str, after: str) -> tuple[int, bool]:
        at = self.skip(at)
        if self.text[at : at + 1] == close:
            return at + 1, False
        if self.text[at : at + 1] != ",":
            raise JSONDecodeError(f'Expecting "," or "{close}" after {after}', self.text, at)
        return self.skip(at + 1), True
