"""Entering a network namespace for a moment."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any


_CLONE_NEWNET = 0x40000000


@contextmanager
def entered(fd: int | None) -> Generator[None]:
    """Run a block in another network namespace; the calling thread comes back whatever happens.

    Args:
        fd: The namespace; None to stay.
    """
    if fd is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            # Inside: a signal that comes as the call returns must not leave us there.
            _setns(fd)
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


@contextmanager
def scratch() -> Generator[int]:
    """A new network namespace that goes with the block; nobody is in it.

    Raises:
        OSError: no right to make one.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _libc("unshare", _CLONE_NEWNET)
            fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _setns(home)
    finally:
        os.close(home)
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
    _libc("setns", fd, _CLONE_NEWNET)


@cache
def _library() -> Any:
    """Once: every loading makes classes, which a daemon would have to be rid of again."""
    import ctypes  # noqa: PLC0415  # 3 ms that newer Pythons need not spend

    return ctypes.CDLL(None, use_errno=True)


def _libc(function: str, *arguments: int) -> None:
    libc = _library()
    import ctypes  # noqa: PLC0415  # see above

    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
