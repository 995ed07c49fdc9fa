"""From an attachment to its addresses without reading every reservation: a hint, never the truth.

One symbolic link per attachment: name ``<container id>:<ifname>``, target ``<boot id> <address>...``.
A link is made and replaced atomically, holds its text in the inode and is read by one system call.
It is written before the reservations themselves, so that it covers whatever a crash leaves of them.

The directory may be deleted at any time. Whether it still knows everything is told by time stamps:
after each change of ours both directories, index and reservations, get the same modification time
with random nanoseconds. A change by anybody else makes them differ.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple


_NANOSECONDS = 1_000_000_000
_LONGEST_NAME = 255
# The first two groups: enough to tell boots apart, and link targets below 60 bytes stay in the inode.
_BOOT_DIGITS = 13


class Entry(NamedTuple):
    """What the index says about one attachment."""

    boot_id: str
    """Beginning of the boot id of the ADD; "unknown" when somebody else made the reservation."""
    addresses: tuple[str, ...]
    """File names of the reservations."""


def link_name(container_id: str, ifname: str) -> str:
    """Name of an attachment's link; neither part may contain ":" by the specification."""
    name = f"{container_id}:{ifname}"
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    import hashlib

    return hashlib.sha256(os.fsencode(name)).hexdigest()


class AttachmentIndex:
    """The index of one network; every method works whatever state the directory is in.

    Args:
        fd: The opened index directory, None when it cannot be used.
        reservations_fd: The opened directory with the reservations.
    """

    def __init__(self, fd: int | None, reservations_fd: int) -> None:
        self.fd = fd
        self._memory: dict[str, Entry] = {}
        self._reservations_fd = reservations_fd

    def is_complete(self) -> bool:
        """Whether nobody else has changed the reservations since `mark_complete`."""
        if self.fd is None:
            return False
        stamp = os.fstat(self._reservations_fd).st_mtime_ns
        # Zero nanoseconds: a filesystem that keeps whole seconds only cannot be trusted here.
        return stamp % _NANOSECONDS != 0 and stamp == os.fstat(self.fd).st_mtime_ns

    def mark_complete(self) -> None:
        """Say that the index knows all reservations there are now."""
        if self.fd is None:
            return
        now = time.time_ns()
        random = int.from_bytes(os.urandom(4), "big") % (_NANOSECONDS - 1) + 1
        # The second before this one: nobody should wonder about a change in the future.
        stamp = now - now % _NANOSECONDS - _NANOSECONDS + random
        os.utime(self._reservations_fd, ns=(stamp, stamp))
        os.utime(self.fd, ns=(stamp, stamp))

    def look_up(self, container_id: str, ifname: str) -> Entry | None:
        """The entry of an attachment; whoever uses it reads the named reservations."""
        return self._read(link_name(container_id, ifname))

    def _read(self, name: str) -> Entry | None:
        if self.fd is None:
            return self._memory.get(name)
        try:
            boot_id, *addresses = os.readlink(name, dir_fd=self.fd).split(" ")
        except OSError:
            return None
        return Entry(boot_id, tuple(addresses))

    def record(
        self, container_id: str, ifname: str, addresses: Iterable[str], boot_id: str
    ) -> None:
        """Write an attachment's entry."""
        target = " ".join([boot_id[:_BOOT_DIGITS], *addresses])
        self._link(link_name(container_id, ifname), target)

    def _link(self, name: str, target: str) -> None:
        if self.fd is None:
            return
        try:
            try:
                os.symlink(target, name, dir_fd=self.fd)
            except FileExistsError:
                os.unlink(name, dir_fd=self.fd)
                os.symlink(target, name, dir_fd=self.fd)
        except OSError:
            # No symbolic links here, or no room: without the index a DEL has to search.
            self.fd = None

    def forget(self, container_id: str, ifname: str) -> None:
        """Remove an attachment's entry."""
        self._unlink(link_name(container_id, ifname))

    def _unlink(self, name: str) -> None:
        if self.fd is None:
            return
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            pass
        except OSError:
            self.fd = None

    def entries(self) -> list[Entry]:
        """All entries; those of reservations that are gone included."""
        if self.fd is None:
            return []
        found = [self._read(name) for name in os.listdir(self.fd)]
        return [entry for entry in found if entry is not None]

    def rebuild(self, owners: Mapping[tuple[str, str], list[str]], unknown: str) -> None:
        """Make the index say exactly what a search found; known boot ids are kept.

        Args:
            owners: (container id, ifname) -> file names of its reservations.
            unknown: The boot id of reservations the index did not know.
        """
        wanted = {link_name(*owner): addresses for owner, addresses in owners.items()}
        # What the search found is of use even where the directory is not.
        self._memory = {name: Entry(unknown, tuple(names)) for name, names in wanted.items()}
        if self.fd is None:
            return
        for name in os.listdir(self.fd):
            if name not in wanted:
                self._unlink(name)
        for name, addresses in wanted.items():
            known = self._read(name)
            if known is None:
                self._link(name, " ".join([unknown, *addresses]))
            elif set(known.addresses) != set(addresses):
                boot_id = known.boot_id if set(known.addresses) & set(addresses) else unknown
                self._link(name, " ".join([boot_id, *addresses]))
