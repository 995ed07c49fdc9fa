"""The fake delegate, as a case sees it: tell it what to do, ask how it was called."""

from __future__ import annotations

import importlib.resources
import json
import os
import sys
from typing import Any

from attrs import define, field, frozen


FAKE_IPAM = "conformance-ipam"
SUBNET = "10.88.0.0/16"
GATEWAY = "10.88.0.1"
TWO_FAMILIES: dict[str, Any] = {
    "ips": [
        {"address": "10.88.9.9/16", "gateway": "10.88.0.1"},
        {"address": "2001:db8:88::9/64", "gateway": "2001:db8:88::1"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "203.0.113.0/24", "gw": GATEWAY}],
    "dns": {"nameservers": ["10.88.0.53"]},
}
"""A result with an address of each family and two routes, for `on`."""


@frozen
class DelegateCall:
    """One call the fake delegate received.

    Attributes:
        name: The name it was called by.
        command: CNI_COMMAND.
        env: Its environment.
        stdin: What it could read.
        descriptors: Its open descriptors and what they stand for.
        netns: The inode of the network namespace it ran in.
    """

    name: str
    command: str
    env: dict[str, str]
    stdin: str
    descriptors: dict[str, str]
    netns: int

    @property
    def config(self) -> Any:
        """What it read, as JSON; None when that is not JSON."""
        try:
            return json.loads(self.stdin)
        except ValueError:
            return None


@define
class FakeDelegate:
    """Executables that record their calls, in a directory of their own.

    Attributes:
        base: The directory: `bin` for CNI_PATH, and what the program keeps.
    """

    base: str
    _script: dict[str, dict[str, Any]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for name in ("bin", "scripts", "calls", "pool"):
            os.makedirs(f"{self.base}/{name}", exist_ok=True)

    @property
    def bin(self) -> str:
        """The directory to put into CNI_PATH."""
        return f"{self.base}/bin"

    def install(self, name: str = FAKE_IPAM, *, makes_interface: bool = False) -> None:
        """Make an executable of a name that serves as delegate.

        Args:
            name: The name of the file: the `type` in a configuration.
            makes_interface: Whether it makes the interface too, as a delegate that is no IPAM plugin.
        """
        program = (
            importlib.resources.files("cni_conformance").joinpath("delegate_program.py").read_text()
        )
        path = f"{self.bin}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{sys.executable} -ISB\n{program}")
        os.chmod(path, 0o755)
        self._script[name] = {"makes_interface": makes_interface}
        self._write(name)

    def on(self, command: str, name: str = FAKE_IPAM, **behaviour: Any) -> None:
        """Say what a command does from now on.

        Args:
            command: CNI_COMMAND.
            name: Which executable.
            behaviour: `result` (an object of 1.1.0, converted), `version` (of the result, instead of
                that of the request), `error` (an object), `stdout` (text), `stderr` (text), `flood`
                (bytes), `sleep` (seconds), `signal` (number), `exit` (status).
        """
        self._script[name][command] = behaviour
        self._write(name)

    def reset(self, name: str = FAKE_IPAM) -> None:
        """Go back to answering well."""
        self._script[name] = {"makes_interface": self._script[name].get("makes_interface", False)}
        self._write(name)

    def script(self, name: str = FAKE_IPAM) -> str:
        """What an executable has been told, as the program reads it."""
        return json.dumps(self._script[name])

    def script_file(self, name: str = FAKE_IPAM) -> str:
        """Where the program reads it."""
        return f"{self.base}/scripts/{name}.json"

    def _write(self, name: str) -> None:
        path = self.script_file(name)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(self.script(name))
        os.rename(path + ".tmp", path)

    def calls(self, command: str | None = None) -> list[DelegateCall]:
        """The calls so far, in order; of one command if it is named."""
        found: list[DelegateCall] = []
        names = [name for name in os.listdir(f"{self.base}/calls") if name.endswith(".json")]
        for name in sorted(names, key=lambda name: int(name.partition("-")[0])):
            with open(f"{self.base}/calls/{name}", encoding="utf-8") as file:
                row = json.load(file)
            call = DelegateCall(
                row["name"],
                row["command"],
                row["env"],
                row["stdin"],
                row["descriptors"],
                row["netns"],
            )
            if command in {None, call.command}:
                found.append(call)
        return found

    def commands(self) -> list[str]:
        """The commands of the calls so far, in order."""
        return [call.command for call in self.calls()]

    def forget_calls(self) -> None:
        """Begin a new list of calls."""
        for name in os.listdir(f"{self.base}/calls"):
            os.unlink(f"{self.base}/calls/{name}")

    def reservations(self) -> list[str]:
        """The addresses that are given out, each with its owner."""
        lines: list[str] = []
        for name in sorted(os.listdir(f"{self.base}/pool"), key=int):
            with open(f"{self.base}/pool/{name}", encoding="utf-8", errors="replace") as file:
                lines.append(f"10.88.{int(name) // 256}.{int(name) % 256} {file.read()}")
        return lines
