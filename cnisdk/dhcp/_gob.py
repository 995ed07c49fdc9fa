"""The part of Go's gob encoding (https://pkg.go.dev/encoding/gob) that net/rpc needs for plain structures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import attrs


class Malformed(ValueError):
    """Bytes that are no gob, or one of a kind that is not read here."""


@attrs.frozen(eq=False)
class Basic:
    """A type that needs no definition."""

    id: int


@attrs.frozen(eq=False)
class Struct:
    """A structure; its values are mappings, without what is zero."""

    name: str
    fields: tuple[tuple[str, Type], ...] = ()


@attrs.frozen(eq=False)
class List:
    """A list."""

    element: Type


Type = Basic | Struct | List
BOOL, INT, UINT, BYTES, STRING = (Basic(number) for number in (1, 2, 3, 5, 6))

_COMMON = Struct("CommonType", (("Name", STRING), ("Id", INT)))
_FIELD = Struct("fieldType", (("Name", STRING), ("Id", INT)))
_COMMON_FIELD: Final = ("CommonType", _COMMON)
_WIRE = Struct(
    "wireType",
    (
        ("ArrayT", Struct("arrayType", (_COMMON_FIELD, ("Elem", INT), ("Len", INT)))),
        ("SliceT", Struct("sliceType", (_COMMON_FIELD, ("Elem", INT)))),
        ("StructT", Struct("structType", (_COMMON_FIELD, ("Field", List(_FIELD))))),
        ("MapT", Struct("mapType", (_COMMON_FIELD, ("Key", INT), ("Elem", INT)))),
    ),
)
"""How a stream defines its types; definitions of other kinds are not understood."""
_FIRST_ID = 65


class Encoder:
    """Makes one stream of values."""

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        self._types: list[Type] = []

    def encode(self, kind: Struct, value: Mapping[str, Any]) -> bytes:
        """A structure, after the definitions of types the other side does not know yet."""
        definitions: list[bytes] = []
        number = self._id(kind, definitions)
        return b"".join(definitions) + _message(_int(number) + _value(kind, value))

    def _id(self, kind: Type, definitions: list[bytes]) -> int:
        if isinstance(kind, Basic):
            return kind.id
        if id(kind) in self._ids:
            return self._ids[id(kind)]
        number = _FIRST_ID + len(self._types)
        self._ids[id(kind)] = number
        self._types.append(kind)  # kept, so that its id() stays its own
        if isinstance(kind, Struct):
            fields = [
                {"Name": name, "Id": self._id(each, definitions)} for name, each in kind.fields
            ]
            wire: dict[str, Any] = {
                "StructT": {"CommonType": {"Name": kind.name, "Id": number}, "Field": fields}
            }
        else:
            element = self._id(kind.element, definitions)
            wire = {"SliceT": {"CommonType": {"Id": number}, "Elem": element}}
        definitions.append(_message(_int(-number) + _value(_WIRE, wire)))
        return number


def _message(content: bytes) -> bytes:
    return _uint(len(content)) + content


def _uint(number: int) -> bytes:
    if number < 128:
        return bytes([number])
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([256 - len(data)]) + data


def _int(number: int) -> bytes:
    return _uint(~number << 1 | 1 if number < 0 else number << 1)


def _value(kind: Type, value: Any) -> bytes:
    match kind:
        case Struct():
            data, last = b"", -1
            for index, (name, each) in enumerate(kind.fields):
                if value.get(name):
                    data += _uint(index - last) + _value(each, value[name])
                    last = index
            return data + b"\0"
        case List():
            return _uint(len(value)) + b"".join(_value(kind.element, each) for each in value)
        case Basic(id=2):
            return _int(value)
        case Basic(id=5 | 6):
            data = value.encode() if isinstance(value, str) else bytes(value)
            return _uint(len(data)) + data
        case _:
            return _uint(int(value))


class Decoder:
    """Reads the values of one stream, message by message."""

    def __init__(self) -> None:
        self._types: dict[int, Type] = {each.id: each for each in (BOOL, INT, UINT, BYTES, STRING)}
        self._pending: dict[int, tuple[str, Any]] = {}

    def decode(self, message: bytes) -> Any:
        """The value of a message; None when it only defines a type.

        Raises:
            Malformed: it cannot be read.
        """
        try:
            data = _Reader(message)
            number = data.signed()
            while number < 0:
                wire = cast("dict[str, Any]", data.value(_WIRE))
                self._pending[-number] = next(iter(wire.items()))
                if data.at_end:
                    return None
                number = data.signed()
            kind = self._resolved(number)
            if not isinstance(kind, Struct) and data.uint() != 0:
                raise Malformed("expected a single value")
            return data.value(kind)
        except (IndexError, StopIteration, UnicodeDecodeError, RecursionError) as failure:
            raise Malformed(f"not a gob: {failure!r}") from None

    def _resolved(self, number: int) -> Type:
        if number in self._types:
            return self._types[number]
        if number not in self._pending:
            raise Malformed(f"type {number} is not defined")
        form, definition = self._pending[number]
        if form == "StructT":
            fields = tuple(
                (str(each.get("Name")), self._resolved(each.get("Id", 0)))
                for each in definition.get("Field", [])
            )
            found: Type = Struct(definition.get("CommonType", {}).get("Name", ""), fields)
        elif form in {"SliceT", "ArrayT"}:
            found = List(self._resolved(definition.get("Elem", 0)))
        else:
            raise Malformed(f"a type of the form {form}")
        self._types[number] = found
        return found


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    @property
    def at_end(self) -> bool:
        return self._offset >= len(self._data)

    def uint(self) -> int:
        first = self._data[self._offset]
        self._offset += 1
        if first < 128:
            return first
        return int.from_bytes(self._take(256 - first), "big")

    def signed(self) -> int:
        number = self.uint()
        return ~(number >> 1) if number & 1 else number >> 1

    def value(self, kind: Type) -> Any:
        match kind:
            case Struct():
                found: dict[str, Any] = {}
                index = -1
                while step := self.uint():
                    index += step
                    name, each = kind.fields[index]
                    found[name] = self.value(each)
                return found
            case List():
                return [self.value(kind.element) for _ in range(self.uint())]
            case Basic(id=2):
                return self.signed()
            case Basic(id=5):
                return self._take(self.uint())
            case Basic(id=6):
                return self._take(self.uint()).decode()
            case _:
                return self.uint()

    def _take(self, count: int) -> bytes:
        data = self._data[self._offset : self._offset + count]
        if len(data) < count:
            raise IndexError("the message ends too early")
        self._offset += count
        return data


def length(head: bytes) -> tuple[int, int] | None:
    """From the first bytes of a message: how long it is, and after how many bytes it begins.

    None when there are too few.
    """
    if not head or (head[0] >= 128 and len(head) < 257 - head[0]):
        return None
    size = _Reader(head).uint()
    return size, 1 if head[0] < 128 else 257 - head[0]


__all__ = [
    "BOOL",
    "BYTES",
    "INT",
    "STRING",
    "UINT",
    "Decoder",
    "Encoder",
    "List",
    "Malformed",
    "Struct",
    "length",
]
