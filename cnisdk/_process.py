"""The process around a call: a stdout nobody else can write to, signals, the alarm clock, the exit.

Nothing here is used when a plugin runs inside another process (tests, delegation).
"""

from __future__ import annotations

import os
import signal
import sys
from io import FileIO
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from cnisdk import errors
from cnisdk._runtime import PluginSpec, run


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

_LONGEST_ALARM = 1e8
_LAST_GRACE = 15.0
"""Seconds after the deadline before the process ends without finishing its undo."""


class Terminated(errors.TryAgainLater):
    """The runtime asked the plugin to end (SIGTERM, SIGINT, SIGHUP)."""


def serve_process(spec: PluginSpec) -> NoReturn:
    """Serve the call this process was started for, then exit."""
    stdin = cast("BinaryIO", FileIO(0, "r", closefd=False))
    stderr = cast("BinaryIO", FileIO(2, "w", closefd=False))
    _open_missing_streams()
    stdout = _claim_stdout()
    _turn_signals_into_errors()
    code = run(spec, os.environ, stdin, stdout, stderr, watchdog=_arm)
    # Nothing is left to be cleaned up, and tearing the interpreter down takes longer than some calls.
    os._exit(code)


def _open_missing_streams() -> None:
    """A runtime may start us with a closed descriptor; the next open() must not become stdout."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _claim_stdout() -> BinaryIO:
    """Keep the real stdout to ourselves; whatever is printed meanwhile goes to stderr."""
    private = os.dup(1)  # close-on-exec: no child gets it
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return cast("BinaryIO", _Unbuffered(private))


class _Unbuffered(FileIO):
    """A stdout whose write takes all or raises."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w")

    def write(self, data: object, /) -> int:
        view = memoryview(cast("bytes", data))
        total = len(view)
        while view:
            view = view[os.write(self.fileno(), view) :]
        return total


def _turn_signals_into_errors() -> None:
    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Terminated(
            f"the plugin was told to end by {signal.Signals(number).name}",
            details="what ADD had done so far was undone",
        )

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _arm(deadline: Deadline) -> None:
    """Interrupt whatever hangs when the call's time is used up."""

    def ring(_: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, _LAST_GRACE)
        raise deadline.expired(deadline.current_step or _where(frame))

    def give_up(_: int, frame: FrameType | None) -> NoReturn:
        os.write(2, f"gave up undoing, while in {_where(frame)}\n".encode())
        os._exit(1)

    # A little later than the waits that watch the deadline themselves: their message is better.
    seconds = deadline.remaining() + 0.25
    if seconds < _LONGEST_ALARM:
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _where(frame: FrameType | None) -> str:
    """The innermost function that is not the SDK's own."""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("cnisdk"):
        frame = frame.f_back
    if frame is None:
        return "in the SDK"
    return f"in {frame.f_code.co_qualname} (line {frame.f_lineno})"
