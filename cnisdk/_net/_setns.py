"""Entering a network namespace for a moment, and coming back."""

from __future__ import annotations

import errno
import os
from _thread import get_ident
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from cnisdk import errors


_CLONE_NEWNET = 0x40000000
_TRIES = 3
_lost: dict[int, int] = {}
"""Threads that the kernel has not let come home, and where that is."""


@contextmanager
def entered(fd: int | None) -> Generator[None]:
    """Run a block in another network namespace; the calling thread comes back whatever happens.

    Args:
        fd: The namespace; None to stay at home.

    Raises:
        errors.CniError: no way in, or none back. Whoever goes on in spite of that cannot mistake the other
            namespace for its own: the next block begins with another try to come home.
        errors.TryAgainLater: so far the machine was short of something (code 11).
        OSError: the namespace has been closed.
    """
    if (home := _lost.get(get_ident())) is not None:
        _come_home(home)
    if fd is None:
        yield
        return
    home = _here()
    try:
        # Inside: a signal that comes as the call returns must not leave us there.
        try:
            _setns(fd)
        except OSError as failure:
            raise _refused(failure, "enter a network namespace") from failure
        yield
    finally:
        _come_home(home)


def _refused(failure: OSError, what: str) -> Exception:
    # No OSError: those of a file that cannot be read there are for the caller to judge.
    if failure.errno == errno.EBADF:
        return failure
    kind = errors.TryAgainLater if errors.is_shortage(failure) else errors.CniError
    needed = "the plugin needs CAP_SYS_ADMIN" if failure.errno == errno.EPERM else ""
    return kind(f"cannot {what}: {failure.strerror}", details=needed)


def _here() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _come_home(home: int) -> None:
    for left in reversed(range(_TRIES)):
        try:
            _setns(home)
            break
        except OSError as failure:
            if not left:
                _lost[get_ident()] = home
                raise _refused(failure, "come back from a network namespace") from failure
    _lost.pop(get_ident(), None)
    os.close(home)


@contextmanager
def scratch() -> Generator[int]:
    """A new network namespace that goes with the block; nobody is in it.

    Raises:
        OSError: no right to make one.
    """
    with entered(None):
        home = _here()
    try:
        libc("unshare", _CLONE_NEWNET)
        fd = _here()
    finally:
        _come_home(home)
    try:
        yield fd
    finally:
        os.close(fd)


def _setns(fd: int) -> None:
    if fd < 0:
        raise OSError(errno.EBADF, "setns: the namespace has been closed")
    setns: Callable[[int, int], None] | None = getattr(os, "setns", None)
    if setns is not None:  # Python 3.12
        setns(fd, _CLONE_NEWNET)
        return
    libc("setns", fd, _CLONE_NEWNET)


@cache
def _library() -> Any:
    """Once: every loading makes classes, which a daemon would have to be rid of again."""
    import ctypes  # noqa: PLC0415  # 3 ms that newer Pythons need not spend

    return ctypes.CDLL(None, use_errno=True)


def libc(function: str, *arguments: int) -> None:
    """Call a function of the C library that returns 0, or -1 and errno.

    Raises:
        OSError: it failed.
    """
    library = _library()
    import ctypes  # noqa: PLC0415  # see above

    if getattr(library, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
