"""The daemon's socket: handed over by systemd, or bound here in the place of one nobody answers at."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping

from cnisdk import errors


_FIRST_PASSED = 3
_BACKLOG = 128


def activated(env: Mapping[str, str]) -> socket.socket | None:
    """The socket that systemd listens at for us (sd_listen_fds(3)); None when there is none.

    Raises:
        errors.InvalidEnvironment: there are several.
    """
    if env.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = env.get("LISTEN_FDS", "")
    if not count.isdigit() or count == "0":
        return None
    if count != "1":
        raise errors.InvalidEnvironment(
            f"LISTEN_FDS: {count} sockets were passed, but the daemon has one",
            details="give the socket unit a single ListenStream=",
        )
    os.set_inheritable(_FIRST_PASSED, False)
    return socket.socket(fileno=_FIRST_PASSED)


def listen(path: str) -> socket.socket:
    """Listen at a path; a socket that a killed daemon left there is replaced (W-DH-1).

    The caller sees to it that no two daemons do this at once.

    Raises:
        errors.IoFailure: somebody listens there, or the path cannot be used.
    """
    scratch = f"{path}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _refuse_live(path)
        # It appears under its name when it can be connected to, with its mode.
        listener.bind(scratch)
        os.chmod(scratch, 0o660)
        listener.listen(_BACKLOG)
        os.rename(scratch, path)
    except OSError as failure:
        listener.close()
        raise errors.IoFailure(
            f"cannot listen at {path}: {failure.strerror or failure}"
        ) from failure
    except errors.CniError:
        listener.close()
        raise
    return listener


def _refuse_live(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise errors.IoFailure(f"cannot listen at {path}: something that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return
    raise errors.IoFailure(
        f"cannot listen at {path}: address already in use",
        details="another daemon answers there; stop it first",
    )
