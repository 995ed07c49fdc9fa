"""Processes that calls have left behind."""

from __future__ import annotations

import os
import signal


def left_behind() -> list[str]:
    """The descendants of this process that still live, by their command lines."""
    return [_command_line(pid) for pid in descendants()]


def descendants() -> list[int]:
    """Process ids of all living descendants of this process."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent, state = _parent(int(name))
            if state != "Z":
                parents.setdefault(parent, []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def end_all() -> None:
    """Kill every descendant, and collect what has ended."""
    for _ in range(20):
        pids = descendants()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, 0 if pids else os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass
        if not pids:
            return


def _parent(pid: int) -> tuple[int, str]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return -1, "Z"
    return int(parent), state


def _command_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip() or f"[{pid}]"
    except OSError:
        return f"[{pid}]"
