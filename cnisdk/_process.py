"""The process around a call: a stdout nobody else can write to, signals, the alarm clock, the exit.

Nothing here is used when a plugin runs inside another process (tests, delegation).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from io import FileIO
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from cnisdk import errors, versions
from cnisdk._deadline import Interrupted
from cnisdk._log import Log
from cnisdk._report import Report
from cnisdk._runtime import PluginSpec, run


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_ATOMIC = 4096
"""Bytes a pipe that is ready takes without blocking (PIPE_BUF)."""
_LONGEST_ALARM = 1e8
_ALARM_DELAY = 0.25
_LAST_GRACE = 15.0
"""Seconds after the deadline before the process ends without finishing its undo."""


def serve_process(plugin: Callable[[], PluginSpec]) -> NoReturn:
    """Serve the call this process was started for, then exit.

    Args:
        plugin: Makes the plugin; imported and made only when nothing it prints can reach stdout.
    """
    _open_missing_streams()
    stderr = cast("BinaryIO", FileIO(2, "w", closefd=False))
    stdout = _claim_stdout()
    try:
        _turn_signals_into_errors()
        stdin = cast("BinaryIO", FileIO(0, "r", closefd=False))
        code = run(plugin(), os.environ, stdin, stdout, stderr, watchdog=partial(_arm, stdout))
    except BaseException as failure:  # noqa: BLE001  # a plugin that cannot be imported or made
        verb = os.environ.get("CNI_COMMAND", "")
        name = os.path.basename(sys.argv[0]) or "plugin"
        code = Report(name, verb, versions.NEWEST, Log()).send(failure, stdout, stderr)
    try:
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass
    # Nothing is left to be cleaned up, and tearing the interpreter down takes longer than some calls.
    os._exit(code)


def _open_missing_streams() -> None:
    """A runtime may start us with a closed descriptor; the next open() must not become stdout."""
    # What is not there can be neither read nor written: an ADD whose result nobody gets is undone.
    for fd, useless in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, useless)
            os.set_inheritable(fd, True)


def _claim_stdout() -> BinaryIO:
    """Keep the real stdout to ourselves; whatever is printed meanwhile goes to stderr."""
    private = os.dup(1)  # close-on-exec: no child gets it
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return cast("BinaryIO", _Stdout(private))


class _Stdout(FileIO):
    """Takes one document whole: once it is out, no signal can turn the call into a failure."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w")
        self._begun = False

    def write(self, data: object, /) -> int:
        if self._begun:
            raise OSError("a part of another document has been written")
        view = memoryview(cast("bytes", data))
        total = len(view)
        while len(view) > _ATOMIC:
            self._wait()
            view = view[os.write(self.fileno(), view[:_ATOMIC]) :]
            self._begun = True
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, (*_ENDING, signal.SIGALRM))
            while view:
                view = view[os.write(self.fileno(), view) :]
                self._begun = True
        except BaseException:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, signal.SIGALRM))
            raise
        return total

    def _wait(self) -> None:
        """Until a piece fits without blocking, open to signals."""
        import select  # noqa: PLC0415  # long results are rare

        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        poll.poll()


def _turn_signals_into_errors() -> None:
    def end(number: int, _: FrameType | None) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)  # One is enough: undoing must not be cut short.
        raise Interrupted(
            errors.TryAgainLater(
                f"the plugin was told to end by {signal.Signals(number).name}",
                details="ADD has undone what it had done; the other verbs can be repeated",
            )
        )

    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _arm(stdout: BinaryIO, deadline: Deadline) -> None:
    """Interrupt whatever hangs when the call's time is used up."""

    def ring(_: int, frame: FrameType | None) -> None:
        if deadline.remaining() > 0:
            # More time was granted for undoing; ringing now would cut it short.
            signal.setitimer(signal.ITIMER_REAL, deadline.remaining() + _ALARM_DELAY)
            return
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, _LAST_GRACE)
        raise Interrupted(deadline.expired(deadline.current_step or _where(frame)))

    def give_up(_: int, frame: FrameType | None) -> NoReturn:
        error = errors.TryAgainLater(f"gave up undoing, while {_where(frame)}")
        verb = os.environ.get("CNI_COMMAND", "")
        stderr = cast("BinaryIO", FileIO(2, "w", closefd=False))
        Report(os.path.basename(sys.argv[0]), verb, versions.NEWEST, Log()).send(
            error, stdout, stderr
        )
        os._exit(1)

    # A little later than the waits that watch the deadline themselves: their message is better.
    seconds = deadline.remaining() + _ALARM_DELAY
    if seconds < _LONGEST_ALARM:
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _where(frame: FrameType | None) -> str:
    """The innermost function that is not the SDK's own."""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("cnisdk"):
        frame = frame.f_back
    if frame is None or frame.f_code.co_name == "<module>":
        return "in the SDK"
    return f"in {frame.f_code.co_qualname} (line {frame.f_lineno})"
