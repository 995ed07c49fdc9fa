"""Reports as JSON: the attributes of `Report` by their names, as `report.schema.json` has them."""

from __future__ import annotations

import enum
import importlib.resources
import json
import types
import typing
from typing import Any

import attrs

from cni_conformance._outcome import SCHEMA_VERSION, Report
from cni_conformance.report import _file


def write(report: Report, path: str) -> None:
    """Write a report.

    Raises:
        OSError: The file cannot be written; the error names it.
    """
    _file.write(path, json.dumps(attrs.asdict(report), indent=1) + "\n")


def read(path: str) -> Report:
    """Read a report.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds no report of this format; the message names the file and the place.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as failure:
        raise ValueError(f"{path}: not a JSON document: {failure}") from failure
    number = document.get("schema") if isinstance(document, dict) else None
    if number is None:
        raise ValueError(f"{path}: not a report of cni-conformance: it has no `schema`")
    if number != SCHEMA_VERSION:
        raise ValueError(
            f"{path}: a report in format {number!r}; this version reads format {SCHEMA_VERSION}"
        )
    try:
        return typing.cast("Report", _object(Report, document, ""))
    except _Misfit as misfit:
        raise ValueError(f"{path}: {misfit}") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of the format."""
    source = importlib.resources.files("cni_conformance.report").joinpath("report.schema.json")
    return typing.cast("dict[str, Any]", json.loads(source.read_text("utf-8")))


class _Misfit(Exception):
    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where.lstrip('.') or 'the report'} {problem}")


def _is_not(wanted: str, value: Any) -> str:
    text = json.dumps(value)
    return f"must be {wanted}, not {text if len(text) <= 60 else text[:57] + '...'}"


_NAMES: dict[Any, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
    list: "a list",
    dict: "an object",
}


def _object(cls: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _Misfit(where, _is_not("an object", value))
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise _Misfit(f"{where}.{unknown[0]}", "is not a key of the format")
    found: dict[str, Any] = {}
    for attribute in attrs.fields(cls):
        place = f"{where}.{attribute.name}"
        if attribute.name in value:
            found[attribute.name] = _value(hints[attribute.name], value[attribute.name], place)
        elif attribute.default is attrs.NOTHING:
            raise _Misfit(place, "is missing")
    return cls(**found)


def _value(hint: Any, value: Any, where: str) -> Any:
    """A value of JSON as the type of an attribute, without any conversion but the obvious ones."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], value, where)
    if isinstance(hint, type) and attrs.has(hint):
        return _object(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        if value not in list(hint):
            raise _Misfit(where, _is_not("one of " + ", ".join(hint), value))
        return hint(value)
    wanted: Any = origin or hint
    if not _fits(wanted, value):
        raise _Misfit(where, _is_not(_NAMES[wanted], value))
    if wanted is list:
        return [_value(arguments[0], each, f"{where}[{n}]") for n, each in enumerate(value)]
    if wanted is dict:
        return {key: _value(arguments[1], each, f"{where}[{key!r}]") for key, each in value.items()}
    return value


def _fits(wanted: Any, value: Any) -> bool:
    if isinstance(value, bool):  # which Python counts among the integers
        return wanted is bool
    return isinstance(value, (int, float) if wanted is float else wanted)
