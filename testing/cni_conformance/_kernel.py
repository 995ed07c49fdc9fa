"""The system calls of namespaces and mounts, which Python 3.11 does not have."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator


CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_AT_RECURSIVE = 0x8000
_PEERS_GO = 2.0  # seconds: the kernel takes its time to remove what was in a namespace
_MOUNT_ATTR_RDONLY = 1
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object, about: str = "") -> None:
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about or name)


def unshare(flags: int) -> None:
    """Leave the given namespaces for new ones."""
    _call("unshare", flags)


def setns(fd: int, kind: int) -> None:
    """Enter the namespace a descriptor stands for."""
    _call("setns", fd, kind)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Put a file system into the tree of this mount namespace."""
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode(),
        flags,
        options.encode(),
        about=f"mount {kind or source} on {target}",
    )


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Show a file or directory tree at a second place."""
    mount(source, target, "", MS_BIND | MS_REC)
    if read_only:
        attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
        _call(
            "syscall",
            _SYS_MOUNT_SETATTR,
            -100,
            target.encode(),
            _AT_RECURSIVE,
            attributes,
            ctypes.c_size_t(32),
        )


def unmount(target: str) -> None:
    """Take a mount out of the tree, busy or not."""
    _call("umount2", target.encode(), MNT_DETACH, about=f"unmount {target}")


def pivot_root(new_root: str) -> None:
    """Make a mounted directory the root of this mount namespace, and let the old one go."""
    os.chdir(new_root)
    _call("syscall", _SYS_PIVOT_ROOT[os.uname().machine], b".", b".", about="pivot_root")
    unmount(".")
    os.chdir("/")


def adopt_orphans() -> None:
    """Become the parent of every process our descendants leave behind."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def inside_netns(path: str) -> Generator[None]:
    """Work in a network namespace for the length of a `with` block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(there, CLONE_NEWNET)
        finally:
            os.close(there)
        try:
            yield
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


def make_netns(path: str) -> None:
    """Make a network namespace and keep it at a path, as runtimes do."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWNET)
        try:
            mount("/proc/thread-self/ns/net", path, "", MS_BIND)
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


def remove_netns(path: str) -> None:
    """Let a network namespace go, with its path, and wait for what goes with it on the host."""
    peers = _peers_on_the_host(os.path.basename(path))
    with contextlib.suppress(OSError):  # the plugin may have unmounted it
        unmount(path)
    os.unlink(path)
    deadline = time.monotonic() + _PEERS_GO
    while time.monotonic() < deadline and any(map(_link_exists, peers)):
        time.sleep(0.005)


def _peers_on_the_host(netns: str) -> list[str]:
    """The links of the host whose other end is in a namespace."""
    done = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [
        row[1].partition("@")[0].rstrip(":")
        for row in rows
        if "link-netns" in row and row[row.index("link-netns") + 1] == netns
    ]


def _link_exists(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False
