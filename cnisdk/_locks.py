"""Calls that must not overlap: ADD and DEL of one attachment, GC and either of them on a network.

SPEC section 3 puts this on the runtime; runtimes do overlap them (cilium#20398), so the SDK holds a
lock per attachment and one per network, shared for ADD and DEL, exclusive for GC.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from cnisdk import _directories, errors
from cnisdk._names import short_hash


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._log import Log
    from cnisdk._names import Attachment

_RUN_DIR = "/run/cnisdk"
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05


def run_dir(env: Mapping[str, str]) -> str:
    """Where what need not survive a reboot is kept; CNISDK_RUN_DIR or /run/cnisdk."""
    return env.get("CNISDK_RUN_DIR") or _RUN_DIR


@contextmanager
def serialised(
    verb: str,
    *,
    plugin: str,
    network_name: str,
    attachment: Attachment | None,
    env: Mapping[str, str],
    deadline: Deadline,
    log: Log,
) -> Generator[None]:
    """Hold the locks a verb needs while it runs.

    Args:
        verb: ADD, DEL and GC take locks; the others do not.
        plugin: The plugin's class name: a delegate locks on its own account.
        network_name: The network's name.
        attachment: The attachment of ADD and DEL.
        env: Says where the lock files are.
        deadline: Bounds the wait.
        log: Told when the lock directory cannot be used.

    Raises:
        errors.TryAgainLater: the lock is held by another call beyond the deadline (code 11).
    """
    if verb not in {"ADD", "DEL", "GC"}:
        yield
        return
    directory = os.path.join(run_dir(env), "lock")
    with ExitStack() as held:
        try:
            _directories.make(directory, 0o700)
            network = os.path.join(directory, f"{plugin}-{short_hash(network_name)}")
            mode = fcntl.LOCK_EX if verb == "GC" else fcntl.LOCK_SH
            holder = f"{verb} of {attachment or f'network {network_name}'}"
            held.enter_context(locked(network, mode, deadline, holder=holder))
            if attachment is not None:
                path = os.path.join(directory, f"{plugin}-{attachment.key}")
                held.enter_context(locked(path, fcntl.LOCK_EX, deadline, holder=holder))
        except (OSError, ValueError) as failure:
            # No lock directory (read-only /run): the runtime's own serialisation has to do.
            log.warning("calls are not serialised", reason=str(failure))
        yield


@contextmanager
def locked(path: str, mode: int, deadline: Deadline, *, holder: str = "") -> Generator[None]:
    """Hold a lock file.

    Args:
        path: The file; made where missing, and removed by its last holder.
        mode: LOCK_SH or LOCK_EX of flock(2).
        deadline: Bounds the wait.
        holder: What the call is, for those who wait for it in vain.

    Raises:
        errors.TryAgainLater: held by another call until the deadline (code 11).
        OSError: the file cannot be made.
    """
    fd = _acquire(path, mode, deadline, holder)
    try:
        yield
    finally:
        _release(fd, path, mode)


def _release(fd: int, path: str, mode: int) -> None:
    """Leave no file behind: while the lock is held by us alone nobody else can rely on it."""
    try:
        if mode == fcntl.LOCK_SH:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _still_named(fd, path):
            os.unlink(path)
    except OSError:
        pass  # Others share the lock, or the directory is gone; the call itself is over.
    finally:
        os.close(fd)


def _acquire(path: str, mode: int, deadline: Deadline, holder: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    pause = _FIRST_PAUSE
    while True:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                if deadline.remaining() <= pause:
                    held_by = os.pread(fd, 400, 0).decode(errors="replace").strip()
                    raise errors.TryAgainLater(
                        f"another call holds {path}: {held_by or 'it does not say which'}",
                        details="ADD, DEL and GC of one attachment exclude each other; try again "
                        "when that call has ended",
                    ) from None
            finally:
                os.close(fd)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            continue
        if _still_named(fd, path):
            # Of several that share the lock, the newest is named.
            text = f"{holder or 'a call'}, pid {os.getpid()} since {time.strftime('%H:%M:%S')}\n"
            os.ftruncate(fd, 0)
            os.pwrite(fd, text.encode(errors="replace"), 0)
            return fd
        os.close(fd)  # The holder before us removed the file: lock the new one.


def _still_named(fd: int, path: str) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), named)
