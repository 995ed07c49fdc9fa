"""Waiting for a flock(2), which has no time limit of its own."""

from __future__ import annotations

import fcntl
import time

from cnisdk._deadline import Deadline


_FIRST_WAIT = 0.001
_LONGEST_WAIT = 0.05


def take(fd: int, deadline: Deadline) -> bool:
    """Lock an open file for this description alone; whether that worked before the deadline.

    Raises:
        OSError: it cannot be locked.
    """
    wait = _FIRST_WAIT
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remaining = deadline.remaining()
            if remaining <= 0:
                return False
            time.sleep(min(wait, remaining))
            wait = min(wait * 2, _LONGEST_WAIT)
        else:
            return True
