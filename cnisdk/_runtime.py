"""One call: environment and stdin in, one JSON document and an exit status out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

import attrs

from cnisdk import errors, versions
from cnisdk._config import IpamConf, NetConf
from cnisdk._deadline import DEFAULT_SECONDS, Deadline
from cnisdk._environment import check_environment, may_use_own_netns
from cnisdk._locks import serialised
from cnisdk._log import Log
from cnisdk._names import Attachment, check_network_name, parse_cni_args, short_hash
from cnisdk._operations import Call
from cnisdk._result import Result
from cnisdk._rollback import Rollback


if TYPE_CHECKING:
    from cnisdk._system import System

_LARGEST_CONFIG = 16 << 20
"""Bytes of stdin; a configuration beyond it is a caller's mistake, not a network."""
_UNDO_SECONDS = 10.0
"""Grace for undoing a failed ADD when its own time is used up."""


@attrs.frozen
class PluginSpec:
    """What the runtime needs to know of a plugin."""

    name: str
    kind: str
    """interface, chained or ipam."""
    about: str
    config_class: type
    supported_versions: tuple[str, ...]
    handlers: Mapping[str, Callable[[Any], Any]]
    """Verb -> bound method."""
    system: System | None = None


Watchdog = Callable[[Deadline], None]


def run(
    spec: PluginSpec,
    env: Mapping[str, str],
    stdin: BinaryIO,
    stdout: BinaryIO,
    stderr: BinaryIO,
    *,
    watchdog: Watchdog | None = None,
) -> int:
    """Serve one call.

    Args:
        spec: The plugin.
        env: The environment of the call.
        stdin: The configuration.
        stdout: Receives one JSON document or nothing.
        stderr: Receives one line on failure.
        watchdog: Told the call's deadline once it is known; the process's alarm clock.

    Returns:
        0, or 1 after an error object.
    """
    invocation = _Invocation(spec, env, stdin, stderr, watchdog or (lambda _: None))
    try:
        invocation.serve(stdout)
    except BaseException as failure:  # noqa: BLE001  # SPEC: every failure ends in an error object
        return invocation.fail(failure, stdout)
    return 0


def main(spec: PluginSpec) -> NoReturn:
    """Serve the call this process was started for; see `cnisdk._process`."""
    from cnisdk._process import serve_process

    serve_process(spec)


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
        self.deadline = Deadline.never()
        self.log = Log()
        self.output = b""

    # ---- the way of a call ----------------------------------------------------------------------

    def serve(self, stdout: BinaryIO) -> None:
        if not self.env.get("CNI_COMMAND") and self._describe():
            return
        self.verb = check_environment(self.env)
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
                network_key=short_hash(call.network_name),
                attachment=call.attachment,
                env=self.env,
                deadline=self.deadline,
                log=self.log,
            ),
        ):
            try:
                self._dispatch(call)
                if self.output:
                    stdout.write(self.output)
                    stdout.flush()
            except BaseException as failure:
                self._undo(failure)
                raise
        self.rollback.clear()

    def _describe(self) -> bool:
        """Started by hand without CNI_COMMAND: say what this is, as the Go plugins do."""
        text = f"{self.spec.about}\nCNI protocol versions supported: "
        self.stderr.write((text + ", ".join(self.spec.supported_versions) + "\n").encode())
        return True

    def _read_document(self) -> None:
        try:
            self.raw = self.stdin.read(_LARGEST_CONFIG + 1)
        except OSError as failure:
            raise errors.IoFailure(f"error reading from stdin: {failure}") from failure
        if len(self.raw) > _LARGEST_CONFIG:
            raise errors.IoFailure(f"stdin holds more than {_LARGEST_CONFIG >> 20} MiB")
        document = parse_document(self.raw)
        self.document = document
        self.version = _version(document)
        self.log = Log.of(self.env, document, self._log_context(document))
        name = _get(document, "name")
        if name is not None and not isinstance(name, str):
            raise errors.DecodingFailure(f"name: expected a string, got {json.dumps(name)}")
        check_network_name(name or "")
        self._check_version()

    def _check_version(self) -> None:
        supported = self.spec.supported_versions
        needed = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}.get(self.verb, "")
        if needed and not versions.at_least(self.version, needed):
            raise errors.IncompatibleVersion(
                f"config version does not allow {self.verb}",
                details=f'cniVersion is "{self.version}"; {self.verb} came with {needed}',
            )
        if self.version not in supported:
            raise errors.IncompatibleVersion(
                "incompatible CNI versions",
                details=f'config is "{self.version}", plugin supports '
                f"{' '.join(supported)}; change cniVersion of network "
                f'"{_get(self.document, "name")}" to one of these',
            )

    def _call(self) -> Call:
        name = cast("str", _get(self.document, "name"))
        attachment = None
        args: Mapping[str, str] = {}
        if self.verb in {"ADD", "DEL", "CHECK"}:
            attachment = Attachment(name, self.env["CNI_CONTAINERID"], self.env["CNI_IFNAME"])
            args = self._args()
        self.deadline = Deadline(self._budget())
        self.watchdog(self.deadline)
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
            args=args,
            deadline=self.deadline,
            rollback=self.rollback,
            log=self.log,
            system=system,
            is_ipam=self.spec.kind == "ipam",
        )

    def _args(self) -> Mapping[str, str]:
        try:
            return parse_cni_args(self.env.get("CNI_ARGS", ""))
        except errors.InvalidEnvironment:
            if self.verb == "DEL":
                return {}
            raise

    def _budget(self) -> float:
        given = self.env.get("CNISDK_TIMEOUT") or _get(self.document, "timeoutSeconds")
        if given is None or isinstance(given, bool):
            return DEFAULT_SECONDS
        try:
            seconds = float(given)
        except (TypeError, ValueError):
            seconds = -1.0
        if seconds > 0:
            return seconds
        if self.verb in {"DEL", "GC"}:
            return DEFAULT_SECONDS
        raise errors.InvalidConfig(
            f"CNISDK_TIMEOUT or timeoutSeconds: expected a number of seconds above 0, got {given!r}"
        )

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
        section = _get(self.document, "ipam") if self.spec.kind == "ipam" else self.document
        given = _get(section, "type") if isinstance(section, dict) else None
        return given if isinstance(given, str) and given else self.spec.name

    # ---- failure --------------------------------------------------------------------------------

    def _undo(self, failure: BaseException) -> None:
        if len(self.rollback):
            self.deadline.grant(_UNDO_SECONDS)
            self.rollback.run(failure)

    def fail(self, failure: BaseException, stdout: BinaryIO) -> int:
        """Report a failure: the error object, one line on stderr, the rest in the log."""
        error = as_cni_error(failure, self.label, self.verb)
        notes = list(getattr(failure, "__notes__", ()))
        document = error.document(self.version or self.spec.supported_versions[-1])
        line = " ".join(f"{self.label} {self.verb or 'call'} failed: {error}".split())
        try:
            self.stderr.write(line.encode(errors="replace") + b"\n")
            self.stderr.flush()
        except (OSError, ValueError):
            pass  # Nobody reads it; the error object is what counts.
        self.log.error(str(error), code=error.code, notes=notes, traceback=_traceback(failure))
        try:
            stdout.write(json.dumps(document, indent=4).encode())
            stdout.flush()
        except (OSError, ValueError):
            return 1
        return 1

    # ---- records --------------------------------------------------------------------------------

    def _log_context(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "invocation": f"{time.time_ns():x}-{os.getpid():x}",
            "plugin": self.spec.name,
            "verb": self.verb,
            "network": _get(document, "name"),
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


def parse_document(raw: bytes) -> dict[str, Any]:
    """The configuration on stdin as a JSON object.

    Raises:
        errors.DecodingFailure: not JSON, or not an object (code 6).
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as failure:
        raise errors.DecodingFailure(
            f"error unmarshalling network config: {failure}",
            details="stdin must hold one JSON object" + (", but is empty" if not raw else ""),
        ) from None
    if not isinstance(document, dict):
        raise errors.DecodingFailure(
            f"network config: expected a JSON object, got {type(document).__name__}"
        )
    return cast("dict[str, Any]", document)


def _get(document: Mapping[str, Any], key: str) -> Any:
    """A key's value, matched regardless of case as the Go library does; exact spelling preferred."""
    if key in document:
        return document[key]
    folded = key.lower()
    found = [value for name, value in document.items() if name.lower() == folded]
    return found[-1] if found else None


def _version(document: Mapping[str, Any]) -> str:
    given = _get(document, "cniVersion")
    if given is None or given == "":
        return versions.OLDEST
    if not isinstance(given, str):
        raise errors.DecodingFailure(f"cniVersion: expected a string, got {json.dumps(given)}")
    try:
        versions.parse(given)
    except ValueError as failure:
        raise errors.DecodingFailure(f"cniVersion: {failure}") from None
    return given


def as_cni_error(failure: BaseException, plugin: str, verb: str) -> errors.CniError:
    """The error object's content for anything that may end a call."""
    if isinstance(failure, errors.CniError):
        return failure
    if isinstance(failure, KeyboardInterrupt):
        return errors.TryAgainLater(f"{verb} was interrupted")
    text = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
    return errors.InternalError(
        f"unexpected error in {plugin} {verb}: {text}", details="the log has the traceback"
    )


def _traceback(failure: BaseException) -> str:
    if isinstance(failure, errors.CniError):
        return ""
    import traceback

    return "".join(traceback.format_exception(failure))


__all__ = ["IpamConf", "NetConf", "PluginSpec", "Result", "main", "parse_document", "run"]
