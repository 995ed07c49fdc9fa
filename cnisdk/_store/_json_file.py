"""A JSON object in a file whose name and form others know too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, cast

import attrs

from cnisdk import _directories, errors
from cnisdk._store import _atomic


_SUFFIX = ".json"


def _by_its_text(path: str) -> str:
    """Without "..", as the Go plugins read paths, whatever is a link or not there."""
    return os.path.normpath(path)


@attrs.frozen
class JsonFile:
    """A JSON object in a file that another implementation of the plugin reads and writes as well.

    For what only the plugin itself reads take `cnisdk.Store`, which has locks and knows about reboots.
    """

    path: str = attrs.field(converter=_by_its_text)
    """The file; below a directory of its own, of which GC can look through all files."""

    @staticmethod
    def within(directory: str) -> list[JsonFile]:
        """All files of a directory whose names end in ``.json``; none without the directory."""
        try:
            names = os.listdir(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [JsonFile(os.path.join(directory, n)) for n in sorted(names) if n.endswith(_SUFFIX)]

    def check_usable(self) -> None:
        """Make sure that the file could be written, without changing anything.

        Raises:
            errors.IoFailure: its directory is not writable, or the filesystem is full (code 5).
        """
        _atomic.check_usable(os.path.dirname(self.path), follow=True)

    def read(self) -> dict[str, Any] | None:
        """The object; None when there is no file, or none that can be read.

        Raises:
            errors.TryAgainLater: the machine was short of something (code 11).
        """
        try:
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
        except OSError as failure:
            if errors.is_shortage(failure):
                with _atomic.naming(f"cannot read {self.path}"):
                    raise
            return None
        except (ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", found) if isinstance(found, dict) else None

    def write(self, document: Mapping[str, Any], *, what: str) -> None:
        """Write the object, readable by the owner alone; it is there in full or not at all.

        The directory is made with mode 0700 where it is missing.

        Args:
            document: What JSON can hold.
            what: For the message, such as ``dataDir: cannot save the original settings``.

        Raises:
            errors.IoFailure: writing failed (code 5).
        """
        directory, name = os.path.split(self.path)
        content = json.dumps(dict(document), indent=1).encode()
        with _atomic.naming(f"{what} in {self.path}"):
            _directories.make(directory, 0o700)
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _atomic.replace(fd, name, content, scratch=f"{name}.new")
            finally:
                os.close(fd)

    def remove(self) -> None:
        """Remove the file, and what a killed call has left of it.

        Raises:
            errors.IoFailure: it is there and cannot be removed (code 5).
        """
        for path in (self.path, f"{self.path}.new"):
            with _atomic.naming(f"cannot remove {path}"):
                try:
                    os.unlink(path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
