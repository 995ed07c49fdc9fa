"""``cnisdk plugins``: what is installed in CNI_PATH."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import attrs
import typer
from rich.text import Text

from cnisdk import errors
from cnisdk._installed_file import read_launcher
from cnisdk._launcher import target_of
from cnisdk.cli._options import CNI_PATH, AsJson, CniPath, directories
from cnisdk.cli._output import clean, line, print_json, print_table, reporting, version_range
from cnisdk.cli._types import WELL_KNOWN, class_of
from cnisdk.runtime import Runtime


_SECONDS = 5.0


@attrs.frozen
class Found:
    """One executable in CNI_PATH."""

    type: str
    path: str
    origin: str
    """cnisdk, cnisdk (other Python), or other."""
    target: str = ""
    """The plugin's class, "" for one not written with cnisdk."""
    kind: str = ""
    """interface, chained or ipam; "" when that is not known."""
    versions: tuple[str, ...] = ()
    """What it answers to VERSION."""
    verbs: tuple[str, ...] | None = None
    """The verbs it has handlers for; None when that is not known."""
    capabilities: tuple[str, ...] | None = None
    """The capabilities it takes; None when that is not known."""
    problem: str = ""
    """Why it does not work."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plugins", rich_help_panel="Plugins")(plugins)


@reporting
def plugins(*, cni_path: CniPath = CNI_PATH, as_json: AsJson = False) -> None:
    """List the plugins in CNI_PATH: each is asked for the versions it supports.

    JSON: a list of {type, path, origin, target, kind, versions, verbs, capabilities, problem}; verbs
    and capabilities are null where only the plugin itself knows them.
    """
    found = scan(cni_path)
    if as_json:
        print_json([attrs.asdict(each) for each in found])
        return
    if not found:
        line(f"no plugins in {cni_path}; cnisdk install reference puts some there", "yellow")
        return
    print_table(
        ["type", "kind", "versions", "capabilities", "from"],
        [
            (
                Text(each.type, "bold"),
                each.kind or Text(WELL_KNOWN.get(each.type, "?"), "dim"),
                Text("does not work", "red") if each.problem else version_range(each.versions),
                ", ".join(each.capabilities) if each.capabilities is not None else Text("?", "dim"),
                _whence(each),
            )
            for each in found
        ],
        whole=["type", "kind", "versions"],
        cut=["from"],
    )
    for each in found:
        if each.problem:
            line(clean(f"\n{each.path}: {each.problem}"), "red")


def _whence(found: Found) -> Text:
    if not found.target:
        return Text(os.path.dirname(found.path), "dim")
    if found.origin == "cnisdk":
        return Text(clean(found.target), "green")
    return Text(f"{clean(found.target)}, other Python", "yellow")


def scan(cni_path: str) -> list[Found]:
    """Every plugin a runtime with this search path could run, by type."""
    paths: dict[str, str] = {}
    for directory in directories(cni_path):
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK) and not name.startswith("."):
                paths.setdefault(name, path)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(examine, sorted(paths.values(), key=os.path.basename)))


def examine(path: str) -> Found:
    """Ask one plugin for its versions; the rest comes from its class, if it is ours."""
    directory, name = os.path.split(path)
    launcher = read_launcher(path)
    found = Found(name, path, "other")
    if launcher is not None:
        own = target_of(path) is not None
        origin = "cnisdk" if own else "cnisdk (other Python)"
        found = attrs.evolve(found, origin=origin, target=launcher.target)
        plugin = class_of(launcher.target) if own else None
        if plugin is not None:
            found = attrs.evolve(
                found,
                kind=plugin.kind,
                verbs=tuple(plugin.handlers),
                capabilities=plugin.capabilities(),
            )
        elif own:
            found = attrs.evolve(found, problem=f"{launcher.target} cannot be imported")
    try:
        answer = Runtime(directory, seconds=_SECONDS, stderr=BytesIO()).version(name)
    except errors.CniError as failure:
        return attrs.evolve(found, problem=failure.msg)
    return attrs.evolve(found, versions=answer.supported)
