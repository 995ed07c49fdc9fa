"""JSON Schemas derived from configuration classes."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs
import pytest

import cnisdk
from cnisdk import on
from cnisdk._config import source_of
from cnisdk._launcher import load
from cnisdk._schema import network_schema, plugin_schema, unknown_keys
from cnisdk.install import reference_plugins


@cnisdk.config
class Hop:
    """One hop."""

    via: cnisdk.IpAddress
    """Address of the next router."""
    next: "Hop | None" = None
    """The hop after it."""


@cnisdk.config(strict=True)
class TunnelConf(cnisdk.NetConf):
    """Configuration of a tunnel."""

    mode: Literal["fast", "safe"] = "safe"
    """How ``packets``
    travel."""
    port: int = attrs.field(
        default=4789, validator=[attrs.validators.ge(1), attrs.validators.le(65535)]
    )
    ratio: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(0))
    )
    labels: Mapping[str, int] = attrs.field(factory=dict)
    hops: tuple[Hop, ...] = ()
    subnet: cnisdk.IpNetwork
    name_tag: str = cnisdk.key(
        "nameTag", default="", validator=attrs.validators.matches_re("[a-z]*")
    )
    token: str = cnisdk.key(default="", secret=True)
    mac: str | None = cnisdk.capability("mac", arg="MAC", default=None, description="Its MAC.")


class Tunnel(cnisdk.Plugin[TunnelConf], supported_versions=("1.0.0", "1.1.0")):
    """A tunnel.

    It has an end.
    """

    @on.add
    def attach(self, op: cnisdk.Add[TunnelConf]) -> cnisdk.Result:
        return op.result().build()

    @on.delete
    def detach(self, op: cnisdk.Del[TunnelConf]) -> None: ...


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return plugin_schema(Tunnel, "tunnel")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("type", {"const": "tunnel", "description": "File name of the plugin in CNI_PATH."}),
        (
            "mode",
            {"enum": ["fast", "safe"], "default": "safe", "description": "How `packets` travel."},
        ),
        ("port", {"type": "integer", "minimum": 1, "maximum": 65535, "default": 4789}),
        ("ratio", {"type": ["number", "null"], "exclusiveMinimum": 0}),
        (
            "labels",
            {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
        ),
        ("hops", {"type": "array", "items": {"$ref": "#/$defs/Hop"}, "default": []}),
        ("subnet", {"type": "string", "format": "cidr"}),
        ("nameTag", {"type": "string", "default": "", "pattern": "^(?:[a-z]*)$"}),
        ("token", {"type": "string", "default": "", "writeOnly": True, "x-cni-secret": True}),
    ],
)
def test_a_field_becomes_a_property(schema, key, expected):
    """Type, default, what the validators demand, the docstring below the field."""
    assert schema["properties"][key] == expected


def test_inputs_of_the_runtime_stand_where_it_puts_them(schema):
    """Capabilities below runtimeConfig, arguments below args.cni, enabled in capabilities."""
    mac = {"type": ["string", "null"], "description": "Its MAC."}

    properties = schema["properties"]
    assert "mac" not in properties
    assert properties["runtimeConfig"]["properties"]["mac"] == mac | {"x-cni-capability": "mac"}
    assert properties["args"]["properties"]["cni"]["properties"]["MAC"] == mac | {
        "x-cni-arg": "MAC"
    }
    assert properties["capabilities"]["properties"] == {"mac": {"type": "boolean"}}


def test_a_class_may_contain_itself(schema):
    """Classes within classes are definitions."""
    hop = schema["$defs"]["Hop"]

    assert hop["required"] == ["via"]
    assert hop["properties"]["next"] == {
        "anyOf": [{"$ref": "#/$defs/Hop"}, {"type": "null"}],
        "description": "The hop after it.",
    }


def test_the_plugin_is_described(schema):
    """Everything a docs page needs besides the keys."""
    assert schema["description"] == "A tunnel."
    assert schema["required"] == ["type", "subnet"]
    assert schema["additionalProperties"] is False
    assert {key: value for key, value in schema.items() if key.startswith("x-")} == {
        "x-cni-type": "tunnel",
        "x-cni-kind": "interface",
        "x-cni-versions": ["1.0.0", "1.1.0"],
        "x-cni-capabilities": ["mac"],
    }


@pytest.mark.parametrize("type_name", sorted(reference_plugins()))
def test_every_input_of_the_reference_plugins_is_described(type_name):
    """H11: options are documented, because the class is the documentation."""
    plugin = load(reference_plugins()[type_name])
    properties = plugin_schema(plugin, type_name)["properties"]
    section = properties["ipam"]["properties"] if plugin.kind == "ipam" else properties

    for field in attrs.fields(plugin.config_class):
        source = source_of(field)
        if source.key is not None and field.init:
            assert section[source.key]["description"]
        if source.capability:
            assert properties["runtimeConfig"]["properties"][source.capability]["description"]
        if source.arg:
            assert properties["args"]["properties"]["cni"]["properties"][source.arg]["description"]


def test_every_reference_within_a_schema_leads_somewhere():
    """Also where the schemas of several plugins are put into that of a whole network."""
    entries = {name: plugin_schema(load(to), name) for name, to in reference_plugins().items()}
    network = network_schema(entries)
    ids = {each["$id"] for each in network["$defs"].values()}

    def references(value: object, definitions: Mapping[str, Any]) -> None:
        if isinstance(value, dict):
            definitions = value.get("$defs", definitions) if "$id" in value else definitions
            target = value.get("$ref")
            if target is not None:
                assert target in ids or target.removeprefix("#/$defs/") in definitions
            for each in value.values():
                references(each, definitions)
        elif isinstance(value, list):
            for each in value:
                references(each, definitions)

    references(network, {})
    assert len(network["properties"]["plugins"]["items"]["allOf"]) == len(entries)


def test_unknown_keys_are_found_at_any_depth(schema):
    """What lint reports; keys of open objects are not among them."""
    document = {
        "type": "tunnel",
        "prot": 1,
        "labels": {"anything": 1},
        "hops": [{"via": "::1", "next": {"VIA": "::2", "nxt": None}}],
    }

    found = [path for path, _ in unknown_keys(schema, document, lambda key: key == "type")]

    assert found == [("hops", 0, "next", "nxt")]  # a strict class refuses "prot" itself


def test_the_command_prints_the_schema_of_a_type_a_class_or_everything(cnisdk):
    """By CNI type, by class, or of a whole conflist for editors."""
    by_type = cnisdk("schema", "bridge")
    by_class = cnisdk("schema", "reference_plugins.bridge:Bridge", "--json")
    whole = cnisdk("schema")

    assert by_type.json == by_class.json
    assert by_type.json["x-cni-type"] == "bridge"
    assert set(whole.json["$defs"]) == set(reference_plugins())


def test_a_plugin_without_class_has_no_schema(node, cnisdk):
    """The message tells a foreign plugin from one that does not exist."""
    node.executable("foreign", "exit 0")

    foreign, missing = cnisdk("schema", "foreign"), cnisdk("schema", "bridgee")
    broken = cnisdk("schema", "nowhere:Plugin")

    assert (foreign.code, missing.code, broken.code) == (1, 2, 1)
    assert "not written with cnisdk" in foreign.stderr
    assert 'did you mean "bridge"?' in missing.stderr
    assert "No module named 'nowhere'" in broken.stderr
