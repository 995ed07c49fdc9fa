"""The launcher of the acting plugin as a real process, and what is left of it."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs


HERE = Path(__file__).parent


@attrs.frozen
class Node:
    """A directory with the launcher of the acting plugin and the marks it leaves."""

    root: Path

    @property
    def launcher(self) -> Path:
        """The plugin's executable."""
        return self.root / "acting"

    @property
    def marks(self) -> set[str]:
        """What the handlers have left."""
        return {path.name for path in (self.root / "marks").iterdir()}

    def mark(self, name: str) -> None:
        """Leave a mark for the handler."""
        (self.root / "marks" / name).touch()

    def environment(self, verb: str, **more: str) -> dict[str, str]:
        """A proper environment."""
        return {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": "/run/netns/c1",
            "CNI_IFNAME": "eth0",
            "CNISDK_RUN_DIR": str(self.root / "run"),
            **more,
        }

    def config(self, act: str = "") -> bytes:
        """A configuration with something to do."""
        return json.dumps(
            {
                "cniVersion": "1.1.0",
                "name": "net",
                "type": "acting",
                "act": act,
                "marks": str(self.root / "marks"),
            }
        ).encode()

    def start(self, verb: str, act: str = "", **more: Any) -> subprocess.Popen[bytes]:
        """Start a call; its stdin is complete."""
        env = self.environment(verb, **more.pop("env", {}))
        pipes: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **more,
        }
        started = subprocess.Popen([self.launcher], env=env, **pipes)
        child = cast("subprocess.Popen[bytes]", started)
        if child.stdin is not None:
            child.stdin.write(self.config(act))
            child.stdin.close()
            child.stdin = None
        return child

    def call(self, verb: str, act: str = "", **more: Any) -> "Ended":
        """Make a call and wait for its end."""
        return ended(self.start(verb, act, **more))

    def wait_for(self, name: str) -> None:
        """Wait for a handler's mark."""
        until(lambda: name in self.marks)


@attrs.frozen
class Ended:
    """What is left of a process."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document on stdout."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document


def ended(child: subprocess.Popen[bytes]) -> Ended:
    """Wait for the end."""
    stdout, stderr = child.communicate(timeout=40)
    return Ended(child.returncode, stdout or b"", (stderr or b"").decode())


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact to become true."""
    end = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)
