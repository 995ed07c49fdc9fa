"""A network as the runtime sees it: a name, a version, plugin configurations in order.

SPEC section 1. Where the documents come from is `cnisdk.runtime._loading`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import attrs

from cnisdk import errors, versions
from cnisdk._answer import strict_json
from cnisdk._names import check_network_name
from cnisdk._problems import shown


@attrs.frozen
class LoadWarning:
    """Something wrong that did not keep a network from being loaded."""

    path: str
    """The file."""
    message: str
    """What is wrong with it, and what follows from that."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@attrs.frozen
class PluginConf:
    """One plugin configuration object (SPEC section 1)."""

    type: str
    """The plugin's file name."""
    document: Mapping[str, Any] = attrs.field(repr=False)
    """The object as written, key order and large numbers included."""
    source: str = ""
    """The file it was read from."""

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities it declares with true."""
        declared: Mapping[str, bool] = folded(self.document, "capabilities") or {}
        return frozenset(name for name, supported in declared.items() if supported)


@attrs.frozen(kw_only=True)
class NetworkList:
    """A network configuration: what ADD, CHECK, DEL, GC and STATUS are run over."""

    name: str
    """The network's name."""
    version: str
    """The protocol version chosen from ``cniVersion`` and ``cniVersions``."""
    plugins: tuple[PluginConf, ...]
    """The plugins in the order of ADD, those of the drop-in directory last."""
    disable_check: bool = False
    """CHECK succeeds without running a plugin."""
    disable_gc: bool = False
    """GC succeeds without running a plugin."""
    source: str = ""
    """The file it was read from."""
    warnings: tuple[LoadWarning, ...] = attrs.field(default=(), eq=False)
    """Files that were passed over in search of this network."""

    def encoded(self) -> bytes:
        """One JSON document that holds the network complete, drop-in plugins included."""
        document = {
            "cniVersion": self.version,
            "name": self.name,
            "disableCheck": self.disable_check,
            "disableGC": self.disable_gc,
            "loadOnlyInlinedPlugins": True,
            "plugins": [plugin.document for plugin in self.plugins],
        }
        return json.dumps(document).encode()


# ---- from documents -----------------------------------------------------------------------------


def decode_object(content: bytes, source: str) -> dict[str, Any]:
    """A JSON object; errors name the file and the place in it.

    Raises:
        errors.DecodingFailure: not JSON, or not an object (code 6).
    """
    try:
        document = strict_json(content)
    except (ValueError, RecursionError) as failure:
        raise errors.DecodingFailure(f"{source}: error parsing configuration: {failure}") from None
    if not isinstance(document, dict):
        raise errors.DecodingFailure(
            f"{source}: error parsing configuration: expected an object, got {shown(document)}"
        )
    return cast("dict[str, Any]", document)


def network_of(
    document: Mapping[str, Any], source: str, dropped_in: Iterable[PluginConf] = ()
) -> NetworkList:
    """Read a network configuration (the content of a ``.conflist``).

    Args:
        document: The JSON object.
        source: What to call it in messages.
        dropped_in: Plugins from the drop-in directory; only looked at where the document allows it.

    Raises:
        errors.CniError: something is wrong; the message names file and key.
    """
    name = network_name(document, source)
    only_inlined = _flag(document, "loadOnlyInlinedPlugins", source)
    inlined = folded(document, "plugins")
    plugins: list[PluginConf] = []
    if inlined is None:
        if only_inlined:
            raise errors.InvalidConfig(
                f'{source}: "loadOnlyInlinedPlugins" is true, but there is no "plugins" list',
                details="inline the plugins, or leave loadOnlyInlinedPlugins out",
            )
    elif not isinstance(inlined, list):
        raise errors.DecodingFailure(f'{source}: "plugins": expected a list, got {shown(inlined)}')
    elif not inlined:
        raise errors.InvalidConfig(f'{source}: no plugins in list: "plugins" is empty')
    else:
        plugins = [
            plugin_of(entry, source, f"plugins[{index}]: ")
            for index, entry in enumerate(cast("list[object]", inlined))
        ]
    if not only_inlined:
        plugins += dropped_in
    if not plugins:
        raise errors.InvalidConfig(
            f"{source}: no plugin configs found",
            details=f'neither in "plugins" nor as *.conf in the directory "{name}" beside the file',
        )
    return NetworkList(
        name=name,
        version=_chosen_version(document, source),
        plugins=tuple(plugins),
        disable_check=_flag(document, "disableCheck", source),
        disable_gc=_flag(document, "disableGC", source),
        source=source,
    )


def network_of_single(document: Mapping[str, Any], source: str) -> NetworkList:
    """Read a single plugin configuration (a ``.conf`` from before lists) as a list of one."""
    plugin = plugin_of(document, source)
    return NetworkList(
        name=network_name(document, source),
        version=_chosen_version(document, source),
        plugins=(plugin,),
        source=source,
    )


def plugin_of(value: object, source: str, path: str = "") -> PluginConf:
    """Read one plugin configuration object."""
    if not isinstance(value, dict):
        raise errors.DecodingFailure(f"{source}: {path}expected an object, got {shown(value)}")
    document = cast("dict[str, Any]", value)
    plugin_type = folded(document, "type")
    if plugin_type is None or plugin_type == "":
        raise errors.InvalidConfig(f"{source}: {path}error parsing configuration: missing 'type'")
    if not isinstance(plugin_type, str):
        raise errors.DecodingFailure(
            f"{source}: {path}type: expected a string, got {shown(plugin_type)}"
        )
    declared: object = folded(document, "capabilities")
    if declared is not None and not _is_map_of_bools(declared):
        raise errors.DecodingFailure(
            f"{source}: {path}capabilities: expected an object of true and false, "
            f"got {shown(declared)}"
        )
    return PluginConf(plugin_type, document, source)


def network_name(document: Mapping[str, Any], source: str) -> str:
    """The network's name; W-LIB-9: checked before anybody makes a path of it."""
    name = folded(document, "name")
    if name is not None and not isinstance(name, str):
        raise errors.DecodingFailure(f"{source}: name: expected a string, got {shown(name)}")
    try:
        return check_network_name(name or "")
    except errors.InvalidConfig as failure:
        raise errors.InvalidConfig(f"{source}: {failure.msg}", details=failure.details) from None


def folded(document: Mapping[str, Any], key: str) -> Any:
    """A key's value matched regardless of case, as Go decodes; the exact spelling is preferred."""
    if key in document:
        return document[key]
    wanted = key.lower()
    found = [value for name, value in document.items() if name.lower() == wanted]
    return found[-1] if found else None


def _is_map_of_bools(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, bool) for each in cast("dict[str, object]", value).values()
    )


def _flag(document: Mapping[str, Any], key: str, source: str) -> bool:
    value = folded(document, key)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise errors.DecodingFailure(
        f'{source}: {key}: expected true, false, "true" or "false", got {shown(value)}'
    )


def _chosen_version(document: Mapping[str, Any], source: str) -> str:
    """SPEC section 1, "Version considerations": the highest version that both sides support."""
    single = folded(document, "cniVersion")
    if single is None:
        single = ""
    several = folded(document, "cniVersions")
    offered: list[object] = [single]
    if several is not None:
        if not isinstance(several, list):
            raise errors.DecodingFailure(
                f"{source}: cniVersions: expected a list of strings, got {shown(several)}"
            )
        offered += cast("list[object]", several)
    for index, version in enumerate(offered):
        _check_version(version, "cniVersion" if index == 0 else f"cniVersions[{index - 1}]", source)
    known = [each for each in cast("list[str]", offered) if each and not _is_newer(each)]
    if several is None or not known:
        return cast("str", single) or versions.OLDEST
    return max(known, key=versions.parse)


def _check_version(version: object, key: str, source: str) -> None:
    if not isinstance(version, str):
        raise errors.DecodingFailure(f"{source}: {key}: expected a string, got {shown(version)}")
    try:
        versions.parse(version)
    except ValueError as failure:
        raise errors.DecodingFailure(f"{source}: {key}: {failure}") from None


def _is_newer(version: str) -> bool:
    return versions.parse(version) > versions.parse(versions.NEWEST)
