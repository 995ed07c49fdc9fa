"""Install plugins where the runtime looks for them: a launcher per CNI type in a directory.

A launcher is a few lines of Python run by the installing interpreter in isolated mode. It appears
under its name complete and tried out, or not at all.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from cnisdk import _installed_file
from cnisdk._installed_file import InstallFailure, Launcher, read_launcher


DEFAULT_BIN_DIR: Final = "/opt/cni/bin"
"""Where runtimes look for plugins unless told otherwise."""
_LONGEST_SHEBANG: Final = 255  # BINPRM_BUF_SIZE less the terminating zero, since Linux 5.1
_TARGET: Final = re.compile(r"(?P<module>[\w.]+):(?P<name>\w+)(?:@(?P<directory>/.*))?")
_TYPE: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")


@attrs.frozen
class Installed:
    """A launcher in place."""

    type: str
    """The CNI type: the file's name."""
    path: str
    """The file."""
    target: str
    """``package.module:Class`` of the plugin, and ``@/directory`` when it is not installed."""
    kind: str
    """interface, chained or ipam."""
    versions: tuple[str, ...]
    """Versions of the specification it supports."""
    change: str
    """new, updated, replaced (something that was no launcher) or unchanged."""


def install(
    targets: Sequence[str], bin_dir: str = DEFAULT_BIN_DIR, *, force: bool = False
) -> list[Installed]:
    """Install plugins; either all of them or, when one is not in order, none.

    Args:
        targets: ``reference`` for all reference plugins, ``package.module:Class``, or
            ``TYPE=package.module:Class`` to choose the CNI type. Without a TYPE it is the one the
            plugin has as a reference plugin, or its class name in kebab-case. A module that is not
            installed is looked for in the current directory and in PYTHONPATH.
        bin_dir: The directory; it is made when it is missing.
        force: Replace files that are no launchers.

    Raises:
        InstallFailure: nothing was changed; the message says why.
    """
    interpreter = _usable(sys.executable)
    wanted = _named(targets)
    verdicts = _verify(interpreter, list(wanted.values()))
    launchers: dict[str, Launcher] = {}
    for type_name, verdict in zip(wanted, verdicts, strict=True):
        supported = tuple(cast("list[str]", verdict["versions"]))
        launchers[type_name] = Launcher(interpreter, verdict["target"], supported)
    with _installed_file.directory(bin_dir) as place:
        changes = place.write_all(launchers, force=force)
    return [
        Installed(
            type=type_name,
            path=os.path.join(bin_dir, type_name),
            target=launchers[type_name].target,
            kind=verdict["kind"],
            versions=launchers[type_name].versions,
            change=changes[type_name],
        )
        for type_name, verdict in zip(wanted, verdicts, strict=True)
    ]


def uninstall(types: Iterable[str], bin_dir: str = DEFAULT_BIN_DIR) -> list[str]:
    """Remove launchers; a type that is not installed is passed over.

    Args:
        types: CNI types.
        bin_dir: The directory.

    Returns:
        The types that were removed.

    Raises:
        InstallFailure: one of the files is no launcher; nothing was removed.
    """
    with _installed_file.directory(bin_dir, make=False) as place:
        return place.remove_all(types)


def installed(bin_dir: str = DEFAULT_BIN_DIR) -> list[str]:
    """The CNI types in a directory that are launchers, of whatever interpreter."""
    try:
        names = sorted(os.listdir(bin_dir))
    except OSError:
        return []
    return [
        name
        for name in names
        if not name.startswith(".") and read_launcher(os.path.join(bin_dir, name)) is not None
    ]


def reference_plugins() -> Mapping[str, str]:
    """CNI type -> ``package.module:Class`` of the reference plugins; empty when they are missing."""
    from importlib import import_module

    try:
        return cast("Mapping[str, str]", import_module("reference_plugins").PLUGINS)
    except ModuleNotFoundError:
        return {}


def type_of(target: str) -> str:
    """The CNI type a plugin gets unless one is given: ``pkg.tunnels:VxLan`` -> ``vx-lan``."""
    for type_name, known in reference_plugins().items():
        if known == target:
            return type_name
    name = target.partition("@")[0].rpartition(":")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").lower()


def located(target: str) -> str:
    """The target as the launcher will have it: with ``@/directory`` when it is not installed.

    Raises:
        InstallFailure: it is no plugin; the message says why.
    """
    ((_, wanted),) = _pairs(target)
    return cast("str", _verify(_usable(sys.executable), [wanted])[0]["target"])


# ---- what is to be installed --------------------------------------------------------------------


def _usable(interpreter: str) -> str:
    problem = ""
    if not interpreter or not os.path.isabs(interpreter):
        problem = "its path is not known"
    elif any(character.isspace() for character in interpreter):
        problem = "the kernel does not accept a space in the first line of a script"
    elif len(f"#!{interpreter} -I") > _LONGEST_SHEBANG:
        problem = f"the kernel reads {_LONGEST_SHEBANG} characters of a script's first line"
    if problem:
        raise InstallFailure(
            f"launchers cannot start {interpreter or 'this Python'}: {problem}",
            "install cnisdk into an environment at a short path without spaces",
        )
    return interpreter


def _named(targets: Sequence[str]) -> dict[str, str]:
    """CNI type -> target, refused when a type or target is malformed or a type comes twice."""
    wanted: dict[str, str] = {}
    for type_name, target in (pair for each in targets for pair in _pairs(each)):
        if _TYPE.fullmatch(type_name) is None:
            raise InstallFailure(
                f'"{type_name}" cannot be a CNI type',
                "a type is a file name of letters, digits, '_', '.' and '-'",
            )
        if wanted.setdefault(type_name, target) != target:
            raise InstallFailure(
                f'both {wanted[type_name]} and {target} would be installed as "{type_name}"',
                "give one of them another type: TYPE=package.module:Class",
            )
    return wanted


def _pairs(given: str) -> list[tuple[str, str]]:
    known = reference_plugins()
    if given == "reference":
        if not known:
            raise InstallFailure("the reference plugins are not installed with this cnisdk")
        return list(known.items())
    type_name, equals, target = given.partition("=")
    if not equals or ":" in type_name:
        type_name, target = "", given
    if _TARGET.fullmatch(target) is not None:
        return [(type_name or type_of(target), target)]
    hint = "write reference, package.module:Class or TYPE=package.module:Class"
    if target in known:
        hint = f"for the reference plugin of that name write {known[target]}"
    raise InstallFailure(f'"{given}" names no plugin', hint)


# ---- trying it out ------------------------------------------------------------------------------


def _verify(interpreter: str, targets: list[str]) -> list[dict[str, Any]]:
    """Import every plugin in the interpreter and mode its launcher will run in."""
    import subprocess

    command = [interpreter, "-I", "-c", "from cnisdk._target_check import main; main()"]
    places = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    question = json.dumps({"targets": targets, "places": [os.path.abspath(p) for p in places]})
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=False)
    try:
        verdicts = cast("list[dict[str, Any]]", json.loads(done.stdout))
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise InstallFailure(
            f"{interpreter} -I cannot use cnisdk: {last}",
            f"install it there, for example: {interpreter} -m pip install cnisdk",
        ) from None
    for target, verdict in zip(targets, verdicts, strict=True):
        if verdict.get("problem"):
            raise InstallFailure(f"{target}: {verdict['problem']}", verdict.get("hint", ""))
    return verdicts


__all__ = [
    "DEFAULT_BIN_DIR",
    "InstallFailure",
    "Installed",
    "install",
    "installed",
    "located",
    "reference_plugins",
    "type_of",
    "uninstall",
]
