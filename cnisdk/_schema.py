"""JSON Schema of a plugin's configuration, derived from its class.

The schema describes one entry of a conflist's ``plugins``. Inputs that do not come from a key stand
where the runtime puts them: capabilities below ``runtimeConfig``, arguments below ``args.cni``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from cnisdk import versions
from cnisdk._config import STRICT, IpamConf, source_of
from cnisdk._schema_types import (
    Definitions,
    described,
    docstrings,
    schema_of_class,
    with_constraints,
)


if TYPE_CHECKING:
    from cnisdk._plugin import ChainedPlugin, IpamPlugin, Plugin

    PluginClass = type[Plugin[Any] | ChainedPlugin[Any] | IpamPlugin[Any]]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BOOLEAN_OR_TEXT: Final[dict[str, Any]] = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^(?i:true|false)$"}]
}
_NETWORK_KEYS: Final[dict[str, dict[str, Any]]] = {
    "cniVersion": {
        "type": "string",
        "description": "Protocol version of the network.",
        "enum": list(versions.ALL),
    },
    "cniVersions": {
        "type": "array",
        "description": "Further versions the network may be used with; the runtime takes the highest it knows.",
        "items": {"type": "string"},
    },
    "name": {
        "type": "string",
        "description": "Name of the network, unique on the node.",
        "pattern": r"^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$",
    },
    "disableCheck": _BOOLEAN_OR_TEXT | {"description": "Never run CHECK on this network."},
    "disableGC": _BOOLEAN_OR_TEXT | {"description": "Never run GC on this network."},
    "loadOnlyInlinedPlugins": _BOOLEAN_OR_TEXT
    | {"description": "Ignore the drop-in directory named after the network."},
}


def plugin_schema(plugin: PluginClass, type_name: str) -> dict[str, Any]:
    """The schema of a conflist entry that uses a plugin.

    Args:
        plugin: The plugin's class.
        type_name: Its CNI type, the file name in CNI_PATH.
    """
    definitions: Definitions = {}
    config = plugin.config_class
    is_ipam = issubclass(config, IpamConf)
    section = schema_of_class(config, definitions)
    section["properties"]["type"] = {
        "const": type_name,
        "description": "File name of the plugin in CNI_PATH.",
    }
    section["required"] = ["type", *(each for each in section["required"] if each != "type")]
    if is_ipam:
        properties: dict[str, Any] = {"ipam": section}
        required = ["ipam"]
    else:
        properties, required = section["properties"], section["required"]
        if "ipam" in properties:  # loopback's has none
            properties["ipam"]["description"] = "The delegated IPAM plugin and its configuration."
    properties.update(_outer_inputs(config, definitions))
    document: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"{type_name}: configuration",
        "description": described(plugin),
        "type": "object",
        "properties": properties,
        "required": required,
        "x-cni-type": type_name,
        "x-cni-kind": plugin.kind,
        "x-cni-versions": list(plugin.supported_versions),
        "x-cni-capabilities": list(plugin.capabilities()),
    }
    if getattr(config, STRICT, False) and not is_ipam:
        properties.update({key: properties.get(key, value) for key, value in _NETWORK_KEYS.items()})
        document["additionalProperties"] = False
        properties["prevResult"] = {"type": "object"}
        document["patternProperties"] = {r"^cni\.dev/": True}
    if definitions:
        document["$defs"] = definitions
    return document


def network_schema(entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema of a whole conflist.

    Args:
        entries: CNI type -> its `plugin_schema`; other types are allowed, with any key.
    """
    definitions: dict[str, Any] = {}
    branches: list[dict[str, Any]] = []
    for type_name, entry in entries.items():
        inner = {key: value for key, value in entry.items() if key != "$schema"}
        place: dict[str, Any] = {"properties": {"type": {"const": type_name}}, "required": ["type"]}
        if inner["x-cni-kind"] == "ipam":
            place = {"properties": {"ipam": place}, "required": ["ipam"]}
        # Each branch is a schema resource of its own, so that its $refs mean its own $defs.
        definitions[type_name] = inner | {"$id": f"urn:cni:type:{type_name}"}
        branches.append({"if": place, "then": {"$ref": f"urn:cni:type:{type_name}"}})
    return {
        "$schema": DIALECT,
        "title": "CNI network configuration list",
        "type": "object",
        "properties": _NETWORK_KEYS
        | {
            "plugins": {
                "type": "array",
                "description": "The plugins of the network, in the order ADD calls them.",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {"type": {"type": "string", "minLength": 1}},
                    "required": ["type"],
                    "allOf": branches,
                },
            }
        },
        "required": ["cniVersion", "name"],
        "$defs": definitions,
    }


def _outer_inputs(config: type, definitions: Definitions) -> dict[str, Any]:
    """What the runtime adds: ``capabilities`` enables, ``runtimeConfig`` and ``args.cni`` carry."""
    enabled: dict[str, Any] = {}
    capabilities: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    for field in attrs.fields(attrs.resolve_types(cast("Any", config))):
        source = source_of(field)
        told = source.description or docstrings(config).get(field.name, "")
        value = with_constraints(field, definitions, description=told)
        if source.capability:
            enabled[source.capability] = {"type": "boolean"}
            capabilities[source.capability] = value | {"x-cni-capability": source.capability}
        if source.arg:
            arguments[source.arg] = value | {"x-cni-arg": source.arg}
    properties: dict[str, Any] = {
        "capabilities": {
            "type": "object",
            "description": "Inputs the runtime is to fill in; true enables one.",
            "properties": enabled,
            "additionalProperties": {"type": "boolean"},
        }
    }
    if capabilities:
        properties["runtimeConfig"] = {
            "type": "object",
            "description": "Made by the runtime from the enabled capabilities; not for configuration files.",
            "properties": capabilities,
        }
    if arguments:
        properties["args"] = {
            "type": "object",
            "description": "Made by the runtime; not for configuration files.",
            "properties": {"cni": {"type": "object", "properties": arguments}},
        }
    return properties


def unknown_keys(
    schema: dict[str, Any], document: Any, always_known: Callable[[str], bool]
) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...]]]:
    """Keys of a document its schema does not name.

    Args:
        schema: A `plugin_schema`.
        document: The conflist entry.
        always_known: Keys of the entry itself that every plugin takes.

    Yields:
        The path of the key, and the keys known there.
    """
    definitions = cast("dict[str, Any]", schema.get("$defs", {}))
    yield from _unknown(schema, document, (), definitions, always_known)


def _unknown(
    schema: dict[str, Any],
    value: Any,
    path: tuple[str | int, ...],
    definitions: dict[str, Any],
    always_known: Callable[[str], bool],
) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...]]]:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for option in schema.get("anyOf", ()):
        if "$ref" in option or option.get("type") in {"object", "array"}:
            yield from _unknown(option, value, path, definitions, always_known)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(cast("Sequence[Any]", value)):
            yield from _unknown(schema["items"], item, (*path, index), definitions, always_known)
    if not isinstance(value, dict):
        return
    properties = cast("dict[str, Any]", schema.get("properties", {}))
    folded = {key.lower(): key for key in properties}
    for key, each in cast("dict[str, Any]", value).items():
        known = folded.get(key.lower())
        if known is not None:
            yield from _unknown(properties[known], each, (*path, key), definitions, always_known)
        elif properties and "additionalProperties" not in schema and not always_known(key):
            yield (*path, key), tuple(properties)
        elif isinstance(schema.get("additionalProperties"), dict):
            inner = schema["additionalProperties"]
            yield from _unknown(inner, each, (*path, key), definitions, always_known)
