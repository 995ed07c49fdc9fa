"""Devices behind links, their settings, the lock of a namespace: what the kernel shows as files."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cnisdk import _flock, errors
from cnisdk._net._setns import entered


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

_OWN = "/proc/thread-self/ns/net"


class SysfsKernel:
    """The part of `NetlinkKernel` that reads /sys and locks the namespace."""

    netns_fd: int | None

    def device_links(self, path: str) -> list[str]:
        """The links of a device, the first port first."""
        if not os.path.isdir(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        directories = [path]
        with suppress(OSError):
            # A virtio card's link belongs to a device within.
            names = sorted(os.listdir(path))
            directories += [os.path.join(path, each) for each in names if each[:6] == "virtio"]
        for directory in directories:
            net = os.path.join(directory, "net")
            if os.path.isdir(net):
                return sorted(os.listdir(net), key=lambda name: (_port(net, name), name))
        return []

    def device_driver(self, path: str) -> str:
        """The driver of a device; "" when it has none."""
        if not os.path.isdir(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        driver = os.path.join(path, "driver")
        return os.path.basename(os.path.realpath(driver)) if os.path.lexists(driver) else ""

    def link_sysctls(self, name: str) -> dict[str, str]:
        """The settings of a link that are not what a new link gets, by path; no MTUs."""
        found: dict[str, str] = {}
        with entered(self.netns_fd):
            for family in ("ipv4", "ipv6"):
                usual = _settings(f"{family}/conf/default")
                own = f"{family}/conf/{name}"
                for setting, value in _settings(own).items():
                    if setting != "mtu" and value != usual.get(setting):
                        found[f"{own}/{setting}"] = value
        return found

    def identity(self) -> str:
        """Device and inode of the namespace's file."""
        found = os.stat(_OWN) if self.netns_fd is None else os.fstat(self.netns_fd)
        return f"{found.st_dev}:{found.st_ino}"

    @contextmanager
    def exclusive(self, deadline: Deadline) -> Generator[None]:
        """Hold the namespace's lock: flock(2) on its file, as Go's plugins do."""
        # A description of its own: flock does not exclude those who share one.
        path = _OWN if self.netns_fd is None else f"/proc/self/fd/{self.netns_fd}"
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not _flock.take(fd, deadline):
                raise TimeoutError(errno.ETIMEDOUT, "another call holds it")
            yield
        finally:
            os.close(fd)


def _settings(path: str) -> dict[str, str]:
    """The values in a directory below /proc/sys/net, but for those that can only be written."""
    directory, found = f"/proc/sys/net/{path}", dict[str, str]()
    if not os.path.isdir(directory):
        return found
    for each in os.listdir(directory):
        try:
            with open(f"{directory}/{each}", encoding="ascii") as file:
                found[each] = file.read().strip()
        except OSError as failure:
            if errors.is_shortage(failure):
                raise
    return found


def _port(directory: str, name: str) -> int:
    """Which port of its card a link is: several may share a device."""
    for file in ("dev_port", "dev_id"):
        with suppress(OSError, ValueError), open(os.path.join(directory, name, file)) as content:
            number = int(content.read(), 0)
            if number:
                return number
    return 0
