"""A plugin that runs another one, for the small plugins that have a delegate."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from _cni import (
    DELEGATE_FAILED,
    ENVIRONMENT,
    INVALID,
    NO_DELEGATE,
    SPECIFIED,
    UNAVAILABLE,
    CniError,
    Json,
)
from _plugin import Plugin


class Delegating(Plugin):
    """A plugin that runs another one."""

    section = "ipam"

    def delegate_type(self) -> str:
        """The name of the delegate; empty for none.

        Raises:
            CniError: What stands there is not the name of a file.
        """
        section = self.config.get(self.section)
        if section is None:
            return ""
        name = section.get("type") if isinstance(section, dict) else None
        if not isinstance(name, str) or not name or "/" in name or "\0" in name:
            raise CniError(INVALID, f"invalid network config: {self.section}.type is not a name")
        return name

    def find_delegate(self, name: str) -> str:
        paths = [path for path in os.environ.get("CNI_PATH", "").split(os.pathsep) if path]
        if not paths:
            raise CniError(ENVIRONMENT, f"CNI_PATH is missing, and the delegate {name!r} is needed")
        for directory in paths:
            candidate = os.path.join(directory, name)
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
        raise CniError(NO_DELEGATE, f"no delegate {name!r} in {', '.join(paths)}")

    def delegate_environment(self, command: str) -> dict[bytes, bytes]:
        """What we were started with; os.environ may have been changed by the interpreter."""
        with open("/proc/self/environ", "rb") as file:
            rows = [row.partition(b"=") for row in file.read().split(b"\0") if row]
        environment = {name: value for name, _, value in rows}
        environment[b"CNI_COMMAND"] = command.encode()
        return environment

    def delegate_stdin(self) -> bytes:
        return self.stdin

    def execute(self, program: str, command: str) -> tuple[int, bytes]:
        """Run the delegate; gives its exit status, negative for a signal, and its output."""
        try:
            done = subprocess.run(
                [program],
                input=self.delegate_stdin(),
                stdout=subprocess.PIPE,
                check=False,
                env=self.delegate_environment(command),
            )
        except OSError as failure:
            raise CniError(
                DELEGATE_FAILED, f"the delegate {program} cannot be run: {failure.strerror}"
            ) from None
        return done.returncode, done.stdout

    def run_delegate(self, command: str) -> bytes:
        """Run the delegate for a command; gives what it printed.

        Raises:
            CniError: It failed.
        """
        name = self.delegate_type()
        if not name:
            return b""
        status, output = self.execute(self.find_delegate(name), command)
        self.judge(name, command, status, output)
        return output

    def judge(self, name: str, command: str, status: int, output: bytes) -> None:
        """Turn the failure of a delegate into ours."""
        if status == 0:
            return
        if status < 0:
            killer = signal.Signals(-status).name
            raise CniError(
                DELEGATE_FAILED, f"the delegate {name} was killed by {killer} in {command}"
            )
        try:
            said = json.loads(output)
            code, message = said["code"], said["msg"]
        except (ValueError, TypeError, KeyError):
            raise CniError(
                DELEGATE_FAILED,
                f"the delegate {name} exited with {status} in {command} and printed no error",
            ) from None
        if type(code) is not int or (code < 100 and code not in SPECIFIED):
            code = DELEGATE_FAILED
        raise CniError(code, f"the delegate {name} failed: {message}", str(said.get("details", "")))

    def delegate_add(self) -> Json:
        """ADD of the delegate; whatever fails from now on, it gets a DEL."""
        self.find_delegate(self.delegate_type())
        self.undo.append(self.undo_delegate)
        output = self.run_delegate("ADD")
        try:
            document = json.loads(output)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise CniError(
                DELEGATE_FAILED, f"the delegate {self.delegate_type()} printed no result"
            )
        return document

    def undo_delegate(self) -> None:
        self.run_delegate("DEL")

    def delegate_delete(self) -> None:
        self.forward_leniently("DEL")

    def delegate_check(self) -> None:
        self.run_delegate("CHECK")

    def delegate_gc(self) -> None:
        self.forward_leniently("GC")

    def forward_leniently(self, command: str) -> None:
        """A configuration that names no delegate has had none in ADD."""
        try:
            self.delegate_type()
        except CniError:
            return
        self.run_delegate(command)

    def delegate_status(self) -> None:
        try:
            self.run_delegate("STATUS")
        except CniError as failure:
            code = failure.code if failure.code in {50, 51} else UNAVAILABLE
            raise CniError(code, str(failure), failure.details) from None
