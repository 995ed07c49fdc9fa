"""A lock between processes that is waited for within the call's deadline and knows its holder.

flock(2), as the Go plugins use, so that both exclude each other. The holder writes a line about
itself into the lock file; other programs ignore what is in there.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import cast

from cnisdk import _flock, errors
from cnisdk._deadline import Deadline


@contextmanager
def locked(
    path: str,
    deadline: Deadline,
    purpose: str = "",
    *,
    dir_fd: int | None = None,
    mode: int = 0o600,
) -> Generator[None]:
    """Hold the lock file at ``path`` while the block runs.

    Args:
        path: The lock file; created when missing, never removed.
        deadline: Waiting ends with it.
        purpose: What for, shown to those who have to wait, for example "ADD c1/eth0 on mynet".
        dir_fd: The opened directory of ``path``, so that the lock is in that directory whatever
            happens to its name.
        mode: Permission bits of a new lock file.

    Raises:
        errors.TryAgainLater: still held when the deadline came; names file and holder (code 11).
        errors.IoFailure: the file cannot be opened (code 5).
    """
    name = path if dir_fd is None else os.path.basename(path)
    fd = _acquire(path, name, dir_fd, deadline, mode)
    try:
        _sign(fd, purpose)
        yield
    finally:
        # Closing alone would do, but a stale line would tell of a holder that has gone.
        with suppress(OSError):
            os.ftruncate(fd, 0)
        os.close(fd)


def _acquire(path: str, name: str, dir_fd: int | None, deadline: Deadline, mode: int) -> int:
    while True:
        fd = _open(path, name, dir_fd, mode)
        try:
            if not _flock.take(fd, deadline):
                raise _still_held(fd, path, deadline)
        except BaseException as failure:
            os.close(fd)
            if isinstance(failure, OSError):
                raise errors.IoFailure(f"cannot lock {path}: {failure.strerror}") from failure
            raise
        if _is_current(fd, name, dir_fd):
            return fd
        # Somebody removed the file while we waited; others may hold its successor.
        os.close(fd)


def _open(path: str, name: str, dir_fd: int | None, mode: int) -> int:
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, mode, dir_fd=dir_fd)
    except OSError as failure:
        hint = "a lock file must not be a symbolic link" if failure.errno == errno.ELOOP else ""
        raise errors.IoFailure(f"cannot open {path}: {failure.strerror}", details=hint) from failure


def _is_current(fd: int, name: str, dir_fd: int | None) -> bool:
    try:
        named = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(fd))


def _sign(fd: int, purpose: str) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command = " ".join(sys.argv[:2]) or sys.executable
    line = {"pid": os.getpid(), "since": since, "for": purpose, "command": command}
    # Only for humans: a full disk must not keep anyone from releasing an address.
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(line).encode() + b"\n", 0)


def _still_held(fd: int, path: str, deadline: Deadline) -> errors.TryAgainLater:
    return errors.TryAgainLater(
        f"gave up after {deadline.seconds:g} s waiting for the lock {path}",
        details=f"held by {holder(fd)}; retry, and look into that process when it does not end",
    )


def holder(fd: int) -> str:
    """Describe who holds the lock of an open lock file, as well as can be found out."""
    signed = _signature(fd)
    pids = _pids_holding(os.fstat(fd).st_ino)
    if not pids:
        if not signed:
            return "an unknown process, maybe in another pid namespace"
        return f"pid {signed.get('pid')} (in another pid namespace){_about(signed)}"
    described: list[str] = []
    for pid in pids:
        if signed.get("pid") == pid:
            described.append(f"pid {pid}{_about(signed)}")
        else:
            described.append(f"pid {pid} ({_command(pid) or 'command unknown'})")
    return " and ".join(described)


def _signature(fd: int) -> dict[str, object]:
    with suppress(OSError, ValueError):
        line: object = json.loads(os.pread(fd, 4096, 0))
        if isinstance(line, dict):
            return cast("dict[str, object]", line)
    return {}


def _about(signed: dict[str, object]) -> str:
    purpose = f" for {signed['for']}" if signed.get("for") else ""
    return f" ({signed.get('command')}){purpose} since {signed.get('since')}"


def _pids_holding(inode: int) -> list[int]:
    """Processes with a flock on the inode, from proc(5) ``/proc/locks``; covers Go's as well."""
    pids: list[int] = []
    with suppress(OSError), open("/proc/locks", encoding="ascii", errors="replace") as file:
        for line in file:
            # "1: FLOCK  ADVISORY  WRITE 1205 fd:00:2362 0 EOF"; waiters have "->" after the number.
            parts = line.split()
            if len(parts) > 5 and parts[1] == "FLOCK" and parts[5].endswith(f":{inode}"):
                pid = int(parts[4])
                if pid > 0:
                    pids.append(pid)
    return pids


def _command(pid: int) -> str:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read(400).replace(b"\0", b" ").decode(errors="replace").strip()
    return ""
