"""Addresses reserved for attachments on this node: the door to a network's reservations."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._names import Attachment, check_network_name
from cnisdk._result import IpAddress
from cnisdk._store import _atomic
from cnisdk._store._boot import is_earlier
from cnisdk._store._index import AttachmentIndex
from cnisdk._store._layout import INDEX_DIRECTORY, LOCK, Holder, file_name, holder_in
from cnisdk._store._lock import locked
from cnisdk._store._locked_reservations import LockedReservations


if TYPE_CHECKING:
    from cnisdk._address_ranges import RangeSet
    from cnisdk._deadline import Deadline
    from cnisdk._log import Log


class Reservations:
    """The reserved addresses of one network on this node.

    Reading needs no lock and creates nothing. For reserving, hold the lock::

        with reservations.locked(op.deadline, "ADD") as pool:
            if pool.is_free(address):
                pool.reserve(op.attachment, [address])

    Args:
        data_dir: Directory of all networks; the Go plugin's default is /var/lib/cni/networks.
        network: The network's name.
        log: Told of damaged reservations.

    Raises:
        errors.InvalidConfig: not the name of a network (code 7).
    """

    def __init__(self, data_dir: str, network: str, *, log: Log | None = None) -> None:
        self.network: str = check_network_name(network)
        data_dir = os.path.normpath(data_dir)  # as the Go plugin reads "..", by the text alone
        self.path: str = os.path.join(data_dir, network)
        """The network's directory."""
        self._index_path = os.path.join(data_dir, INDEX_DIRECTORY, network)
        self._log = log

    def exist(self) -> bool:
        """Whether anything was ever reserved here; DEL and GC have nothing to do when not."""
        return os.path.lexists(self.path)

    @contextmanager
    def locked(self, deadline: Deadline, purpose: str = "") -> Generator[LockedReservations]:
        """Hold the network's lock; directories are created when missing.

        Args:
            deadline: Bounds the wait for the lock.
            purpose: Shown to those who have to wait.

        Raises:
            errors.TryAgainLater: the lock was not to be had; names its holder (code 11).
            errors.IoFailure: a directory cannot be made or opened (code 5).
        """
        with _atomic.naming(f"cannot open {self.path}"):
            fd = _atomic.open_directory(self.path, create_mode=0o755)
        try:
            lock = os.path.join(self.path, LOCK)
            with locked(lock, deadline, purpose, dir_fd=fd):
                index_fd = self._open_index()
                try:
                    with _atomic.naming(f"cannot change {self.path}"):
                        index = AttachmentIndex(index_fd, fd)
                        pool = LockedReservations(self.network, fd, index, self.warn)
                        try:
                            yield pool
                        finally:
                            pool.finish()
                finally:
                    if index_fd is not None:
                        os.close(index_fd)
        finally:
            os.close(fd)

    def _open_index(self) -> int | None:
        try:
            return _atomic.open_directory(self._index_path, create_mode=0o700)
        except OSError as failure:
            self.warn("the index cannot be used", path=self._index_path, reason=str(failure))
            return None

    def release(
        self,
        attachment: Attachment,
        deadline: Deadline,
        *,
        hints: Iterable[IpAddress] = (),
        only: Iterable[IpAddress] | None = None,
    ) -> tuple[IpAddress, ...]:
        """Release what an attachment holds; nothing reserved is no error.

        Args:
            attachment: Whose reservations.
            deadline: Bounds the wait for the lock.
            hints: Addresses it is likely to hold, from prevResult; looked at before searching.
            only: Release these alone and keep the others.

        Returns:
            The addresses released.
        """
        if not self.exist():
            return ()
        with self.locked(deadline, f"DEL {attachment}") as pool:
            return pool.release(attachment, hints=hints, only=only)

    def retain(self, valid: Collection[Attachment], deadline: Deadline) -> tuple[IpAddress, ...]:
        """Release everything not held by one of the valid attachments; the addresses released."""
        if not self.exist():
            return ()
        with self.locked(deadline, f"GC of {self.network}") as pool:
            return pool.retain(valid)

    def holder(self, address: IpAddress) -> Holder | None:
        """Who holds an address; None when it is free.

        Raises:
            errors.IoFailure: the directory cannot be read (code 5).
        """
        with _atomic.naming(f"cannot read {os.path.join(self.path, file_name(address))}"):
            try:
                fd = _atomic.open_directory(self.path)
            except FileNotFoundError:
                return None
            try:
                return holder_in(fd, file_name(address))
            finally:
                os.close(fd)

    def taken(self) -> frozenset[str]:
        """All reserved addresses as text; without the lock, so a moment's picture.

        Raises:
            errors.IoFailure: the directory cannot be read (code 5).
        """
        with _atomic.naming(f"cannot read {self.path}"):
            try:
                fd = _atomic.open_directory(self.path)
            except FileNotFoundError:
                return frozenset()
            try:
                return frozenset(os.listdir(fd))
            finally:
                os.close(fd)

    def expect(
        self, attachment: Attachment, addresses: Collection[IpAddress], sets: Collection[RangeSet]
    ) -> None:
        """Compare the addresses of a result with what is reserved; changes nothing on disk.

        Args:
            attachment: Who should hold them.
            addresses: Those of the result; it may have some that others than this network gave.
            sets: What this network gives: an address in one of them must be reserved, and one at least.

        Raises:
            errors.CniError: names the address, and who holds it (code 999).
            errors.IoFailure: the directory cannot be read (code 5).
        """
        owner = f"{attachment.container_id}/{attachment.ifname}"
        held = 0
        for address in addresses:
            holder = self.holder(address)
            if holder is not None and holder.is_for(attachment):
                held += 1
            elif any(address in each for each in sets):
                found = f"it is held by {holder}" if holder else "nobody holds it"
                raise errors.CniError(
                    f"address {address} of network {self.network} is not reserved for "
                    f"{owner}: {found}",
                    details=f"expected the file {self.path}/{address}",
                )
        if not held:
            raise errors.CniError(
                f"prevResult has no address that network {self.network} reserved for {owner}",
                details=f"addresses of prevResult: {', '.join(map(str, addresses)) or 'none'}",
            )

    def from_earlier_boots(self) -> int:
        """How many reservations are known to be older than the last reboot; reads the index."""
        try:
            fd = _atomic.open_directory(self._index_path)
        except OSError:
            return 0
        try:
            entries = AttachmentIndex(fd, fd).entries()
        finally:
            os.close(fd)
        taken = self.taken()
        return sum(
            len(taken.intersection(entry.addresses))
            for entry in entries.values()
            if is_earlier(entry.boot_id)
        )

    def check_usable(self) -> None:
        """Make sure that reserving could work, without changing anything.

        Raises:
            errors.IoFailure: a directory is not writable, or the filesystem is full (code 5).
        """
        _atomic.check_usable(self.path, follow=False)

    def warn(self, message: str, **fields: object) -> None:
        """Write to the log, when there is one."""
        if self._log is not None:
            self._log.warning(message, network=self.network, **fields)
