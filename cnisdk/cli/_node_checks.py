"""What the node offers: kernel, packet filters, directories."""

from __future__ import annotations

import os
import platform
import stat
import sys
from collections.abc import Collection, Iterator
from typing import Final

import cnisdk
from cnisdk._net._programs import find_program
from cnisdk.cli._checks import Check, Status
from cnisdk.cli._probe import FIREWALLS, LINK_KINDS, VLAN_FILTERING, ProbeFailure, probe


_SHOWN_FEATURES: Final = (*LINK_KINDS, VLAN_FILTERING, "tun", "ipv6", *FIREWALLS)
_HINTS: Final = {
    "nftables": "install nftables, or set ipMasqBackend to iptables",
    "iptables": "install iptables, or set ipMasqBackend to nftables",
    "tun": "load the kernel module tun",
}
NAT: Final = "nftables or iptables"
"""A feature that either of two gives."""


def check_system() -> Iterator[Check]:
    """What runs here."""
    kernel = platform.uname()
    yield Check("system", "kernel", "info", f"{kernel.system} {kernel.release} {kernel.machine}")
    python = f"{platform.python_version()} at {sys.executable}"
    yield Check("system", "python", "info", python)
    yield Check("system", "cnisdk", "info", cnisdk.__version__)
    if os.geteuid() != 0:
        hint = "run it as the user the runtime is run as, which is root as a rule"
        yield Check("system", "user", "warn", "not root: some things cannot be looked at", hint)


def check_features(needed: Collection[str]) -> Iterator[Check]:
    """Kernel features; one that is missing matters when a network needs it.

    Args:
        needed: The features the active network needs.
    """
    try:
        found = probe()
    except ProbeFailure as failure:
        status: Status = "warn" if needed else "info"
        yield Check(
            "kernel", "features", status, f"could not be tried out: {failure}", "run as root"
        )
        return
    if NAT in needed:
        needed = {*needed, *FIREWALLS} if all(found[each] for each in FIREWALLS) else needed
    for name in _SHOWN_FEATURES:
        problem = found.get(name, "not tried out")
        if not problem:
            yield Check("kernel", name, "ok", "needed" if name in needed else "")
        else:
            hint = _HINTS.get(name, "install or load its kernel module") if name in needed else ""
            yield Check("kernel", name, "fail" if name in needed else "info", problem, hint)


def check_tools() -> Iterator[Check]:
    """Programs that plugins may run."""
    for name, purpose in (
        ("nft", "for nftables where libnftables is missing"),
        ("iptables", "for ipMasqBackend iptables"),
        ("ip6tables", "the same for IPv6"),
    ):
        path = find_program(name)
        yield Check("tools", name, "ok" if path else "info", path or f"not found; {purpose}")


def check_directories(
    conf_dir: str, cni_path: Collection[str], cache_dir: str, run_dir: str, *, needed: bool
) -> Iterator[Check]:
    """The directories everything is in.

    Args:
        conf_dir: Configurations.
        cni_path: Plugins.
        cache_dir: Results of ADD.
        run_dir: Locks and recorded calls.
        needed: Whether there is a network that needs plugins.
    """
    yield _directory("configurations", conf_dir, missing="warn")
    usable = [each for each in cni_path if os.path.isdir(each)]
    for each in cni_path:
        missing: Status = "info" if usable else "fail" if needed else "warn"
        yield _directory("plugins", each, missing=missing, executable=True)
    yield _directory("cache", cache_dir, missing="info", written=True)
    yield _directory("locks and traces", run_dir, missing="info", written=True)
    yield _directory("namespaces", "/run/netns", missing="info")


def _directory(
    name: str, path: str, *, missing: Status, executable: bool = False, written: bool = False
) -> Check:
    def check(status: Status, message: str, hint: str = "") -> Check:
        return Check("directories", name, status, f"{path}: {message}", hint)

    try:
        found = os.stat(path)
        mount = os.statvfs(path).f_flag
    except OSError as failure:
        later = ", made when it is needed" if written else ""
        hint = f"mkdir -p {path}" if missing in {"fail", "warn"} else ""
        return check(missing, f"{failure.strerror}{later}", hint)
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    if not stat.S_ISDIR(found.st_mode):
        return check("fail", "not a directory")
    if executable and mount & os.ST_NOEXEC:
        return check("fail", "mounted noexec, so no plugin can be run", "mount -o remount,exec")
    if written and mount & os.ST_RDONLY:
        return check("fail", "mounted read-only", "mount it writable, or choose another directory")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        hint = f"who can write there has programs run as root: chmod go-w {path}"
        return check("warn", f"others may write there (mode {mode})", hint)
    return check("ok", f"mode {mode}, owner {found.st_uid}:{found.st_gid}")
