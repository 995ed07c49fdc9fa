"""One call: environment and stdin in, one JSON document and an exit status out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import attrs

from cnisdk import _document, errors, versions
from cnisdk._call import Call
from cnisdk._config import IpamConf, NetConf
from cnisdk._deadline import DEFAULT_SECONDS, Deadline, Interrupted
from cnisdk._environment import VERBS, check_environment, may_use_own_netns
from cnisdk._locks import serialised
from cnisdk._log import Log
from cnisdk._names import (
    Attachment,
    check_network_name,
    is_identifier,
)
from cnisdk._problems import expected, shown
from cnisdk._report import Report, as_cni_error
from cnisdk._result import Result
from cnisdk._rollback import Rollback


if TYPE_CHECKING:
    from cnisdk._system import System

_LONGEST_LABEL = 64
_A_TIME = "a number of seconds above 0"
_UNDO_SHARE = 0.2
"""Part of an ADD's time that is kept for undoing it, so that both end before the caller loses patience."""
_VERSION_PATIENCE = 2.0
"""Seconds to wait for a configuration that is only read for its version."""
_SHORTEST_UNDO = 2.0
"""Seconds; a caller in a hurry gets its answer later rather than with something left behind."""
_LONGEST_UNDO = 10.0
"""Seconds; undoing more slowly than that is hanging."""


@attrs.frozen
class PluginSpec:
    """What the runtime needs to know of a plugin."""

    name: str
    kind: str
    """interface, chained or ipam."""
    about: str
    config_class: type[Any]
    supported_versions: tuple[str, ...]
    handlers: Mapping[str, Callable[[Any], Any]]
    """Verb -> bound method."""
    system: System | None = None


Watchdog = Callable[[Deadline], None]
Observer = Callable[[BaseException], None]


def run(
    spec: PluginSpec,
    env: Mapping[str, str],
    stdin: BinaryIO,
    stdout: BinaryIO,
    stderr: BinaryIO,
    *,
    watchdog: Watchdog | None = None,
    observer: Observer | None = None,
) -> int:
    """Serve one call.

    Args:
        spec: The plugin.
        env: The environment of the call.
        stdin: The configuration.
        stdout: Receives one JSON document or nothing.
        stderr: Receives one line on failure.
        watchdog: Told the call's deadline once it is known; the process's alarm clock.
        observer: Told what made the call fail, before it becomes an error object; for tests.

    Returns:
        0, or 1 after an error object.
    """
    invocation = _Invocation(spec, env, stdin, stderr, watchdog or (lambda _: None))
    try:
        invocation.serve(stdout)
    except BaseException as failure:  # noqa: BLE001  # SPEC: every failure ends in an error object
        if invocation.done:
            # The answer is out, and cannot be taken back; a lock or a record is all that failed.
            return 0
        if observer is not None:
            observer(failure)
        return invocation.fail(failure, stdout)
    finally:
        invocation.opened.close()
    return 0


def main(plugin: Callable[[], PluginSpec]) -> NoReturn:
    """Serve the call this process was started for; see `cnisdk._process`."""
    from cnisdk._process import serve_process

    serve_process(plugin)


class _Invocation:
    def __init__(
        self,
        spec: PluginSpec,
        env: Mapping[str, str],
        stdin: BinaryIO,
        stderr: BinaryIO,
        watchdog: Watchdog,
    ) -> None:
        self.spec = spec
        self.env = env
        self.stdin = stdin
        self.stderr = stderr
        self.watchdog = watchdog
        self.verb = ""
        self.version = ""
        self.raw = b""
        self.document: Mapping[str, Any] = {}
        self.rollback = Rollback()
        self.opened = ExitStack()
        self.deadline = Deadline.never()
        self.undo_seconds = _LONGEST_UNDO
        self.log = Log()
        self.output = b""
        self.done = False

    # ---- the way of a call ----------------------------------------------------------------------

    def serve(self, stdout: BinaryIO) -> None:
        if not self.env.get("CNI_COMMAND") and self._describe():
            return
        try:
            self.verb = check_environment(self.env)
        except errors.InvalidEnvironment:
            if self.env.get("CNI_COMMAND") in VERBS:
                self._learn_version()
            raise
        if self.verb == "VERSION":
            from cnisdk._version_reply import answer

            answer(self.spec.supported_versions, self.stdin, stdout)
            return
        self._read_document()
        call = self._call()
        with (
            self._recorded(),
            serialised(
                self.verb,
                plugin=self.spec.name,
                network_name=call.network_name,
                attachment=call.attachment,
                env=self.env,
                deadline=self.deadline,
                log=self.log,
            ),
        ):
            try:
                self._dispatch(call)
                if self.output:
                    self._write(stdout)
                self.done = True
            except BaseException as failure:
                self._undo(failure)
                raise
        self.rollback.clear()

    def _write(self, stdout: BinaryIO) -> None:
        try:
            stdout.write(self.output)
            stdout.flush()
        except OSError as failure:
            raise errors.IoFailure(
                f"cannot write the result to standard output: {failure.strerror}"
            ) from failure

    def _describe(self) -> bool:
        """Started by hand without CNI_COMMAND: say what this is, as the Go plugins do."""
        text = f"{self.spec.about}\nCNI protocol versions supported: "
        self.stderr.write((text + ", ".join(self.spec.supported_versions) + "\n").encode())
        return True

    def _read_document(self) -> None:
        self._arm(self._budget(None))
        with self.deadline.step("reading the configuration from stdin"):
            self.raw = _document.read_all(self.stdin)
        document = _document.parse(self.raw)
        self.document = document
        self.version = _document.version_of(document)
        self.log = Log.of(self.env, document, self._log_context(document))
        check_network_name(_document.text_of(document, "name"))
        self._check_version()
        self._arm(self._budget(_document.value_of(document, "timeoutSeconds")))

    def _learn_version(self) -> None:
        """An error object carries the version of the request, also when the environment is wrong."""
        if self.stdin.isatty():
            return
        self._arm(_VERSION_PATIENCE)
        try:
            version = _document.version_of(_document.parse(_document.read_all(self.stdin)))
        except (errors.CniError, Interrupted):
            return
        finally:
            self._arm(DEFAULT_SECONDS)
        self.version = version if version in versions.ALL else ""

    def _check_version(self) -> None:
        supported = self.spec.supported_versions
        needed = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}.get(self.verb, "")
        if needed and not versions.at_least(self.version, needed):
            raise errors.IncompatibleVersion(
                f"config version does not allow {self.verb}",
                hint=f"cniVersion is {shown(self.version)}; {self.verb} came with {needed}",
            )
        if self.version not in supported:
            raise errors.IncompatibleVersion(
                "incompatible CNI versions",
                details=f"config is {shown(self.version)}, plugin supports "
                f"[{' '.join(map(shown, supported))}]; change cniVersion of network "
                f'"{_document.text_of(self.document, "name")}" to one of these',
            )

    def _call(self) -> Call:
        name = _document.text_of(self.document, "name")
        attachment = None
        if self.verb in {"ADD", "DEL", "CHECK"}:
            attachment = Attachment(name, self.env["CNI_CONTAINERID"], self.env["CNI_IFNAME"])
        system = self.spec.system
        if system is None:
            from cnisdk._system import KernelSystem

            system = KernelSystem()
        return Call(
            verb=self.verb,
            env=self.env,
            stdin=self.raw,
            stderr=self.stderr,
            document=self.document,
            version=self.version,
            network_name=name,
            attachment=attachment,
            deadline=self.deadline,
            rollback=self.rollback,
            log=self.log,
            system=system,
            opened=self.opened,
            is_ipam=self.spec.kind == "ipam",
        )

    def _arm(self, seconds: float) -> None:
        if self.verb == "ADD":
            share = min(_LONGEST_UNDO, seconds * _UNDO_SHARE)
            self.undo_seconds = max(_SHORTEST_UNDO, share)
            seconds -= share
        self.deadline = Deadline(seconds)
        self.watchdog(self.deadline)

    def _budget(self, configured: object) -> float:
        given = self.env.get("CNISDK_TIMEOUT")
        if given:
            seconds = _seconds(given)
            problem: errors.CniError = errors.InvalidEnvironment(
                f"CNISDK_TIMEOUT: {expected(_A_TIME, given)}"
            )
        elif isinstance(configured, bool) or not isinstance(configured, int | float):
            return DEFAULT_SECONDS  # The codec has something to say to a wrong type.
        else:
            seconds = _seconds(configured)
            problem = errors.InvalidConfig(f"timeoutSeconds: {expected(_A_TIME, configured)}")
        if seconds > 0:
            return seconds
        if self.verb in {"DEL", "GC"}:
            return DEFAULT_SECONDS
        raise problem

    def _dispatch(self, call: Call) -> None:
        self._guard_netns(call)
        from cnisdk._dispatch import dispatch

        self.output = dispatch(self.spec, call)

    def _guard_netns(self, call: Call) -> None:
        """W-LIB-1, plugins#714: the plugin's own namespace is refused before anything is done."""
        path = self.env.get("CNI_NETNS", "")
        if call.attachment is None or not path or may_use_own_netns(self.env):
            return
        if call.system.is_own_netns(path):
            raise errors.InvalidNetns(
                "plugin's netns and netns from CNI_NETNS should not be the same",
                details=f'CNI_NETNS is "{path}", the namespace the plugin runs in; '
                "set CNI_NETNS_OVERRIDE=1 if that is meant",
            )

    @property
    def label(self) -> str:
        """What the operator calls this plugin: its CNI type, where the configuration says it."""
        ipam = self.spec.kind == "ipam"
        section = _document.value_of(self.document, "ipam") if ipam else self.document
        given = _document.value_of(section, "type")
        proper = isinstance(given, str) and is_identifier(given) and len(given) <= _LONGEST_LABEL
        return given if proper else self.spec.name

    # ---- failure --------------------------------------------------------------------------------

    def _undo(self, failure: BaseException) -> None:
        # What DEL and GC have removed must go, whatever else they fail at.
        if self.verb == "ADD" and len(self.rollback):
            self.deadline.grant(self.undo_seconds)
            self.watchdog(self.deadline)
            self.rollback.run(failure)

    def fail(self, failure: BaseException, stdout: BinaryIO) -> int:
        version = self.version or self.spec.supported_versions[-1]
        return Report(self.label, self.verb, version, self.log).send(failure, stdout, self.stderr)

    # ---- records --------------------------------------------------------------------------------

    def _log_context(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "invocation": f"{time.time_ns():x}-{os.getpid():x}",
            "plugin": self.spec.name,
            "verb": self.verb,
            "network": _document.value_of(document, "name"),
            "containerID": self.env.get("CNI_CONTAINERID", ""),
            "ifname": self.env.get("CNI_IFNAME", ""),
        }

    @contextmanager
    def _recorded(self) -> Generator[None]:
        """Record the call for ``cnisdk trace`` when it ends, however it ends."""
        start = time.time_ns()
        try:
            yield
        except BaseException as failure:
            error = as_cni_error(failure, self.label, self.verb)
            self._record(start, {"error": error.document(self.version)})
            raise
        if self.verb != "STATUS":
            self._record(start, {"result": json.loads(self.output or b"null")})

    def _record(self, start: int, outcome: Mapping[str, Any]) -> None:
        from cnisdk import _trace

        _trace.write(
            {
                "time": start / 1e9,
                "duration": (time.time_ns() - start) / 1e9,
                "plugin": self.label,
                "verb": self.verb,
                **outcome,
            },
            env=self.env,
            document=self.document,
            config_class=self.spec.config_class,
        )


def _seconds(given: str | float) -> float:
    try:
        return float(given)
    except (ValueError, OverflowError):
        return -1.0


__all__ = ["IpamConf", "NetConf", "PluginSpec", "Result", "as_cni_error", "main", "run"]
