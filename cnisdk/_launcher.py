"""Launchers: the small executables in CNI_PATH that start a plugin, and running one in this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO, Final

from cnisdk._answer import Completed


MARKER: Final = "# cnisdk launcher: "
"""Starts the second line of every launcher; the plugin's ``package.module:Class`` follows."""
_HEAD: Final = 1024


def text(
    target: str, supported_versions: tuple[str, ...], interpreter: str, search_path: str = ""
) -> str:
    """The contents of a launcher.

    Args:
        target: ``package.module:Class``.
        supported_versions: What VERSION is answered with, so that it needs no import of the plugin.
        interpreter: Absolute path of the Python that has the plugin installed.
        search_path: Absolute directory of a module that is not installed there (``-I`` leaves the
            current directory out); "" for an installed one.
    """
    if search_path:
        target = f"{target}@{search_path}"
    versions = ",".join(supported_versions)
    return (
        f"#!{interpreter} -I\n"
        f"{MARKER}{target}\n"
        "from cnisdk._start import main\n"
        f"main({target!r}, {versions!r})\n"
    )


def target_of(executable: str) -> str | None:
    """The plugin a launcher of this interpreter starts, as `load` takes it; None for any other executable."""
    try:
        with open(executable, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    shebang, _, rest = head.partition(b"\n")
    marker = rest.partition(b"\n")[0].decode(errors="replace")
    ours = f"#!{sys.executable} -I".encode()
    if shebang != ours or not marker.startswith(MARKER):
        return None
    return marker.removeprefix(MARKER)


def load(target: str) -> Any:
    """Import the plugin class named ``package.module:Class`` or ``module:Class@/directory``.

    Raises:
        ImportError: no such module or class.
    """
    from importlib import import_module

    target, _, directory = target.partition("@")
    if directory and directory not in sys.path:
        sys.path.append(directory)
    module, _, name = target.partition(":")
    plugin = getattr(import_module(module), name, None)
    if plugin is None:
        raise ImportError(f'module "{module}" has no class "{name}"')
    return plugin


def run_in_process(
    target: str, env: Mapping[str, str], stdin: bytes, stderr: BinaryIO
) -> Completed:
    """Run the plugin of a launcher here instead of in a process of its own, as observed from outside."""
    stdout = BytesIO()
    try:
        plugin = load(target)()
    except Exception as failure:  # noqa: BLE001  # whatever importing somebody's module may raise
        stderr.write(f"{target}: {type(failure).__name__}: {failure}\n".encode())
        return Completed(b"", 1, f"{type(failure).__name__}: {failure}".encode())
    returncode = plugin.run(env, BytesIO(stdin), stdout, stderr)
    return Completed(stdout.getvalue(), returncode)
