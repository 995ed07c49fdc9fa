"""Child processes that end with the call: what is left of one after a kill must not change anything any more."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from cnisdk._net._setns import libc


_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """In a child: end when the parent does, however that ends.

    Args:
        parent: Its process id.
    """
    libc("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was faster


def answer_of(work: Callable[[], bytes]) -> bytes | None:
    """Have a child process do what may end the process that does it.

    Args:
        work: Runs in the child; what it returns is never empty.

    Returns:
        What it returned; None when the child has ended before.
    """
    parent = os.getpid()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        child = os.fork()
        if not child:
            _serve(work, writing, parent)
        os.close(writing)
        writing = -1
        try:
            answer = _read_all(reading)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            ended_well = _is_good(child)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    return answer if ended_well and answer else None


def _is_good(child: int) -> bool:
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:  # the runtime ignores SIGCHLD, and so does what it starts
        return True


def _serve(work: Callable[[], bytes], writing: int, parent: int) -> None:
    status = 1
    try:
        die_with(parent)
        rest = memoryview(work())
        while rest:
            rest = rest[os.write(writing, rest) :]
        status = 0
    finally:
        os._exit(status)


def _read_all(fd: int) -> bytes:
    parts: list[bytes] = []
    while part := os.read(fd, 1 << 16):
        parts.append(part)
    return b"".join(parts)
