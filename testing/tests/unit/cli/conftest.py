"""The command line, run in this process, with every directory below a temporary one."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from typer.testing import CliRunner

from cnisdk._launcher import text
from cnisdk.cli import app
from cnisdk.install import reference_plugins
from cnisdk.versions import ALL


@attrs.frozen
class Node:
    """A node of our own."""

    root: Path
    conf: Path
    bin: Path
    cache: Path
    run_dir: Path

    def write(self, name: str, document: object) -> Path:
        """Put a configuration file in place; text as it is, anything else as JSON."""
        path = self.conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document, indent=2))
        return path

    def pool(self, name: str = "pool", **ipam: Any) -> dict[str, Any]:
        """A network that hands out addresses and does nothing else, so that it needs no root."""
        section = {
            "type": "host-local",
            "dataDir": str(self.root / "data"),
            "subnet": "10.9.0.0/29",
        }
        plugin = {"type": "host-local", "ipam": section | ipam}
        return {"cniVersion": "1.1.0", "name": name, "plugins": [plugin]}

    def executable(self, name: str, script: str) -> Path:
        """Put a shell script into the directory of the plugins."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path


@attrs.frozen
class Outcome:
    """What a command left."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.stdout)


Command = Callable[..., Outcome]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path, *(tmp_path / each for each in ("net.d", "bin", "cache", "run")))
    for directory in (made.conf, made.bin):
        directory.mkdir()
    monkeypatch.setenv("NETCONFPATH", str(made.conf))
    monkeypatch.setenv("CNI_PATH", str(made.bin))
    monkeypatch.setenv("CNISDK_RUN_DIR", str(made.run_dir))
    monkeypatch.setenv("COLUMNS", "80")  # the narrowest terminal that has to do
    for name in ("CAP_ARGS", "CNI_ARGS", "CNI_IFNAME"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def cnisdk(node: Node) -> Command:  # sets the variables
    """Run a command; the options for this node's directories are given by variables."""

    def run(*words: str) -> Outcome:
        result = CliRunner().invoke(app, [str(word) for word in words])
        unexpected = result.exception
        if unexpected is not None and not isinstance(unexpected, SystemExit):
            raise unexpected
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def plugins(node: Node) -> Node:
    """The node with the reference plugins installed, without trying each of them out."""
    for name, target in reference_plugins().items():
        path = node.bin / name
        path.write_text(text(target, ALL, sys.executable))
        path.chmod(0o755)
    return node
