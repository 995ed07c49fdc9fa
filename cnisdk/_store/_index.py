"""From an attachment to its addresses without reading every reservation: a hint, never the truth.

One symbolic link per attachment: name ``<container id>:<ifname>``, target ``<boot id> <address>...``.
A link is made and replaced atomically, holds its text in the inode and is read by one system call.
It is written before the reservations themselves, so that it covers whatever a crash leaves of them.
What a search finds of others goes into one sorted file, ``.known``; links come before it.

The directory may be deleted at any time. Whether it still knows everything is told by time stamps:
after each change of ours the reservations' directory gets a modification time with random
nanoseconds and the index one that is computed from it. After a change by anybody else they do not
fit together any more.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cnisdk._store import _atomic
from cnisdk._store._boot import UNKNOWN


_NANOSECONDS = 1_000_000_000
_LONGEST_NAME = 255
_KNOWN = ".known"
# The first two groups: enough to tell boots apart, and link targets below 60 bytes stay in the inode.
_BOOT_DIGITS = 13


class Entry(NamedTuple):
    """What the index says about one attachment."""

    boot_id: str
    """Beginning of the boot id of the ADD; "unknown" when somebody else made the reservation."""
    addresses: tuple[str, ...]
    """File names of the reservations."""


def _seal(stamp: int) -> int:
    """The modification time of the index that goes with one of the reservations.

    Never the same: the kernel's clock for files ticks every few milliseconds, so that changes of both
    directories easily get equal times.
    """
    seconds, nanoseconds = divmod(stamp, _NANOSECONDS)
    # 7919 n + 1 = n has no solution modulo an even number.
    return seconds * _NANOSECONDS + (7919 * nanoseconds + 1) % _NANOSECONDS


def link_name(container_id: str, ifname: str) -> str:
    """Name of an attachment's link; neither part may contain ":" by the specification."""
    name = f"{container_id}:{ifname}"
    if len(os.fsencode(name)) <= _LONGEST_NAME and "/" not in name and not name.startswith("."):
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
        return stamp % _NANOSECONDS != 0 and _seal(stamp) == os.fstat(self.fd).st_mtime_ns

    def mark_complete(self) -> None:
        """Say that the index knows all reservations there are now."""
        if self.fd is None:
            return
        now = time.time_ns()
        random = int.from_bytes(os.urandom(4), "big") % (_NANOSECONDS - 1) + 1
        # The second before this one: nobody should wonder about a change in the future.
        stamp = now - now % _NANOSECONDS - _NANOSECONDS + random
        os.utime(self._reservations_fd, ns=(stamp, stamp))
        os.utime(self.fd, ns=(stamp, _seal(stamp)))

    def look_up(self, container_id: str, ifname: str) -> Entry | None:
        """The entry of an attachment; whoever uses it reads the named reservations."""
        name = link_name(container_id, ifname)
        if self.fd is None:
            return self._memory.get(name)
        entry = self._read(self.fd, name)
        if entry is not None:
            return entry
        try:
            fd = os.open(_KNOWN, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError:
            return None
        try:
            return _search_lines(fd, os.fsencode(name))
        finally:
            os.close(fd)

    @staticmethod
    def _read(fd: int, name: str) -> Entry | None:
        try:
            boot_id, *addresses = os.readlink(name, dir_fd=fd).split(" ")
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
        """Remove an attachment's entry; a line in ``.known`` may stay, as a hint that leads nowhere."""
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

    def entries(self) -> dict[str, Entry]:
        """All entries by link name; those of reservations that are gone included."""
        if self.fd is None:
            return {}
        found = dict(_parse(line) for line in self._known_lines())
        for name in os.listdir(self.fd):
            entry = self._read(self.fd, name)
            if entry is not None:
                found[name] = entry
        return found

    def _known_lines(self) -> list[bytes]:
        try:
            content = _atomic.read(self.fd, _KNOWN, 1 << 30) if self.fd is not None else b""
        except OSError:
            content = b""
        return [line for line in (content or b"").splitlines() if b" " in line]

    def rebuild(self, owners: Mapping[tuple[str, str], list[str]]) -> None:
        """Make the index say exactly what a search found; known boot ids are kept.

        Args:
            owners: (container id, ifname) -> file names of its reservations.
        """
        wanted = {link_name(*owner): addresses for owner, addresses in owners.items()}
        # What the search found is of use even where the directory is not.
        self._memory = {name: Entry(UNKNOWN, tuple(names)) for name, names in wanted.items()}
        if self.fd is None:
            return
        before = self.entries()
        links = {name for name in os.listdir(self.fd) if not name.startswith(".")}
        lines: list[bytes] = []
        for name, addresses in wanted.items():
            known = before.get(name, self._memory[name])
            if name in links and set(known.addresses) == set(addresses):
                links.remove(name)  # stays as it is
                continue
            boot_id = known.boot_id if set(known.addresses) & set(addresses) else UNKNOWN
            lines.append(os.fsencode(" ".join([name, boot_id, *addresses])) + b"\n")
        lines.sort(key=_name_of)
        try:
            _atomic.replace(self.fd, _KNOWN, b"".join(lines))
        except OSError:
            self.fd = None
        for name in links:
            self._unlink(name)


def _name_of(line: bytes) -> bytes:
    return line.partition(b" ")[0]


def _parse(line: bytes) -> tuple[str, Entry]:
    name, boot_id, *addresses = os.fsdecode(line).split(" ")
    return name, Entry(boot_id, tuple(addresses))


def _search_lines(fd: int, name: bytes) -> Entry | None:
    """Find a name in sorted lines by halving."""
    low, high = 0, os.fstat(fd).st_size
    if not high:
        return None
    with mmap.mmap(fd, high, prot=mmap.PROT_READ) as content:
        while low < high:
            middle = (low + high) // 2
            start = content.rfind(b"\n", 0, middle) + 1
            end = content.find(b"\n", middle)
            line = content[start : end if end >= 0 else high]
            if _name_of(line) == name:
                return _parse(line)[1]
            if _name_of(line) < name:
                low = start + len(line) + 1
            else:
                high = start
    return None
