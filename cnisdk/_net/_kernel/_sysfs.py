"""Devices behind links, and the lock of a namespace: what the kernel shows as files."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cnisdk import _flock


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


def _port(directory: str, name: str) -> int:
    """Which port of its card a link is: several may share a device."""
    for file in ("dev_port", "dev_id"):
        with suppress(OSError, ValueError), open(os.path.join(directory, name, file)) as content:
            number = int(content.read(), 0)
            if number:
                return number
    return 0
