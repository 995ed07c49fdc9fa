"""One execution of a program: what it got, what it said, how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from typing import Any, cast

from attrs import define, field

from cni_conformance._outcome import Step


OUTPUT_LIMIT = 1_000_000
_DRAIN_SECONDS = 0.3


@define(kw_only=True)
class Invocation:
    """A call of the plugin, finished.

    Attributes:
        command: CNI_COMMAND, for messages.
        argv: The program and its arguments.
        env: The complete environment.
        stdin: What the program was given to read.
        stdout: What it printed, at most a megabyte.
        stderr: The same of standard error.
        exit_code: The exit status, None when it was ended by a signal or by the time limit.
        ended_by: The name of that signal, or `timeout`.
        held_open: Whether a process it left behind kept its output open.
        seconds: How long it took.
        max_rss: The largest resident size in bytes.
        step: Its place in the transcript.
    """

    command: str
    argv: list[str]
    env: dict[str, str]
    stdin: bytes
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None
    ended_by: str = ""
    held_open: bool = False
    seconds: float = 0.0
    max_rss: int = 0
    step: Step | None = None

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.exit_code == 0

    @property
    def refused(self) -> bool:
        """Whether it failed, or printed an error; that the two agree is asked as errors/2."""
        return not self.ok or {"code", "msg"} <= self.result.keys()

    @property
    def document(self) -> Any:
        """What it printed as JSON; None when that is not one JSON document in UTF-8 (RFC 8259)."""
        try:
            return json.loads(self.stdout.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None

    @property
    def result(self) -> dict[str, Any]:
        """The object it printed; empty when there is none."""
        document = self.document
        return cast("dict[str, Any]", document) if isinstance(document, dict) else {}

    @property
    def code(self) -> Any:
        """The code of the error it printed; None without one."""
        code = None if self.ok else self.result.get("code")
        # That it is a number is one requirement; which it is, is another.
        return int(code) if isinstance(code, str) and code.isdecimal() else code

    @property
    def message(self) -> str:
        """`msg` and `details` of the error it printed."""
        return " ".join(str(self.result.get(key, "")) for key in ("msg", "details")).strip()

    @property
    def explains_itself(self) -> bool:
        """Whether it ended by itself, with an error whose `msg` says something."""
        message = self.result.get("msg")
        return isinstance(message, str) and bool(message.strip()) and not self.ended_by

    def describe(self) -> str:
        """How it ended, in a line or two: for `actual` of a violation."""
        if self.ended_by == "timeout":
            end = f"{self.command} did not end within {self.seconds:.0f} s"
        elif self.ended_by:
            end = f"{self.command} was killed by {self.ended_by}"
        else:
            end = f"{self.command} exited with {self.exit_code}"
        said = self.stdout.decode("utf-8", "replace").strip()
        if len(said) > 600:
            said = said[:600] + " ..."
        end += f" and printed {said}" if said else " and printed nothing on standard output"
        errors = self.stderr.decode("utf-8", "replace").strip()
        if errors and not self.ok:
            end += f"\nstandard error: {errors[-600:]}"
        return end


def _refuse(constant: str) -> None:
    """Refuse what Python takes for a number and JSON does not know."""
    raise ValueError(f"{constant} is not JSON")


@define(kw_only=True)
class Running:
    """A call that has been started; `finish` waits for its end."""

    invocation: Invocation
    process: subprocess.Popen[bytes]
    limit: float
    started: float = field(factory=time.monotonic)
    _written: int = 0

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the plugin alone, as an impatient runtime or the kernel would."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def feed(self) -> None:
        """Write what fits into the pipe, so that calls started together run together."""
        pipe = self.process.stdin
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        try:
            while self._written < len(self.invocation.stdin):
                self._written += os.write(pipe.fileno(), self.invocation.stdin[self._written :])
        except BlockingIOError:
            return
        except BrokenPipeError:  # a plugin need not read what it does not need
            pass
        with contextlib.suppress(BrokenPipeError):
            pipe.close()

    def finish(self) -> Invocation:
        """Feed, read and wait until the call has ended or its time is over."""
        call = self.invocation
        with selectors.DefaultSelector() as selector, self.process:
            outputs = self._register(selector)
            end = os.pidfd_open(self.process.pid)
            try:
                selector.register(end, selectors.EVENT_READ, "end")
                deadline = self.started + self.limit
                while selector.get_map() and not self._step(selector, outputs, deadline):
                    pass
            finally:
                os.close(end)
            with contextlib.suppress(OSError):
                assert self.process.stdin is not None
                self.process.stdin.close()
        call.stdout, call.stderr = (bytes(data) for data in outputs.values())
        return call

    def _register(self, selector: selectors.BaseSelector) -> dict[str, bytearray]:
        outputs = {"stdout": bytearray(), "stderr": bytearray()}
        for name in ("stdin", *outputs):
            pipe = getattr(self.process, name)
            if pipe.closed:
                continue
            os.set_blocking(pipe.fileno(), False)
            event = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
            selector.register(pipe, event, name)
        return outputs

    def _step(
        self,
        selector: selectors.BaseSelector,
        outputs: dict[str, bytearray],
        deadline: float,
    ) -> bool:
        """Serve what is ready; true when the call is over."""
        for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
            if key.data == "end":
                self._drain(selector, outputs)
                return True
            if key.data == "stdin":
                self._feed(selector, key.fileobj)
            else:
                self._read(selector, key.fileobj, outputs[key.data])
        if time.monotonic() >= deadline:
            self._time_out()
            return True
        return False

    def _feed(self, selector: selectors.BaseSelector, pipe: Any) -> None:
        selector.unregister(pipe)
        self.feed()
        if not pipe.closed:
            selector.register(pipe, selectors.EVENT_WRITE, "stdin")

    def _read(self, selector: selectors.BaseSelector, pipe: Any, output: bytearray) -> None:
        try:
            data = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            return
        if not data:
            selector.unregister(pipe)
        elif len(output) < OUTPUT_LIMIT:
            output += data

    def _drain(self, selector: selectors.BaseSelector, outputs: dict[str, bytearray]) -> None:
        self._collect()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline:
            for key, _ in selector.select(0):
                if key.data in outputs:
                    self._read(selector, key.fileobj, outputs[key.data])
                else:
                    selector.unregister(key.fileobj)
            if not {key.data for key in selector.get_map().values()} & set(outputs):
                return
            time.sleep(0.005)
        self.invocation.held_open = True

    def _time_out(self) -> None:
        self.kill()
        self._collect()
        self.invocation.exit_code = None
        self.invocation.ended_by = "timeout"

    def _collect(self) -> None:
        _, status, usage = os.wait4(self.process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        call = self.invocation
        call.seconds = time.monotonic() - self.started
        call.max_rss = usage.ru_maxrss * 1024
        if code >= 0:
            call.exit_code = code
        else:
            call.ended_by = signal.Signals(-code).name


def start(
    argv: list[str],
    *,
    command: str,
    env: dict[str, str],
    stdin: bytes,
    limit: float = 30.0,
    cwd: str = "/",
    pass_fds: tuple[int, ...] = (),
) -> Running:
    """Start a program with exactly this environment.

    Args:
        argv: The program and its arguments.
        command: What to call it in messages.
        env: The complete environment.
        stdin: What it is given to read.
        limit: Seconds after which it is killed.
        cwd: The directory it starts in.
        pass_fds: Descriptors it inherits besides the standard three.

    Raises:
        OSError: It could not be executed.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    call = Invocation(command=command, argv=argv, env=env, stdin=stdin)
    running = Running(invocation=call, process=process, limit=limit)
    running.feed()
    return running
