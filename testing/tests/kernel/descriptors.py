"""The descriptors this process holds, and that a call leaves none of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Generator


@contextlib.contextmanager
def nothing_left_open() -> Generator[None]:
    """A call closes what it has opened by itself: a process that serves many has no collector to wait for."""
    if threading.current_thread() is not threading.main_thread():
        yield  # calls at once: each would see the others' descriptors
        return
    before = open_descriptors()
    gc.disable()
    try:
        yield
        left = [
            f"{fd}: {what}" for fd, what in open_descriptors().items() if before.get(fd) != what
        ]
        assert not left, f"left open: {left}"
    finally:
        gc.enable()


def open_descriptors() -> dict[str, str]:
    """What each of them is, by its number."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return found
