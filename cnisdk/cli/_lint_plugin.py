"""Checks of one plugin configuration: an entry of a list, a single configuration, a drop-in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from cnisdk import errors, versions
from cnisdk._codec import PROTOCOL_KEYS, decode_leniently
from cnisdk._config import IpamConf
from cnisdk._problems import Problem, shown
from cnisdk._schema import unknown_keys
from cnisdk.cli._findings import Sheet, did_you_mean
from cnisdk.cli._json import Path, as_list, as_object
from cnisdk.cli._types import Types


_RESERVED: Final = {
    "runtimeConfig": "enable a capability instead, and let the runtime fill it in",
    "prevResult": "the runtime puts the result of the plugin before here",
    "args": "the runtime passes arguments to a single call; a file is not the place for them",
}
_NEEDED_CAPABILITY: Final = {
    "portmap": ("portMappings", "without it no port is ever mapped"),
    "bandwidth": ("bandwidth", "without it only the rates in the file are set"),
}
_BANDWIDTH_RATES: Final = {"ingressRate", "egressRate"}
_FROM_OUTSIDE: Final = ("runtimeConfig.", "args.cni.", "CNI_ARGS ")


@attrs.frozen
class Entry:
    """A plugin configuration and where it stands."""

    sheet: Sheet
    path: Path
    document: Mapping[str, Any]
    network: str
    """Name of its network."""
    version: str
    """Protocol version of its network; "" when that is not known."""
    first: bool
    """Whether ADD calls it first."""
    alone: bool
    """Whether it is a configuration without a list around it."""

    @property
    def type(self) -> str:
        """Its type, "" when there is none."""
        given = self.document.get("type")
        return given if isinstance(given, str) else ""


def check_entry(entry: Entry, types: Types) -> None:
    """Note what is wrong with a plugin configuration."""
    sheet, path = entry.sheet, entry.path
    given = entry.document.get("type")
    if not isinstance(given, str) or not given or "/" in given:
        problem = f"{shown(given)} is no type" if given else "a plugin needs a type"
        sheet.error("type", (*path, "type"), problem, "a type is a file name in CNI_PATH")
        return
    _check_protocol_keys(entry)
    _check_installed(entry, types, given, (*path, "type"))
    if _is_misplaced(entry, types):
        return
    _check_ipam(entry, types)
    _check_capabilities(entry, types)
    _check_against_class(entry, types)


def _check_protocol_keys(entry: Entry) -> None:
    for key in entry.document:
        path = (*entry.path, key)
        if key in _RESERVED:
            entry.sheet.warning(
                "reserved-key", path, "this key belongs to the runtime", _RESERVED[key]
            )
        elif key.startswith("cni.dev/"):
            entry.sheet.warning("reserved-key", path, "keys of cni.dev/ belong to the runtime")
        elif key in {"name", "cniVersion"} and not entry.alone:
            wanted = entry.network if key == "name" else entry.version
            if wanted and entry.document[key] != wanted:
                entry.sheet.warning(
                    "overridden-key",
                    path,
                    f"{shown(entry.document[key])} is replaced by the network's {shown(wanted)}",
                )


def _check_installed(entry: Entry, types: Types, name: str, path: Path) -> None:
    if types.searchable and not types.find(name):
        entry.sheet.warning(
            "not-installed",
            path,
            f'no plugin "{name}" in {":".join(types.directories)}',
            did_you_mean(name, types.names()) or "install it, or give --cni-path",
        )
    plugin = types.plugin_class(name)
    if plugin is None or entry.version not in versions.ALL:
        return
    if entry.version not in plugin.supported_versions:
        entry.sheet.error(
            "plugin-version",
            path,
            f'"{name}" does not support cniVersion {entry.version}',
            f"change the network's to one of {', '.join(plugin.supported_versions)}",
        )


def _is_misplaced(entry: Entry, types: Types) -> bool:
    """Note a plugin in the wrong place. Returns whether nothing more can be said of it there."""
    kind, path = types.kind(entry.type), (*entry.path, "type")
    if kind == "ipam":
        hint = (
            f'use it as {{"ipam": {{"type": "{entry.type}"}}}} of a plugin that makes an interface'
        )
        entry.sheet.error("ipam", path, f'"{entry.type}" is an IPAM plugin', hint)
    elif kind == "chained" and entry.first:
        entry.sheet.error(
            "order",
            path,
            f'"{entry.type}" changes what another plugin made, so it cannot be the first',
            "put a plugin that makes an interface before it",
        )
    elif kind == "interface" and not entry.first and entry.type != "loopback":
        entry.sheet.warning(
            "order",
            path,
            f'"{entry.type}" makes an interface, but the plugin before it already made one of '
            "that name",
            "make it a network of its own",
        )
    return kind == "ipam" or (kind == "chained" and entry.first)


def _check_ipam(entry: Entry, types: Types) -> None:
    path = (*entry.path, "ipam")
    given: object = entry.document.get("ipam")
    if given is None:
        if types.kind(entry.type) == "interface" and entry.type not in {"loopback", "flannel"}:
            _warn_without_ipam(entry)
        return
    section = as_object(given)
    if section is not given:
        entry.sheet.error("shape", path, f"expected an object, got {shown(given)}")
        return
    name = section.get("type")
    if not isinstance(name, str) or not name:
        # An empty section says that no address is wanted; the plugins take it as none.
        if section:
            entry.sheet.error("ipam", path, "the ipam section needs a type", 'such as "host-local"')
        return
    if types.kind(name) in {"interface", "chained"}:
        entry.sheet.error("ipam", (*path, "type"), f'"{name}" is no IPAM plugin')
        return
    _check_installed(entry, types, name, (*path, "type"))


def _warn_without_ipam(entry: Entry) -> None:
    for key in ("isGateway", "isDefaultGateway", "ipMasq"):
        if entry.document.get(key) is True:
            entry.sheet.warning(
                "ipam",
                (*entry.path, key),
                f"{key} has no effect without ipam: there is no address to work with",
            )
            return
    entry.sheet.warning(
        "ipam",
        entry.path,
        "there is no ipam section, so the interface gets no address",
        'write "ipam": {} if that is meant',
    )


def _check_capabilities(entry: Entry, types: Types) -> None:
    path = (*entry.path, "capabilities")
    declared: object = entry.document.get("capabilities")
    enabled = as_object(declared)
    if declared is not None and enabled is not declared:
        entry.sheet.error("shape", path, f"expected an object, got {shown(declared)}")
        return
    for name, value in enabled.items():
        if not isinstance(value, bool):
            message = f"expected true or false, got {shown(value)}"
            entry.sheet.error("shape", (*path, name), message)
    needed, why = _NEEDED_CAPABILITY.get(entry.type, ("", ""))
    in_file = entry.type == "bandwidth" and _BANDWIDTH_RATES & set(entry.document)
    if needed and enabled.get(needed) is not True and not in_file:
        hint = f'add "capabilities": {{"{needed}": true}}'
        entry.sheet.warning("capability", entry.path, f"{needed} is not enabled: {why}", hint)
    known = _known_capabilities(entry, types)
    for name in enabled if known is not None else ():
        if name not in known:  # type: ignore[operator]
            hint = did_you_mean(name, known or ()) or f"it takes {', '.join(known or ()) or 'none'}"
            message = f'"{entry.type}" does not take the capability "{name}"'
            entry.sheet.warning("capability", (*path, name), message, hint)


def _known_capabilities(entry: Entry, types: Types) -> list[str] | None:
    """Those of the plugin and of its IPAM plugin; None when one of them is not ours."""
    plugin = types.plugin_class(entry.type)
    if plugin is None:
        return None
    known = list(plugin.capabilities())
    if entry.document.get("ipam") not in (None, {}):
        delegate = as_object(entry.document["ipam"]).get("type")
        ipam = types.plugin_class(delegate) if isinstance(delegate, str) else None
        if ipam is None or ipam.kind != "ipam":
            return None
        known += ipam.capabilities()
    return list(dict.fromkeys(known))


def _check_against_class(entry: Entry, types: Types) -> None:
    document = {**entry.document, "name": entry.network or "net", "cniVersion": entry.version}
    delegate = as_object(entry.document.get("ipam")).get("type")
    names = [entry.type, delegate if isinstance(delegate, str) else ""]
    for name, is_delegate in zip(names, (False, True), strict=True):
        plugin = types.plugin_class(name)
        if plugin is None or issubclass(plugin.config_class, IpamConf) is not is_delegate:
            continue
        body = document["ipam"] if is_delegate else document
        prefix = "ipam" if is_delegate else ""
        config_class: type[Any] = plugin.config_class
        _note_problems(entry, decode_leniently(config_class, body, path=prefix)[1])
        schema = types.schema(name) or {}
        for path, known in unknown_keys(schema, entry.document, _is_protocol_key):
            if path[:1] == ("capabilities",) or (path[:1] == ("ipam",)) is not is_delegate:
                continue
            hint = did_you_mean(str(path[-1]), known)
            message = f'"{name}" does not know the key "{path[-1]}"'
            entry.sheet.warning("unknown-key", (*entry.path, *path), message, hint)


def _note_problems(entry: Entry, problems: list[Problem]) -> None:
    seen: set[Path] = set()
    for problem in problems:
        path = resolve(problem.path, entry.document)
        # Type and ipam sections of the wrong shape were noted before.
        if problem.path.startswith(_FROM_OUTSIDE) or problem.path == "ipam" or path in seen:
            continue
        seen.add(path)
        rule = "shape" if problem.error is errors.DecodingFailure else "value"
        entry.sheet.error(rule, (*entry.path, *path), problem.message)


def resolve(text: str, document: object) -> Path:
    """The path a message spells, which names keys as the operator wrote them, dots included."""
    path: list[str | int] = []
    value: Any = document
    while text:
        index = re.match(r"\[(\d+)\]", text)
        if index:
            path.append(int(index[1]))
            items = as_list(value)
            value = items[int(index[1])] if int(index[1]) < len(items) else None
            text = text[index.end() :].removeprefix(".")
            continue
        keys = [key for key in as_object(value) if re.match(re.escape(key) + r"(?=[.\[]|$)", text)]
        key = max(keys, key=len, default=re.split(r"[.\[]", text, maxsplit=1)[0])
        path.append(key)
        value = as_object(value).get(key)
        text = text[len(key) :].removeprefix(".")
        if not key:
            break
    return tuple(path)


def _is_protocol_key(key: str) -> bool:
    return key.lower() in PROTOCOL_KEYS or key.startswith("cni.dev/")
