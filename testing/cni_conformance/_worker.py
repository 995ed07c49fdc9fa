"""A process for one case: it enters a sandbox, does its work, and hands the outcome back as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from attrs import define, field

from cni_conformance import _kernel
from cni_conformance.state import _processes


class WorkerError(Exception):
    """A worker did not hand back an outcome; the message says what it said instead."""


@define
class Worker:
    """A running process.

    Attributes:
        pid: Its process id.
        started: When it began, on the monotonic clock.
    """

    pid: int
    pidfd: int
    started: float
    _outcome: BinaryIO
    _noise: BinaryIO

    def collect(self) -> Any:
        """The outcome, once the process has ended.

        Raises:
            WorkerError: There is none.
        """
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        with self._outcome, self._noise:
            self._outcome.seek(0)
            text = self._outcome.read()
            self._noise.seek(0)
            noise = self._noise.read().decode("utf-8", "replace").strip()
        if status != 0 or not text:
            code = os.waitstatus_to_exitcode(status)
            end = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
            raise WorkerError(f"the process of the case {end}: {noise[-2000:] or 'no message'}")
        return json.loads(text)


def start(work: Callable[[], Any]) -> Worker:
    """Run a function in a process of its own; what it returns must be JSON."""
    outcome = tempfile.TemporaryFile()  # noqa: SIM115 - the worker object closes it
    noise = tempfile.TemporaryFile()  # noqa: SIM115
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _be_alone(noise.fileno())
            answer = work()
            outcome.write(json.dumps(answer).encode())
            outcome.flush()
            code = 0
        except BaseException:  # noqa: BLE001 - this process ends here, whatever it was
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                _processes.end_all()
            with contextlib.suppress(BaseException):
                sys.stderr.flush()
            os._exit(code)
    return Worker(pid, os.pidfd_open(pid), time.monotonic(), outcome, noise)


def _be_alone(noise: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    os.setsid()
    _kernel.die_with_parent()
    _kernel.adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


@define
class Crew:
    """Keeps a number of workers busy.

    Attributes:
        jobs: How many run at a time.
        limit: Seconds after which one is killed.
    """

    jobs: int
    limit: float
    _busy: dict[int, tuple[Worker, Any]] = field(factory=dict)

    def run(self, tasks: Iterator[tuple[Any, Callable[[], Any]]]) -> Iterator[tuple[Any, Any]]:
        """Work through tasks, each a key and a function; gives each key with its outcome.

        An outcome is what the function returned, or a `WorkerError`.
        """
        with selectors.DefaultSelector() as selector:
            try:
                more = True
                while more or self._busy:
                    while more and len(self._busy) < self.jobs:
                        task = next(tasks, None)
                        if task is None:
                            more = False
                            break
                        worker = start(task[1])
                        self._busy[worker.pid] = (worker, task[0])
                        selector.register(worker.pidfd, selectors.EVENT_READ, worker.pid)
                    yield from self._wait(selector)
            finally:
                for worker, _ in self._busy.values():
                    os.kill(worker.pid, signal.SIGKILL)
                    with contextlib.suppress(WorkerError):
                        worker.collect()
                self._busy.clear()

    def _wait(self, selector: selectors.BaseSelector) -> Iterator[tuple[Any, Any]]:
        for key, _ in selector.select(1.0):
            worker, name = self._busy.pop(key.data)
            selector.unregister(key.fileobj)
            try:
                yield name, worker.collect()
            except WorkerError as failure:
                yield name, failure
        now = time.monotonic()
        for worker, _ in self._busy.values():
            if now - worker.started > self.limit:
                os.kill(worker.pid, signal.SIGKILL)
