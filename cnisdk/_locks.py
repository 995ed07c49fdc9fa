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

from cnisdk import errors


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
    network_key: str,
    attachment: Attachment | None,
    env: Mapping[str, str],
    deadline: Deadline,
    log: Log,
) -> Generator[None]:
    """Hold the locks a verb needs while it runs.

    Args:
        verb: ADD, DEL and GC take locks; the others do not.
        plugin: The plugin's class name: a delegate locks on its own account.
        network_key: Hash of the network's name.
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
            os.makedirs(directory, mode=0o700, exist_ok=True)
            network = os.path.join(directory, f"{plugin}-{network_key}")
            mode = fcntl.LOCK_EX if verb == "GC" else fcntl.LOCK_SH
            held.enter_context(locked(network, mode, deadline))
            if attachment is not None:
                path = os.path.join(directory, f"{plugin}-{attachment.key}")
                held.enter_context(locked(path, fcntl.LOCK_EX, deadline))
        except OSError as failure:
            # No lock directory (read-only /run): the runtime's own serialisation has to do.
            log.warning("calls are not serialised", reason=str(failure))
        yield


@contextmanager
def locked(path: str, mode: int, deadline: Deadline) -> Generator[None]:
    """Hold a lock file.

    Args:
        path: The file; made where missing, and removed by its exclusive holder.
        mode: LOCK_SH or LOCK_EX of flock(2).
        deadline: Bounds the wait.

    Raises:
        errors.TryAgainLater: held by another call until the deadline (code 11).
        OSError: the file cannot be made.
    """
    fd = _acquire(path, mode, deadline)
    try:
        yield
    finally:
        if mode == fcntl.LOCK_EX:
            # While the lock is held nobody else can rely on the file: leave nothing behind.
            os.unlink(path)
        os.close(fd)


def _acquire(path: str, mode: int, deadline: Deadline) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    pause = _FIRST_PAUSE
    while True:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip()
            os.close(fd)
            if deadline.remaining() <= pause:
                raise errors.TryAgainLater(
                    f"another call holds {path}" + (f": {holder}" if holder else ""),
                    details="ADD, DEL and GC of one attachment exclude each other; try again when "
                    "that call has ended",
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            continue
        if _still_named(fd, path):
            if mode == fcntl.LOCK_EX:
                os.pwrite(fd, f"pid {os.getpid()} since {time.strftime('%H:%M:%S')}\n".encode(), 0)
            return fd
        os.close(fd)  # The holder before us removed the file: lock the new one.


def _still_named(fd: int, path: str) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), named)
