"""Annotations, defaults, validators and field docstrings as JSON Schema."""

from __future__ import annotations

import ast
import ipaddress
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

import attrs

from cnisdk._config import STRICT, Input, IpamConf, camel_case, source_of
from cnisdk._result import Dns, IpAddress, IpInterface, IpNetwork, Route


Definitions = dict[str, dict[str, Any]]
"""Name of a class within a configuration -> its schema."""

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_PLAIN: Final[dict[Any, dict[str, Any]]] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
    ipaddress.IPv4Address: {"type": "string", "format": "ipv4"},
    ipaddress.IPv6Address: {"type": "string", "format": "ipv6"},
    IpAddress: {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    # JSON Schema has no format for prefixes; unknown ones are only for the reader.
    IpInterface: {"type": "string", "format": "cidr"},
    IpNetwork: {"type": "string", "format": "cidr"},
    IpamConf: {"type": "object", "properties": {"type": _TEXT}, "additionalProperties": True},
    Dns: {
        "type": "object",
        "properties": {
            "nameservers": {"type": "array", "items": _TEXT},
            "domain": _TEXT,
            "search": {"type": "array", "items": _TEXT},
            "options": {"type": "array", "items": _TEXT},
        },
    },
    Route: {
        "type": "object",
        "properties": {
            "dst": {"type": "string", "description": "Destination in CIDR notation."},
            "gw": {"type": "string", "description": "Gateway; by default that of the address."},
            "mtu": {"type": "integer"},
            "advmss": {"type": "integer"},
            "priority": {"type": "integer"},
            "table": {"type": "integer"},
            "scope": {"type": "integer"},
        },
        "required": ["dst"],
    },
}
_BOUNDS: Final = {
    ">=": "minimum",
    "<=": "maximum",
    ">": "exclusiveMinimum",
    "<": "exclusiveMaximum",
}


def schema_of_class(cls: type, definitions: Definitions) -> dict[str, Any]:
    """The object a configuration class is read from; inputs without a key are left out."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    texts = docstrings(cls)
    for field in attrs.fields(attrs.resolve_types(cast("Any", cls))):
        source: Input = source_of(field)
        if source.key is None or not field.init:
            continue
        text = source.description or texts.get(field.name, "")
        value = with_constraints(field, definitions, description=text)
        if source.capability:
            value["x-cni-capability"] = source.capability
        if source.arg:
            value["x-cni-arg"] = source.arg
        if source.secret:
            value |= {"writeOnly": True, "x-cni-secret": True}
        properties[source.key] = value
        if field.default is attrs.NOTHING and not source.capability and not source.arg:
            required.append(source.key)
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if description := described(cls):
        schema["description"] = description
    if getattr(cls, STRICT, False):
        schema["additionalProperties"] = False
    return schema


def with_constraints(
    field: attrs.Attribute[Any], definitions: Definitions, *, description: str = ""
) -> dict[str, Any]:
    """The schema of one field: type, what its validators demand, default, description."""
    schema = dict(_of_annotation(field.type, definitions))
    schema |= dict(_demands(field.validator))
    default = _encoded(field.default)
    if default is not None:
        schema["default"] = default
    if description:
        schema["description"] = description
    return schema


def described(cls: type) -> str:
    """First paragraph of a class's own docstring, in one line."""
    return _plain((cls.__dict__.get("__doc__") or "").strip().partition("\n\n")[0])


def _plain(text: str) -> str:
    """A docstring without its line breaks and its reStructuredText literals."""
    return " ".join(text.split()).replace("``", "`")


@cache
def docstrings(cls: type) -> Mapping[str, str]:
    """The string literals below the fields of a class, and of those it inherits from."""
    import inspect

    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue  # made at run time, or installed without source
        statements = getattr(body, "body", [])
        for field, text in pairwise(statements):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[field.target.id] = _plain(text.value.value)
    return found


def _of_annotation(annotation: Any, definitions: Definitions) -> dict[str, Any]:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in {Union, UnionType}:
        return _of_union(arguments, definitions)
    if origin in {list, tuple, Sequence, set, frozenset}:
        items = _of_annotation(arguments[0], definitions) if arguments else {}
        return {"type": "array", "items": items}
    if origin in {dict, Mapping}:
        values = _of_annotation(arguments[1], definitions) if arguments else {}
        return {"type": "object", "additionalProperties": values or True}
    if isinstance(annotation, type) and attrs.has(annotation):
        if annotation.__name__ not in definitions:
            definitions[annotation.__name__] = {}  # a class may contain itself
            definitions[annotation.__name__] = schema_of_class(annotation, definitions)
        return {"$ref": f"#/$defs/{annotation.__name__}"}
    return {}


def _of_union(arguments: tuple[Any, ...], definitions: Definitions) -> dict[str, Any]:
    others = tuple(each for each in arguments if each is not NoneType)
    nullable = len(others) < len(arguments)
    union: Any = reduce(lambda one, other: one | other, others)
    if len(others) == 1 or union in _PLAIN:
        schema = _of_annotation(union, definitions)
        if not nullable:
            return schema
        if isinstance(schema.get("type"), str):
            return schema | {"type": [schema["type"], "null"]}
        return {"anyOf": [schema, {"type": "null"}]}
    return {"anyOf": [_of_annotation(each, definitions) for each in arguments]}


def _demands(validator: Any) -> list[tuple[str, Any]]:
    """What an attrs validator says in terms of JSON Schema; unknown ones say nothing."""
    if validator is None:
        return []
    if hasattr(validator, "_validators"):
        return [demand for each in validator._validators for demand in _demands(each)]  # noqa: SLF001
    if type(validator).__name__ == "_OptionalValidator":
        return [(k, [*v, None] if k == "enum" else v) for k, v in _demands(validator.validator)]
    if getattr(validator, "compare_op", None) in _BOUNDS:
        return [(_BOUNDS[validator.compare_op], validator.bound)]
    if hasattr(validator, "options"):
        return [("enum", list(validator.options))]
    if hasattr(validator, "pattern"):
        return [("pattern", f"^(?:{validator.pattern.pattern})$")]
    return []


def _encoded(default: Any) -> Any:
    """A default as JSON; None when there is none, or none that JSON can hold."""
    if default is attrs.NOTHING:
        return None
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        factory = default
        return None if factory.takes_self else _encoded(factory.factory())
    if isinstance(default, bool | int | float | str):
        return default
    if isinstance(default, list | tuple | set | frozenset):
        items = [_encoded(each) for each in cast("Sequence[Any]", default)]
        return None if None in items else items
    if isinstance(default, dict):
        return cast("dict[str, Any]", default)
    kind = default.__class__
    if attrs.has(kind):
        pairs = {camel_case(k): _encoded(v) for k, v in attrs.asdict(default).items()}
        return {key: value for key, value in pairs.items() if value is not None}
    return str(default) if kind.__module__ == "ipaddress" else None
