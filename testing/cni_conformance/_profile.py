"""What a plugin needs to be tested: its kind, configurations, and commands that prepare the host."""

from __future__ import annotations

import importlib.resources
import json
import os
import tomllib
from pathlib import Path
from typing import Any, cast

from attrs import field, frozen

from cni_conformance._requirements import KINDS
from cni_conformance._versions import VERSIONS


Json = dict[str, Any]


class ProfileError(Exception):
    """A profile or configuration that cannot be used; the message names the file and the key."""


@frozen(kw_only=True)
class Configuration:
    """One plugin configuration to test with.

    Attributes:
        name: What to call it.
        plugin: The plugin's own object, without cniVersion and name.
        network: The name of the network.
        runtime_config: Capability arguments: what the runtime puts into runtimeConfig.
        args: CNI_ARGS.
        before: Plugin objects that come before it in its chain.
        since: The oldest version that can express what comes of it; a result without addresses
            needs 0.3.0.
    """

    name: str = "default"
    plugin: Json
    network: str = "conformance"
    runtime_config: Json = field(factory=dict)
    args: str = ""
    before: tuple[Json, ...] = ()
    since: str = VERSIONS[0]


@frozen(kw_only=True)
class Service:
    """A daemon that upholds what ADD has obtained, such as the lease of an address.

    Attributes:
        restart: Commands that end it and start it again.
        holds: A command that succeeds while $ADDRESS, without its prefix length, is upheld.
        seconds: After which `holds` would fail if nobody upheld it.
        before: Commands before ADD, to make `seconds` short.
    """

    restart: tuple[str, ...]
    holds: str
    seconds: float
    before: tuple[str, ...] = ()


@frozen(kw_only=True)
class Profile:
    """How to test one plugin.

    Attributes:
        name: Its name in reports.
        kind: interface, chained, ipam or meta; empty to find out.
        configurations: What to test with, the most telling one first.
        delegate: The key of the object that names the delegate (`ipam`); empty for none.
        ifname: The interface name to ask for.
        setup: Commands run on the host before each case: a master link, a server.
        container: Commands run on the host for each interface of a container before its ADD.
        unavailable: Commands after which the plugin cannot serve ADD, for STATUS.
        invalid: Changes of the configuration that make it invalid: a table each.
        small: Changes of the configuration with which few containers use up the addresses.
        requires: Kernel features (link kinds) without which nothing can be tested.
        unsupported: Requirements (ids or globs) the plugin does not claim, each with the reason.
        schema: A JSON Schema of the plugin's configuration, for generated ones.
        environment: Variables for every call.
        service: The daemon that upholds what ADD has obtained.
        file: Where it was read from.
    """

    name: str
    kind: str = ""
    configurations: tuple[Configuration, ...] = ()
    delegate: str = ""
    ifname: str = "eth0"
    setup: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    invalid: tuple[Json, ...] = ()
    small: tuple[Json, ...] = ()
    requires: tuple[str, ...] = ()
    unsupported: dict[str, str] = field(factory=dict)
    schema: Json | None = None
    environment: dict[str, str] = field(factory=dict)
    service: Service | None = None
    file: str = ""


_KEYS = frozenset(
    {
        "name",
        "kind",
        "config",
        "delegate",
        "ifname",
        "setup",
        "container",
        "unavailable",
        "invalid",
        "small",
        "requires",
        "unsupported",
        "schema",
        "environment",
        "service",
    }
)
_CONFIG_KEYS = frozenset({"name", "plugin", "network", "runtimeConfig", "args", "before", "since"})


def built_in() -> list[str]:
    """The names of the profiles that come with the suite."""
    folder = importlib.resources.files("cni_conformance").joinpath("profiles")
    names = [entry.name for entry in folder.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load(name_or_file: str) -> Profile:
    """Read a profile.

    Args:
        name_or_file: The name of a built-in profile, or the path of a TOML file.

    Raises:
        ProfileError: There is none, or it says something that is not understood.
    """
    if os.sep not in name_or_file and not name_or_file.endswith(".toml"):
        if name_or_file not in built_in():
            raise ProfileError(f"no profile {name_or_file!r}; built in are {', '.join(built_in())}")
        resource = (
            importlib.resources.files("cni_conformance") / "profiles" / f"{name_or_file}.toml"
        )
        return parse(resource.read_text("utf-8"), str(resource))
    try:
        text = Path(name_or_file).read_text("utf-8")
    except OSError as failure:
        raise ProfileError(f"cannot read profile {name_or_file}: {failure.strerror}") from failure
    return parse(text, name_or_file)


def parse(text: str, file: str) -> Profile:
    """Read a profile from TOML text."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise ProfileError(f"profile {file} is not TOML: {failure}") from failure
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise ProfileError(f"profile {file}: unknown key {unknown[0]!r}; known are {sorted(_KEYS)}")
    kind = table.get("kind", "")
    if kind and kind not in KINDS:
        raise ProfileError(f"profile {file}: kind = {kind!r}; known are {', '.join(KINDS)}")
    configurations = tuple(_configuration(row, file) for row in table.pop("config", []))
    for key in ("setup", "container", "unavailable", "invalid", "small", "requires"):
        if key in table:
            table[key] = tuple(table[key])
    if "service" in table:
        table["service"] = _service(table["service"], file)
    table.setdefault("name", Path(file).stem)
    return Profile(**table, configurations=configurations, file=file)


def _configuration(row: Json, file: str) -> Configuration:
    unknown = sorted(set(row) - _CONFIG_KEYS)
    if unknown or "plugin" not in row:
        problem = f"unknown key {unknown[0]!r}" if unknown else "key 'plugin' is missing"
        raise ProfileError(f"profile {file}: [[config]]: {problem}")
    before = tuple(row.get("before", []))
    if row.get("since", VERSIONS[0]) not in VERSIONS:
        raise ProfileError(f"profile {file}: [[config]]: since = {row['since']!r} is no version")
    values = {key: row[key] for key in ("name", "plugin", "network", "args", "since") if key in row}
    return Configuration(**values, runtime_config=row.get("runtimeConfig", {}), before=before)


def _service(row: Json, file: str) -> Service:
    known = {"restart", "holds", "seconds", "before"}
    unknown = sorted(set(row) - known)
    missing = sorted({"restart", "holds", "seconds"} - set(row))
    if unknown or missing:
        problem = f"unknown key {unknown[0]!r}" if unknown else f"key {missing[0]!r} is missing"
        raise ProfileError(f"profile {file}: [service]: {problem}")
    return Service(
        restart=tuple(row["restart"]),
        holds=row["holds"],
        seconds=row["seconds"],
        before=tuple(row.get("before", ())),
    )


def from_file(path: str, plugin_name: str) -> Configuration:
    """Read a network configuration: a list with the plugin in it, or the plugin's alone.

    Args:
        path: The file.
        plugin_name: The name of the executable, which is its `type` in a list.

    Raises:
        ProfileError: It cannot be read, or the plugin is not in the list.
    """
    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as failure:
        raise ProfileError(f"cannot read configuration {path}: {failure}") from failure
    if not isinstance(document, dict):
        raise ProfileError(f"configuration {path} is not a JSON object")
    config = cast("Json", document)
    network = config.get("name", "conformance")
    plugins = cast("list[Json]", config["plugins"]) if "plugins" in config else [config]
    types = [plugin.get("type") for plugin in plugins]
    if "plugins" not in config:
        position = 0
    elif plugin_name in types:
        position = types.index(plugin_name)
    elif len(plugins) == 1:
        position = 0
    else:
        raise ProfileError(
            f"configuration {path}: no plugin of the list has the type {plugin_name!r}; "
            f"it has {', '.join(map(str, types))}"
        )
    reserved = {"cniVersion", "cniVersions", "name", "prevResult", "runtimeConfig"}
    plugin = {key: value for key, value in plugins[position].items() if key not in reserved}
    return Configuration(
        name=Path(path).name,
        plugin=plugin,
        network=network,
        runtime_config=plugins[position].get("runtimeConfig", {}),
        before=tuple(plugins[:position]),
    )
