"""Checks of one file, and of the drop-in directory that belongs to it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from typing import Any, Final

import attrs

from cnisdk import versions
from cnisdk._names import is_identifier
from cnisdk._problems import shown
from cnisdk.cli._findings import Sheet, did_you_mean
from cnisdk.cli._json import as_list, as_object, parse
from cnisdk.cli._lint_plugin import Entry, check_entry
from cnisdk.cli._types import Types


LISTS: Final = (".conflist",)
SINGLES: Final = (".conf", ".json")
_FLAGS: Final = ("disableCheck", "disableGC", "loadOnlyInlinedPlugins")


@attrs.define
class NetworkFile:
    """A file that defines a network, read."""

    sheet: Sheet
    name: str = ""
    document: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    plugins: list[Mapping[str, Any]] = attrs.field(factory=list[Mapping[str, Any]])
    """Its plugin configurations, drop-ins included."""
    uses_drop_ins: bool = False


def read(path: str) -> Sheet:
    """Read a file; the sheet has no document when that fails, and says why."""
    sheet = Sheet(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                sheet.error("unreadable", (), "not a regular file")
                return sheet
            text = file.read().decode("utf-8-sig")
    except OSError as failure:
        sheet.error("unreadable", (), failure.strerror or str(failure))
        return sheet
    except UnicodeDecodeError as failure:
        sheet.error(
            "json", (), f"not UTF-8: byte {failure.start} is {failure.object[failure.start]:#04x}"
        )
        return sheet
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        hint = f"who can write here has programs run as root: chmod go-w {path}"
        sheet.warning("writable-by-others", (), f"others may write to it (mode {mode})", hint)
    _parse(sheet, text)
    return sheet


def _parse(sheet: Sheet, text: str) -> None:
    if not text.strip():
        sheet.error("json", (), "the file is empty", "it was probably not written completely")
        return
    try:
        located = parse(text)
    except json.JSONDecodeError as failure:
        sheet.findings.append(
            attrs.evolve(_at_start(sheet, failure.msg), line=failure.lineno, column=failure.colno)
        )
        return
    sheet.located = located
    if not isinstance(located.value, dict):
        sheet.error("shape", (), f"expected an object, got {shown(located.value)}")
        sheet.located = None
        return
    for path, _ in located.repeated:
        sheet.warning("repeated-key", path, f'"{path[-1]}" is given twice; the last one counts')


def _at_start(sheet: Sheet, message: str) -> Any:
    sheet.error("json", (), message)
    return sheet.findings.pop()


def check_network(path: str, types: Types) -> tuple[NetworkFile, list[Sheet]]:
    """Check a file that defines a network.

    Returns:
        What it defines, and the sheets of it and of its drop-ins.
    """
    sheet = read(path)
    network = NetworkFile(sheet)
    if sheet.located is None:
        return network, [sheet]
    document = as_object(sheet.located.value)
    network.document = document
    network.name = _check_name(sheet, document)
    version = _check_versions(sheet, document)
    is_list = "plugins" in document or ("type" not in document and not path.endswith(SINGLES))
    if not is_list:
        _check_extension(sheet, path, is_list=False)
        network.plugins = [document]
        check_entry(Entry(sheet, (), document, network.name, version, True, True), types)
        return network, [sheet]
    _check_extension(sheet, path, is_list=True)
    for key in _FLAGS:
        _check_flag(sheet, document, key)
    sheets = [sheet]
    network.plugins = _check_plugins(sheet, document, network.name, version, types)
    if str(document.get("loadOnlyInlinedPlugins", "")).lower() != "true" and network.name:
        network.uses_drop_ins = True
        directory = os.path.join(os.path.dirname(path), network.name)
        for name in drop_ins(directory):
            dropped = check_drop_in(os.path.join(directory, name), network, version, types)
            sheets.append(dropped)
    if not network.plugins:
        hint = (
            f'neither in "plugins" nor as *.conf in the directory {network.name or "of its name"}'
        )
        sheet.error("no-plugins", ("plugins",), "the network has no plugins", hint)
    elif len(network.plugins) > 1 and document.get("cniVersion") in versions.ALL[:2]:
        message = "plugins cannot be chained with this version: results are not passed on"
        sheet.warning("version", ("cniVersion",), message, "use 0.3.0 or newer")
    return network, sheets


def drop_ins(directory: str) -> list[str]:
    """The files of a drop-in directory the runtime reads, in its order."""
    try:
        names = sorted(os.listdir(directory), key=os.fsencode)
    except OSError:
        return []
    return [
        name
        for name in names
        if name.endswith(".conf") and not os.path.isdir(os.path.join(directory, name))
    ]


def check_drop_in(path: str, network: NetworkFile, version: str, types: Types) -> Sheet:
    """Check a file of a drop-in directory: one plugin configuration without a list around it."""
    sheet = read(path)
    if sheet.located is not None:
        document = as_object(sheet.located.value)
        if "plugins" in document:
            message = "a drop-in is one plugin configuration, not a list"
            sheet.error("drop-in", ("plugins",), message, "make a file of every plugin")
        else:
            first = not network.plugins
            entry = Entry(sheet, (), document, network.name, version, first, False)
            network.plugins.append(document)
            check_entry(entry, types)
    return sheet


def _check_name(sheet: Sheet, document: Mapping[str, Any]) -> str:
    name = document.get("name")
    if name is None or name == "":
        sheet.error("name", ("name",), "the network has no name", 'add "name", such as "mynet"')
    elif not isinstance(name, str):
        sheet.error("name", ("name",), f"expected a string, got {shown(name)}")
    elif not is_identifier(name):
        hint = "letters, digits, '_', '.' and '-', beginning with a letter or digit"
        sheet.error("name", ("name",), f"{shown(name)} is no network name", hint)
    else:
        return name
    return ""


def _check_versions(sheet: Sheet, document: Mapping[str, Any]) -> str:
    """Note wrong versions. Returns the one that will be used, "" when that is not clear."""
    several: object = document.get("cniVersions")
    if several is not None and as_list(several) is not several:
        sheet.error("shape", ("cniVersions",), f"expected a list, got {shown(several)}")
    offered: list[Any] = list(as_list(several))
    for index, each in enumerate(offered):
        if each not in versions.ALL:
            hint = "runtimes that do not know it take the next lower one"
            message = f"{shown(each)} is no released version"
            sheet.warning("version", ("cniVersions", index), message, hint)
    single = document.get("cniVersion")
    if single is None and not offered:
        sheet.warning(
            "version",
            ("cniVersion",),
            f"cniVersion is missing, which means {versions.OLDEST}",
            f'add "cniVersion": "{versions.NEWEST}"; some runtimes refuse networks without',
        )
        return versions.OLDEST
    if single is not None and single not in versions.ALL:
        known = ", ".join(versions.ALL)
        hint = did_you_mean(str(single), versions.ALL) or f"released are {known}"
        sheet.error("version", ("cniVersion",), f"{shown(single)} is no released version", hint)
    known_ones = [each for each in (single, *offered) if each in versions.ALL]
    return max(known_ones, key=versions.parse, default="")


def _check_extension(sheet: Sheet, path: str, *, is_list: bool) -> None:
    if is_list and path.endswith(SINGLES):
        message = "a list of plugins is read from *.conflist only"
        sheet.error("wrong-extension", ("plugins",), message, f"rename {os.path.basename(path)}")
    elif not is_list and path.endswith(LISTS):
        message = "a *.conflist needs a list of plugins"
        hint = 'put the plugin into "plugins": [{...}] beside name and cniVersion'
        sheet.error("wrong-extension", ("type",), message, hint)


def _check_flag(sheet: Sheet, document: Mapping[str, Any], key: str) -> None:
    value = document.get(key)
    if value is None or isinstance(value, bool):
        return
    if not isinstance(value, str) or value.lower() not in {"true", "false"}:
        sheet.error("shape", (key,), f"expected true or false, got {shown(value)}")


def _check_plugins(
    sheet: Sheet, document: Mapping[str, Any], name: str, version: str, types: Types
) -> list[Mapping[str, Any]]:
    given: object = document.get("plugins")
    if given is None:
        return []
    if as_list(given) is not given:
        sheet.error("shape", ("plugins",), f"expected a list, got {shown(given)}")
        return [{}]
    found: list[Mapping[str, Any]] = []
    for index, each in enumerate(as_list(given)):
        if as_object(each) is not each:
            sheet.error("shape", ("plugins", index), f"expected an object, got {shown(each)}")
            found.append({})
            continue
        entry = Entry(sheet, ("plugins", index), as_object(each), name, version, index == 0, False)
        check_entry(entry, types)
        found.append(entry.document)
    return found
