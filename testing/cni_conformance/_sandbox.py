"""A private machine: what a case and the plugin do in here is seen by nobody outside.

The process that enters gets a user namespace (unless it is root), a network and a mount namespace.
Its root is an overlay of the real one, so every file that is written lands in a directory of ours,
where it can be seen; /run, /var/lib and /etc/cni are empty.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys

from attrs import define, field

from cni_conformance import _kernel


PRIVATE_DIRECTORIES = ("/run", "/var/lib", "/etc/cni")
_OWN_MOUNTS = ("/proc", "/sys", "/dev")


class SandboxError(Exception):
    """This machine does not allow a sandbox; the message says what to do."""


@define
class Sandbox:
    """What has been set up.

    Attributes:
        written: Where new and changed files show up: the directory that holds them, and the path
            under which the plugin sees it.
        rootless: Whether there is a user namespace.
        limits: What could not be made private, each with the reason.
    """

    written: list[tuple[str, str]] = field(factory=list)
    rootless: bool = False
    limits: dict[str, str] = field(factory=dict)


def enter(keep: list[str]) -> Sandbox:
    """Move this process, which must have one thread, into a sandbox for the rest of its life.

    Args:
        keep: Paths that must stay visible: the plugin, the directories of CNI_PATH.

    Raises:
        SandboxError: Namespaces cannot be made here.
    """
    sandbox = Sandbox(rootless=os.geteuid() != 0)
    _enter_namespaces(rootless=sandbox.rootless)
    _kernel.mount("none", "/", "", _kernel.MS_REC | _kernel.MS_PRIVATE)
    keep = [os.path.realpath(path) for path in [*keep, sys.prefix, sys.base_prefix, __file__]]
    try:
        _overlay_root(sandbox, keep)
    except OSError as failure:
        sandbox.limits["files outside " + ", ".join(PRIVATE_DIRECTORIES)] = (
            f"no overlay of the file system: {failure}"
        )
        for directory in PRIVATE_DIRECTORIES:
            _empty_directory(sandbox, directory, keep)
    with contextlib.suppress(OSError):  # /sys/class/net then shows the outer namespace
        _kernel.mount("sysfs", "/sys", "sysfs")
    os.makedirs("/run/netns", exist_ok=True)
    return sandbox


def _enter_namespaces(*, rootless: bool) -> None:
    uid, gid = os.geteuid(), os.getegid()
    flags = _kernel.CLONE_NEWNS | _kernel.CLONE_NEWNET | _kernel.CLONE_NEWIPC
    try:
        _kernel.unshare(flags | (_kernel.CLONE_NEWUSER if rootless else 0))
        if rootless:
            for name, content in (
                ("setgroups", "deny"),
                ("uid_map", f"0 {uid} 1"),
                ("gid_map", f"0 {gid} 1"),
            ):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(content)
    except OSError as failure:
        advice = (
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, and on "
            "Ubuntu kernel.apparmor_restrict_unprivileged_userns=0), or run as root"
            if rootless
            else "run with CAP_SYS_ADMIN; in a container, with --privileged"
        )
        raise SandboxError(f"cannot make namespaces ({failure}): {advice}") from failure


def _overlay_root(sandbox: Sandbox, keep: list[str]) -> None:
    mounts = _mount_points()
    kept_in_run = _open_kept("/run", keep)
    _kernel.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
    base = os.open("/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.mkdir("/run/root")
    _kernel.mount("tmpfs", "/run/root", "tmpfs", 0, "mode=755")
    sandbox.written.append(("/", "/"))
    try:
        for name in sorted(os.listdir("/")):
            _mirror(sandbox, base, f"/{name}", mounts)
    except OSError:
        _kernel.unmount("/run")
        sandbox.written.clear()
        raise
    for directory in PRIVATE_DIRECTORIES:
        _empty_directory(sandbox, directory, [] if directory == "/run" else keep, root="/run/root")
    for path, fd in kept_in_run:
        os.makedirs(f"/run/root{path}", exist_ok=True)
        _kernel.bind(f"/proc/self/fd/{fd}", f"/run/root{path}", read_only=True)
        os.close(fd)
    _kernel.pivot_root("/run/root")


def _mirror(sandbox: Sandbox, base: int, path: str, mounts: set[str]) -> None:
    """Show a part of the old root in the new one, so that writing to it changes only the new one."""
    target = f"/run/root{path}"
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if not os.path.isdir(path):
        with open(target, "w", encoding="ascii"):
            pass
        _kernel.bind(path, target, read_only=True)
        return
    os.mkdir(target)
    if path in _OWN_MOUNTS:
        _kernel.bind(path, target)
        if path == "/dev" and os.path.isdir("/dev/shm"):
            _kernel.mount("tmpfs", f"{target}/shm", "tmpfs", 0, "mode=1777")
    elif path == "/run":
        pass
    elif any(mount.startswith(path + "/") for mount in mounts):
        # An overlay does not show the mounts inside its lower directory, and a user namespace may
        # not even make one: what holds mounts is put together from its entries.
        shutil.copymode(path, target)
        with contextlib.suppress(PermissionError):
            for name in sorted(os.listdir(path)):
                _mirror(sandbox, base, os.path.join(path, name), mounts)
    else:
        _overlay(sandbox, base, path, target)


def _overlay(sandbox: Sandbox, base: int, path: str, target: str) -> None:
    number = len(sandbox.written)
    for part in ("upper", "work"):
        os.makedirs(f"/run/layers/{number}/{part}")
    shutil.copymode(path, f"/run/layers/{number}/upper")
    layers = f"/run/layers/{number}"
    options = f"lowerdir={_escape(path)},upperdir={layers}/upper,workdir={layers}/work"
    _kernel.mount(
        "overlay", target, "overlay", 0, options + (",userxattr" if sandbox.rootless else "")
    )
    sandbox.written.append((f"/proc/self/fd/{base}/layers/{number}/upper", path))


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _open_kept(directory: str, keep: list[str]) -> list[tuple[str, int]]:
    """Hold the directories that are needed but are about to be covered."""
    folders = {path if os.path.isdir(path) else os.path.dirname(path) for path in keep}
    inside = sorted(path for path in folders if path.startswith(directory + "/"))
    return [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in inside]


def _mount_points() -> set[str]:
    with open("/proc/self/mountinfo", "rb") as file:
        points = [line.split()[4] for line in file]
    return {
        point.decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
        for point in points
    }


def _empty_directory(sandbox: Sandbox, directory: str, keep: list[str], root: str = "") -> None:
    if not os.path.isdir(root + directory):
        return
    if any(path == directory or path.startswith(directory + "/") for path in keep):
        return  # what is needed lies in here; the overlay keeps it private
    _kernel.mount("tmpfs", root + directory, "tmpfs", 0, "mode=755")
    sandbox.written.append((directory, directory))
