"""Small JSON records that a plugin keeps between its calls, one file each."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from cnisdk import errors
from cnisdk._store import _atomic
from cnisdk._store._boot import boot_id, is_earlier
from cnisdk._store._lock import locked


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._log import Log

DAMAGED: Final = ".damaged"
"""Where unreadable records go, inside the store's directory."""
_KEPT_DAMAGED = 32
_SUFFIX = ".json"
_LOCK = ".lock"
_FORMAT = 1
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}")


@attrs.frozen
class Record:
    """What was kept, and when the machine was booted that kept it."""

    data: Mapping[str, Any]
    """The JSON object as it was put."""
    boot_id: str
    """The kernel's boot id at that time."""

    @property
    def is_from_earlier_boot(self) -> bool:
        """Whether links, namespaces and rules the record speaks of went with a reboot."""
        return is_earlier(self.boot_id)


class Store:
    """JSON records in a directory, one for each key; `cnisdk.Attachment.key` is a good key.

    A record is there in full or not at all, also after a crash. One that cannot be read (a disk
    fault, an editor) is moved to ``.damaged`` and logged, and counts as absent, so that it never
    stands in the way of DEL. Reading needs no lock and creates nothing.

    Args:
        directory: The directory; made with mode 0700 by the first `put`.
        log: Told of damaged records.
    """

    def __init__(self, directory: str, *, log: Log | None = None) -> None:
        self.directory = directory
        self._log = log
        self._is_locked = False

    @contextmanager
    def locked(self, deadline: Deadline, purpose: str = "") -> Generator[None]:
        """Hold the store's lock, to read and change records as one step; the directory is made.

        Args:
            deadline: Bounds the wait for the lock.
            purpose: Shown to those who have to wait.

        Raises:
            errors.TryAgainLater: the lock was not to be had; names its holder (code 11).
        """
        with self._opened(create=True) as fd:
            lock = os.path.join(self.directory, _LOCK)
            with locked(lock, deadline, purpose, dir_fd=fd):
                self._is_locked = True
                try:
                    yield
                finally:
                    self._is_locked = False

    def put(self, key: str, data: Mapping[str, Any], deadline: Deadline) -> None:
        """Keep a record; on disk when this returns.

        Raises:
            errors.IoFailure: writing failed (code 5).
        """
        name = _file_name(key)
        content = json.dumps({"format": _FORMAT, "bootId": boot_id(), "data": dict(data)}).encode()
        with self._changing(deadline, f"writing {key}"), self._opened(create=True) as fd:
            _atomic.replace(fd, name, content + b"\n", scratch=_scratch(name))

    def get(self, key: str) -> Record | None:
        """The record of a key; None when there is none that can be read."""
        name = _file_name(key)
        try:
            with self._opened() as fd:
                return self._read(fd, name)
        except FileNotFoundError:
            return None

    def remove(self, key: str, deadline: Deadline) -> bool:
        """Remove a record; whether it was there."""
        name = _file_name(key)
        if not os.path.isdir(self.directory):
            return False
        with self._changing(deadline, f"removing {key}"), self._opened(create=True) as fd:
            _atomic.remove(fd, _scratch(name))
            removed = _atomic.remove(fd, name)
            if removed:
                os.fsync(fd)
            return removed

    def keys(self) -> list[str]:
        """The keys of all records, sorted."""
        try:
            with self._opened() as fd:
                names = os.listdir(fd)
        except FileNotFoundError:
            return []
        stems = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
        return sorted(stem for stem in stems if _KEY.fullmatch(stem))

    def items(self) -> list[tuple[str, Record]]:
        """All records that can be read, sorted by key."""
        found = [(key, self.get(key)) for key in self.keys()]
        return [(key, record) for key, record in found if record is not None]

    def retain(self, keys: Collection[str], deadline: Deadline, *, prefix: str = "") -> list[str]:
        """Remove all records but these: what GC does.

        Args:
            keys: What is kept.
            deadline: Bounds the wait for the lock.
            prefix: Leave keys alone that do not start with it, for example those of other networks:
                ``attachment.network_hash``.

        Returns:
            The keys removed.
        """
        kept = set(keys)
        gone = [key for key in self.keys() if key not in kept and key.startswith(prefix)]
        return [key for key in gone if self.remove(key, deadline)]

    # ---- inside ---------------------------------------------------------------------------------

    @contextmanager
    def _opened(self, *, create: bool = False) -> Generator[int]:
        try:
            fd = _atomic.open_directory(self.directory, create_mode=0o700 if create else None)
        except FileNotFoundError:
            raise
        except OSError:
            with _atomic.naming(f"cannot open {self.directory}"):
                raise
        try:
            with _atomic.naming(f"cannot use {self.directory}"):
                yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _changing(self, deadline: Deadline, purpose: str) -> Generator[None]:
        if self._is_locked:
            yield
        else:
            with self.locked(deadline, purpose):
                yield

    def _read(self, fd: int, name: str) -> Record | None:
        try:
            content = _atomic.read(fd, name)
            if content is None:
                return None
            document = json.loads(content)
            data, boot = document["data"], document["bootId"]
            if document["format"] == _FORMAT and isinstance(data, dict) and isinstance(boot, str):
                return Record(cast("dict[str, Any]", data), boot)
            reason = f"unknown format {document['format']}"
        except (ValueError, LookupError, TypeError, RecursionError) as failure:
            reason = str(failure)
        except OSError as failure:
            if failure.errno not in {errno.ELOOP, errno.EISDIR}:
                raise
            reason = failure.strerror or str(failure)
        self._quarantine(fd, name, reason)
        return None

    def _quarantine(self, fd: int, name: str, reason: str) -> None:
        moved = f"{DAMAGED}/{name}.{time.time_ns()}"
        with suppress(OSError):  # as little as an unreadable record may this stop anything
            with suppress(FileExistsError):
                os.mkdir(DAMAGED, 0o700, dir_fd=fd)
            os.rename(name, moved, src_dir_fd=fd, dst_dir_fd=fd)
            self._drop_oldest(fd)
        if self._log is not None:
            path = os.path.join(self.directory, name)
            self._log.warning("damaged record", path=path, reason=reason, moved=moved)

    def _drop_oldest(self, fd: int) -> None:
        damaged = os.open(DAMAGED, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        try:
            by_age = sorted(os.listdir(damaged), key=lambda name: name.rpartition(".")[2])
            for name in by_age[:-_KEPT_DAMAGED]:
                os.unlink(name, dir_fd=damaged)
        finally:
            os.close(damaged)


def _file_name(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise errors.InternalError(
            f'"{key}" cannot be the key of a record',
            details="at most 200 letters, digits, '_', '.' and '-', the first a letter or digit; "
            "cnisdk.Attachment.key is one",
        )
    return key + _SUFFIX


def _scratch(name: str) -> str:
    return f".{name}.new"
