"""How much memory a process took at most.

`ru_maxrss` of wait4(2) does not say: Linux counts what the parent held when it started the process. The
kernel's high-water mark in /proc is the process's own, and is gone when it ends; so it is read again
and again, by a thread, in a call made for this alone.
"""

from __future__ import annotations

import threading
import time
from typing import Self

from attrs import define, field


_PAUSE = 0.0005


@define
class Peak:
    """Watches a process from the start of a `with` block to its end.

    Attributes:
        pid: The process.
        bytes: The largest resident size seen.
    """

    pid: int
    bytes: int = 0
    _end: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._end.is_set():
            self.bytes = max(self.bytes, high_water(self.pid))
            time.sleep(_PAUSE)


def high_water(pid: int) -> int:
    """The kernel's mark in bytes; 0 when the process has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0
