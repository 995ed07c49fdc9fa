"""Scriptable fake plugins: small shell programs that record every call and answer as they are told."""

from __future__ import annotations

import io
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from cnisdk.runtime import Parameters, Runtime, parse


RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]}

_PROGRAM = """#!/bin/sh
here={home}
call=$(mktemp -d "$here/calls/XXXXXXXX")
cat /proc/$$/environ > "$call/environ"
cat > "$call/stdin"
printf '%s %s %s\\n' {type} "$CNI_COMMAND" "$call" >> {journal}
[ -f "$here/$CNI_COMMAND" ] && . "$here/$CNI_COMMAND"
exit 0
"""


class Call:
    """One recorded call."""

    def __init__(self, plugin: str, verb: str, directory: Path) -> None:
        self.plugin = plugin
        self.verb = verb
        pairs = (directory / "environ").read_text().split("\0")
        self.env = dict(pair.split("=", 1) for pair in pairs if pair)
        self.raw = (directory / "stdin").read_bytes()

    @property
    def stdin(self) -> dict[str, Any]:
        return json.loads(self.raw)

    def __repr__(self) -> str:
        return f"{self.plugin} {self.verb}"


class Bin:
    """A directory of fake plugins."""

    def __init__(self, path: Path) -> None:
        self.path = path / "bin"
        self.path.mkdir()
        self._homes = path / "plugins"
        self._journal = path / "journal"

    def plugin(self, name: str, *, result: Any = RESULT) -> str:
        """Make a plugin whose ADD prints ``result`` and which succeeds at everything else."""
        home = self._homes / name
        (home / "calls").mkdir(parents=True)
        program = self.path / name
        text = _PROGRAM.format(
            home=shlex.quote(str(home)), journal=shlex.quote(str(self._journal)), type=name
        )
        program.write_text(text)
        program.chmod(0o755)
        supported = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
        self.answer(name, "VERSION", {"cniVersion": "1.1.0", "supportedVersions": supported})
        self.answer(name, "ADD", result)
        return str(program)

    def answer(self, name: str, verb: str, document: Any, *, status: int = 0) -> None:
        """Print a JSON document (a str as it is) and exit with ``status``."""
        text = document if isinstance(document, str) else json.dumps(document)
        self.script(name, verb, f"printf '%s' {shlex.quote(text)}; exit {status}")

    def fail(self, name: str, verb: str, code: int = 100, msg: str = "broken") -> None:
        """Print an error object and exit with 1."""
        self.answer(name, verb, {"cniVersion": "1.0.0", "code": code, "msg": msg}, status=1)

    def succeed(self, name: str, verb: str) -> None:
        """Print nothing and exit with 0."""
        self.script(name, verb, "exit 0")

    def script(self, name: str, verb: str, shell: str) -> None:
        """Run these shell commands for a verb."""
        (self._homes / name / verb).write_text(shell + "\n")

    @property
    def calls(self) -> list[Call]:
        """All calls of all plugins, in order."""
        if not self._journal.exists():
            return []
        lines = self._journal.read_text().splitlines()
        return [
            Call(plugin, verb, Path(directory))
            for plugin, verb, directory in (line.split(" ", 2) for line in lines)
        ]

    @property
    def order(self) -> list[str]:
        """The calls as words: ["one ADD", "two ADD"]."""
        return [repr(call) for call in self.calls]

    def forget(self) -> None:
        self._journal.unlink(missing_ok=True)


@pytest.fixture
def bin_dir(tmp_path: Path) -> Bin:
    made = Bin(tmp_path)
    for name in ("one", "two", "three"):
        made.plugin(name)
    return made


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def stderr() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def make_runtime(tmp_path: Path, bin_dir: Bin, warnings: list[str], stderr: io.BytesIO):
    def make(**options: Any) -> Runtime:
        defaults: dict[str, Any] = {
            "cache_dir": str(tmp_path / "cache"),
            "conf_dir": str(tmp_path / "net.d"),
            "seconds": 20.0,
            "env": {"PATH": os.environ["PATH"]},
            "stderr": stderr,
            "warn": warnings.append,
        }
        return Runtime([str(bin_dir.path)], **(defaults | options))

    return make


@pytest.fixture
def runtime(make_runtime) -> Runtime:
    return make_runtime()


@pytest.fixture
def network():
    def make(*types: str, version: str = "1.0.0", **keys: Any):
        plugins = [{"type": each} for each in types or ("one", "two", "three")]
        document = {"cniVersion": version, "name": "net", "plugins": plugins} | keys
        return parse(json.dumps(document).encode())

    return make


@pytest.fixture
def blue() -> Parameters:
    return Parameters("c1", "/run/netns/blue", "eth0")


@pytest.fixture
def entry_file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "results" / "net-c1-eth0"
