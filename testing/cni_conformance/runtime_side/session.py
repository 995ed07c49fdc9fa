"""Running a command as runtime, with recording plugins in the place of real ones, and judging it."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.resources
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from cni_conformance._engine import SUITE_VERSION
from cni_conformance._outcome import PluginUnderTest, Report, Status
from cni_conformance._settings import UsageError
from cni_conformance._versions import NEWEST, VERSIONS
from cni_conformance.runtime_side import rules
from cni_conformance.runtime_side._call import Call, Json, read
from cni_conformance.runtime_side._configuration import default_conflist, types_of
from cni_conformance.runtime_side._recording import Recording


_ALSO = ("loopback",)
"""Plugins which runtimes run by themselves, for networks of their own."""
_POLL = 0.05


@frozen(kw_only=True)
class RuntimeReport:
    """What came of a run.

    Attributes:
        report: For the writers of reports.
        calls: What was recorded, in order.
        problem: Why there is nothing to judge; empty when there is.
        exit_code: The command's exit status; None when it could not be run or was ended.
        stdout: What it printed.
        stderr: The same of standard error.
    """

    report: Report
    calls: list[Call] = field(factory=list)
    problem: str = ""
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""

    @property
    def exit_status(self) -> int:
        """0 nothing failed at the chosen level, 1 something did, 3 nothing was recorded."""
        return exit_status(self.report)


def exit_status(report: Report) -> int:
    """0 nothing failed at the chosen level, 1 something did, 3 nothing was recorded."""
    if not report.results:
        return 3
    return 1 if report.of_status(Status.FAIL) else 0


def run(
    command: Sequence[str],
    *,
    conflist: Json | None = None,
    timeout: float = 120.0,
    extra_env: Mapping[str, str] | None = None,
    spec_version: str = NEWEST,
    level: str = "must",
    script: Mapping[str, Any] | None = None,
    linger: float = 0.0,
    name: str = "",
) -> RuntimeReport:
    """Run a command which acts as a runtime, and judge what it did to its plugins.

    Args:
        command: The command. `{bin}`, `{conf}`, `{conflist}` and `{record}` in its words stand for the
            directory of plugins, that of configurations, the file in it and the directory of records.
        conflist: The network; one with three plugins unless given. Its types become recording plugins.
        timeout: How long the command may take, in seconds; then it is ended, and judged none the less.
        extra_env: More variables for the command.
        spec_version: The newest version of the specification the runtime claims to follow.
        level: must, should or field: failures below it are warnings.
        script: What recording plugins do wrong, by plugin and CNI_COMMAND:
            `{"conformance-second": {"ADD": {"code": 11, "sleep": 0.5}}}`.
        linger: How long to wait for calls in the background once the command has ended: until none
            has come for so many seconds.
        name: What to call the runtime; the name of the command unless given.

    Raises:
        UsageError: The configuration cannot be used.
    """
    if spec_version not in VERSIONS:
        raise UsageError(f"there is no version {spec_version} of the specification")
    if not command:
        raise UsageError("there is no command to run")
    network = conflist if conflist is not None else default_conflist(spec_version)
    types = types_of(network)
    begin, started = time.monotonic(), dt.datetime.now(dt.UTC)
    # A runtime may still be writing when its time is over.
    with tempfile.TemporaryDirectory(prefix="cni-conformance-", ignore_cleanup_errors=True) as base:
        place = _Place(base)
        place.prepare(network, [*types, *_ALSO], script or {})
        ended = _run(_filled(command, place), {**place.variables, **(extra_env or {})}, timeout)
        calls = _recorded(place.record, linger)
    seen = Recording(
        calls=calls, conflist=network, spec_version=spec_version, was_ended=ended.was_late
    )
    problem = ended.problem or ("" if calls else "the command called none of the recording plugins")
    report = Report(
        suite_version=SUITE_VERSION,
        spec_version=spec_version,
        plugin=_subject(command, name),
        config=network,
        level=level,
        rootless=os.geteuid() != 0,
        kernel=os.uname().release,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - begin, 2),
        observed=["calls of plugins"],
        not_observed={
            what: why
            for what, why in (("calls of plugins", problem), ("command", ended.note))
            if why
        },
        command=list(command),
        results=[] if problem else rules.judge(seen, level),
    )
    return RuntimeReport(
        report=report,
        calls=calls,
        problem=problem,
        exit_code=ended.exit_code,
        stdout=ended.stdout,
        stderr=ended.stderr,
    )


# -- the place ---------------------------------------------------------------------------------------


@frozen
class _Place:
    """The directories of a run."""

    base: str

    @property
    def bin(self) -> str:
        return f"{self.base}/bin"

    @property
    def conf(self) -> str:
        return f"{self.base}/conf"

    @property
    def conflist(self) -> str:
        return f"{self.conf}/10-conformance.conflist"

    @property
    def record(self) -> str:
        return f"{self.base}/record"

    @property
    def variables(self) -> dict[str, str]:
        """The first two are what cnitool and its kind go by."""
        return {
            "CNI_PATH": self.bin,
            "NETCONFPATH": self.conf,
            "CNI_CONFORMANCE_BIN": self.bin,
            "CNI_CONFORMANCE_CONF": self.conf,
            "CNI_CONFORMANCE_RECORD": self.record,
        }

    def prepare(self, network: Json, types: Sequence[str], script: Mapping[str, Any]) -> None:
        """Make everything; readable by whomever the runtime becomes."""
        os.chmod(self.base, 0o755)
        for directory in (self.bin, self.conf, self.record):
            os.mkdir(directory, 0o755)
        _write(self.conflist, json.dumps(network, indent=1), 0o644)
        _write(f"{self.record}/script.json", json.dumps(script), 0o644)
        install(self.bin, types, self.record)


def install(bin: str, types: Sequence[str], record: str) -> None:
    """Install recording plugins of given names, with their program beside the directory of records.

    Args:
        bin: The directory for launchers.
        types: Their names.
        record: The directory for records; exists.
    """
    program = f"{os.path.abspath(record)}.recorder.py"
    source = (
        importlib.resources.files("cni_conformance.runtime_side")
        .joinpath("recorder.py")
        .read_text("utf-8")
    )
    _write(program, source, 0o644)
    # Through a shell: the first line of a script takes one argument, of limited length.
    words = [sys.executable, "-ISB", program, os.path.abspath(record)]
    launcher = f'#!/bin/sh\nexec {shlex.join(words)} "$0" "$@"\n'
    for type in types:
        _write(os.path.join(bin, type), launcher, 0o755)


def _write(path: str, text: str, mode: int) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def _filled(command: Sequence[str], place: _Place) -> list[str]:
    words = list(command)
    for name in ("bin", "conf", "conflist", "record"):
        words = [word.replace(f"{{{name}}}", getattr(place, name)) for word in words]
    return words


# -- the command -------------------------------------------------------------------------------------


@frozen(kw_only=True)
class _Ended:
    """How the command ended."""

    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    problem: str = ""
    note: str = ""
    was_late: bool = False


def _run(command: list[str], variables: dict[str, str], timeout: float) -> _Ended:
    """Its output goes to files: whoever it leaves in the background may hold them for ever."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except (OSError, ValueError) as failure:
            return _Ended(problem=f"the command could not be run: {failure}")
        note, exit_code, was_late = "", None, False
        try:
            exit_code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            note, was_late = f"it did not end within {timeout:g} s and was ended", True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        texts = [_text(each) for each in (stdout, stderr)]
    return _Ended(
        exit_code=exit_code, stdout=texts[0], stderr=texts[1], note=note, was_late=was_late
    )


def _text(file: Any) -> str:
    file.seek(0)
    data: bytes = file.read()
    return data.decode("utf-8", "replace")


def _recorded(record: str, linger: float) -> list[Call]:
    calls = read(record)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < linger:
        time.sleep(_POLL)
        now = read(record)
        if now != calls:
            calls, quiet_since = now, time.monotonic()
    return calls


# -- the report --------------------------------------------------------------------------------------


def _subject(command: Sequence[str], name: str) -> PluginUnderTest:
    """The runtime, as far as its command tells."""
    import shutil

    path = shutil.which(command[0]) or command[0]
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        sha256 = ""
    name = name or os.path.basename(path)
    return PluginUnderTest(path=path, name=name, sha256=sha256, kind="runtime")
