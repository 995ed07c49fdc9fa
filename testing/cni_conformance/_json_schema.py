"""Values that match a JSON Schema, as far as configurations use it."""

from __future__ import annotations

import importlib
import importlib.util
import string
from typing import Any

from hypothesis import strategies as st


Json = dict[str, Any]
_DEPTH = 5


def matching(schema: Json) -> st.SearchStrategy[Any]:
    """Values a schema allows; by hypothesis-jsonschema where that is installed."""
    if importlib.util.find_spec("hypothesis_jsonschema") is not None:
        made: st.SearchStrategy[Any]
        made = importlib.import_module("hypothesis_jsonschema").from_schema(schema)
        return made
    return _of(schema, schema, _DEPTH)


def _of(schema: Any, root: Json, depth: int) -> st.SearchStrategy[Any]:
    if not isinstance(schema, dict) or depth < 0:
        return st.none()
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "$ref" in schema:
        return _of(_referred(schema["$ref"], root), root, depth - 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            rest = {name: value for name, value in schema.items() if name != key}
            return st.one_of([_of({**rest, **each}, root, depth) for each in schema[key]])
    if "allOf" in schema:
        whole = {name: value for name, value in schema.items() if name != "allOf"}
        for each in schema["allOf"]:
            whole = _both(whole, _referred(each["$ref"], root) if "$ref" in each else each)
        return _of(whole, root, depth)
    kinds = schema.get("type", "object" if "properties" in schema else "null")
    choices = kinds if isinstance(kinds, list) else [kinds]
    return st.one_of([_of_type(kind, schema, root, depth) for kind in choices])


def _of_type(kind: str, schema: Json, root: Json, depth: int) -> st.SearchStrategy[Any]:
    match kind:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31))
        case "number":
            low, high = schema.get("minimum", -1e9), schema.get("maximum", 1e9)
            return st.floats(low, high, allow_nan=False)
        case "string":
            return _strings(schema)
        case "array":
            return st.lists(
                _of(schema.get("items", {"type": "string"}), root, depth - 1),
                min_size=schema.get("minItems", 0),
                max_size=schema.get("maxItems", schema.get("minItems", 0) + 3),
            )
        case "object":
            properties = schema.get("properties", {})
            required = set(schema.get("required", []))
            made = {name: _of(each, root, depth - 1) for name, each in properties.items()}
            return st.fixed_dictionaries(
                {name: each for name, each in made.items() if name in required},
                optional={name: each for name, each in made.items() if name not in required},
            )
        case _:
            return st.none()


def _strings(schema: Json) -> st.SearchStrategy[str]:
    if "examples" in schema:
        return st.sampled_from(schema["examples"])
    if "pattern" in schema:
        pattern: str = schema["pattern"]
        return st.from_regex(pattern, fullmatch=pattern.startswith("^"))
    shortest = schema.get("minLength", 0)
    return st.text(
        string.printable + "é日", min_size=shortest, max_size=schema.get("maxLength", shortest + 20)
    )


def _referred(reference: str, root: Json) -> Json:
    found: Any = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        found = found[key] if key else found
    section: Json = found
    return section


def _both(one: Json, other: Json) -> Json:
    both = {**one, **other}
    both["properties"] = {**one.get("properties", {}), **other.get("properties", {})}
    both["required"] = [*one.get("required", []), *other.get("required", [])]
    return both
