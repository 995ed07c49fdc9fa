"""What may be done with a network's reservations while their lock is held."""

from __future__ import annotations

import errno
import ipaddress
import os
import stat
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._result import IpAddress
from cnisdk._store import _atomic
from cnisdk._store._boot import UNKNOWN, boot_id, is_earlier
from cnisdk._store._index import AttachmentIndex, Entry
from cnisdk._store._layout import (
    LAST_RESERVED,
    Holder,
    as_address,
    file_name,
    holder_in,
    parse_owner,
)


if TYPE_CHECKING:
    from cnisdk._address_ranges import RangeSet

SMALL_POOL: Final = 512
"""Reservations that an ADD may read when somebody else has changed them; about 5 ms."""


@attrs.frozen
class Held:
    """What an attachment holds."""

    addresses: tuple[IpAddress, ...] = ()
    """Its addresses, in the order of reservation where that is known."""
    from_earlier_boot: bool = False
    """The machine was rebooted since: whatever used the addresses is gone."""


class AddressTaken(errors.TryAgainLater):
    """An address that was to be reserved belongs to somebody else (code 11)."""


class LockedReservations:
    """`Reservations` while their lock is held; made by `Reservations.locked`."""

    def __init__(
        self, network: str, fd: int, index: AttachmentIndex, warn: Callable[..., None]
    ) -> None:
        self._network = network
        self._warn = warn
        self._fd = fd
        self._index = index
        self._complete = index.is_complete()
        self._is_changed = False

    # ---- reading --------------------------------------------------------------------------------

    def is_free(self, address: IpAddress) -> bool:
        """Whether an address can be reserved.

        An empty file counts as free: whoever writes holds the lock, so it is what a crash left of
        the Go plugin between creating and writing.
        """
        try:
            found = os.stat(file_name(address), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return True
        return stat.S_ISREG(found.st_mode) and found.st_size == 0

    def holder(self, address: IpAddress) -> Holder | None:
        """Who holds an address; None when it is free."""
        return holder_in(self._fd, file_name(address))

    def taken(self) -> frozenset[str]:
        """All reserved addresses as text, in one reading of the directory."""
        return frozenset(os.listdir(self._fd))

    def held_by(self, attachment: Attachment, *, at_most: int | None = SMALL_POOL) -> Held:
        """What an attachment holds.

        Args:
            attachment: Whose reservations.
            at_most: When somebody else has changed the directory, it is searched only up to this many
                entries; None for no limit.
        """
        if not self._complete:
            self._search(at_most)
            return self._held_by(attachment)
        held = self._held_by(attachment)
        if not held.addresses and not self._complete:
            self._search(at_most)
            held = self._held_by(attachment)
        return held

    def _held_by(self, attachment: Attachment) -> Held:
        for ifname in (attachment.ifname, ""):
            owner = (attachment.container_id, ifname)
            entry = self._index.look_up(*owner)
            names = [n for n in (entry.addresses if entry else ()) if self._is_owned(n, *owner)]
            self._distrust_if_untrue(entry, names)
            if entry and names:
                return Held(tuple(map(ipaddress.ip_address, names)), is_earlier(entry.boot_id))
        return Held()

    def _distrust_if_untrue(self, entry: Entry | None, found: Collection[str]) -> None:
        """Writing into a reservation does not show in the directory's time stamp."""
        if entry is not None and not set(entry.addresses) <= set(found):
            self._complete = False

    def last_reserved(self, range_set: int) -> IpAddress | None:
        """The address a range set gave out last."""
        try:
            content = _atomic.read(self._fd, f"{LAST_RESERVED}{range_set}", 100)
        except OSError:
            return None
        return as_address((content or b"").decode("ascii", "replace").strip())

    def pick(self, range_set: int, of: RangeSet) -> IpAddress | None:
        """Choose a free address, round robin: the next one after what was given out last.

        Args:
            range_set: The number under which `set_last_reserved` remembers what was given out.
            of: The range set of this number.

        Returns:
            None when all are taken; nothing is reserved yet.
        """
        last = self.last_reserved(range_set)
        chosen = of.pick(last, self.is_free, self.taken)
        if chosen is None and self.reclaim_empty():
            chosen = of.pick(last, self.is_free, self.taken)
        return chosen

    # ---- changing -------------------------------------------------------------------------------

    def reserve(self, attachment: Attachment, addresses: Collection[IpAddress]) -> None:
        """Reserve addresses, all or none, on disk when this returns.

        Raises:
            AddressTaken: one of them is held by somebody else.
            errors.IoFailure: writing failed (code 5).
        """
        owner = (attachment.container_id, attachment.ifname)
        names = [file_name(address) for address in addresses]
        before = self._index.look_up(*owner)
        kept = before.addresses if before else ()
        # The intent goes first: whatever a crash leaves, DEL finds it.
        self._index.record(*owner, dict.fromkeys([*kept, *names]), boot_id())
        made: list[str] = []
        try:
            for name in names:
                made.append(name)
                self._create(name, "\r\n".join(owner).encode(errors="surrogateescape"))
            os.fsync(self._fd)
        except BaseException as failure:
            if isinstance(failure, AddressTaken):
                made.pop()  # may be the attachment's own, from before
            self._remove(owner, made)
            if kept:
                self._index.record(*owner, kept, before.boot_id if before else UNKNOWN)
            else:
                self._index.forget(*owner)
            raise
        self._is_changed = True

    def _create(self, name: str, content: bytes) -> None:
        scratch_fd = self._index.fd if self._index.fd is not None else self._fd
        try:
            _atomic.create(self._fd, name, content, scratch_fd=scratch_fd)
        except FileExistsError:
            address = ipaddress.ip_address(name)
            if not self.is_free(address):
                raise AddressTaken(
                    f"address {address} of network {self._network} is taken",
                    details=f"held by {self.holder(address)}",
                ) from None
            self._warn("took over an empty reservation", address=name)
            _atomic.remove(self._fd, name)
            _atomic.create(self._fd, name, content, scratch_fd=scratch_fd)

    def renew(self, attachment: Attachment, addresses: Collection[IpAddress]) -> None:
        """Turn reservations of an earlier boot into ones of this boot."""
        names = [file_name(address) for address in addresses]
        for name in names:
            os.utime(name, dir_fd=self._fd, follow_symlinks=False)
        self._index.record(attachment.container_id, attachment.ifname, names, boot_id())
        self._is_changed = True

    def set_last_reserved(self, range_set: int, address: IpAddress) -> None:
        """Remember where round robin goes on. Only a hint: failing to write it is not an error."""
        name, content = f"{LAST_RESERVED}{range_set}", str(address).encode()
        for scratch_fd in (self._index.fd, self._fd):
            try:
                _atomic.replace(self._fd, name, content, scratch_fd=scratch_fd, sync=False)
                break
            except OSError as failure:
                self._warn("cannot remember the last address", reason=str(failure))
        self._is_changed = True

    def release(
        self,
        attachment: Attachment,
        *,
        hints: Iterable[IpAddress] = (),
        only: Iterable[IpAddress] | None = None,
    ) -> tuple[IpAddress, ...]:
        """Release what an attachment holds; see `Reservations.release`."""
        owner = (attachment.container_id, attachment.ifname)
        if only is not None:
            chosen = [file_name(address) for address in only]
            released = self._remove(owner, chosen)
            entry = self._index.look_up(*owner)
            left = [name for name in (entry.addresses if entry else ()) if name not in chosen]
            if entry and left:
                self._index.record(*owner, left, entry.boot_id)
            else:
                self._index.forget(*owner)
            return self._released(released)
        hinted = [file_name(address) for address in hints]
        released = self._remove_all(owner, hinted)
        if not released and not self._complete:
            self._search(None)
            released = self._remove_all(owner, hinted)
        self._remove_scratch()
        return self._released(released)

    def _remove_all(self, owner: tuple[str, str], hinted: list[str]) -> list[str]:
        # The Go plugin's rule: old reservations without ifname only when there are no others.
        for each in (owner, (owner[0], "")):
            entry = self._index.look_up(*each)
            released = self._remove(each, [*(entry.addresses if entry else ()), *hinted])
            self._distrust_if_untrue(entry, released)
            self._index.forget(*each)
            if released:
                return released
        return []

    def retain(self, valid: Collection[Attachment]) -> tuple[IpAddress, ...]:
        """Release everything not held by one of the valid attachments; the addresses released."""
        owners = {(each.container_id, each.ifname) for each in valid}
        # Reservations without ifname may be any of their container's.
        owners |= {(each.container_id, "") for each in valid}
        kept: dict[tuple[str, str], list[str]] = {}
        released: list[str] = []
        unread: OSError | None = None
        for name in os.listdir(self._fd):
            if as_address(name) is None:
                continue
            try:
                owner = self._read_owner(name)
            except OSError as failure:  # may be a valid attachment's
                self._warn("cannot read", address=name, reason=str(failure))
                unread = failure
                continue
            if owner in owners:
                kept.setdefault(owner, []).append(name)
                continue
            if owner is None:
                self._warn("removing a damaged reservation", address=name)
            try:
                _atomic.remove(self._fd, name)
            except OSError as failure:
                self._warn("cannot remove", address=name, reason=str(failure))
                continue
            released.append(name)
        self._remove_scratch()
        if unread is None:
            self._index.rebuild(kept)
            self._complete = True
        given_back = self._released(released)
        if unread is not None:
            raise unread
        return given_back

    # ---- inside ---------------------------------------------------------------------------------

    def _remove(self, owner: tuple[str, str], names: list[str]) -> list[str]:
        return [
            name
            for name in dict.fromkeys(names)
            if self._is_owned(name, *owner) and _atomic.remove(self._fd, name)
        ]

    def _remove_scratch(self) -> None:
        """Remove what a crashed ADD may have left."""
        for fd in (self._fd, self._index.fd):
            if fd is not None:
                _atomic.remove(fd, _atomic.SCRATCH)

    def _released(self, names: list[str]) -> tuple[IpAddress, ...]:
        if names:
            os.fsync(self._fd)
        self._is_changed = True
        return tuple(map(ipaddress.ip_address, names))

    def _is_owned(self, name: str, container_id: str, ifname: str) -> bool:
        return as_address(name) is not None and self._owner(name) == (container_id, ifname)

    def _owner(self, name: str) -> tuple[str, str] | None:
        try:
            return self._read_owner(name)
        except OSError as failure:
            if errors.is_shortage(failure):
                raise
            return None

    def _read_owner(self, name: str) -> tuple[str, str] | None:
        """Who holds a reservation; None for a damaged one."""
        try:
            return parse_owner(_atomic.read(self._fd, name, 4096) or b"")
        except OSError as failure:
            if failure.errno in {errno.ELOOP, errno.EISDIR}:
                return None  # a directory or symbolic link in the place of a reservation
            raise

    def _search(self, at_most: int | None) -> None:
        """Read the reservations and bring the index up to date; not when there are too many."""
        if at_most is None:
            names = os.listdir(self._fd)
        else:
            with os.scandir(self._fd) as listing:
                names = [entry.name for entry in islice(listing, at_most + 1)]
            if len(names) > at_most:
                return
        owners: dict[tuple[str, str], list[str]] = {}
        for name in names:
            if as_address(name) is not None:
                owner = self._owner(name)
                if owner is not None:
                    owners.setdefault(owner, []).append(name)
        self._index.rebuild(owners)
        self._complete = True
        self._is_changed = True

    def reclaim_empty(self) -> bool:
        """Remove reservations nobody ever wrote an owner to; whether there were any.

        Looks at every reservation: for when no address is left.
        """
        empty: list[str] = []
        with os.scandir(self._fd) as listing:
            for entry in listing:
                if as_address(entry.name) is None or not entry.is_file(follow_symlinks=False):
                    continue
                if entry.stat(follow_symlinks=False).st_size == 0:
                    empty.append(entry.name)
        for name in empty:
            self._warn("removing an empty reservation", address=name)
            _atomic.remove(self._fd, name)
        self._is_changed = self._is_changed or bool(empty)
        return bool(empty)

    def finish(self) -> None:
        """Seal the index before the lock is given back."""
        if self._is_changed and self._complete:
            self._index.mark_complete()
