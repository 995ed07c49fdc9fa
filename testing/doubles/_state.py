"""Files of state and the lock, as far as the small plugins in this directory share them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator

from _cni import BAD_STATE, TRY_LATER, CniError, Json


_LOCK_SECONDS = 8.0


class Storage:
    """Directories and files that neither a crash nor a symbolic link can harm."""

    @contextlib.contextmanager
    def lock(self, path: str | int = "/run") -> Iterator[None]:
        """Keep other calls out; /run itself is locked unless there is something better."""
        fd = path if isinstance(path, int) else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.wait_for_lock(fd)
            yield
        finally:
            os.close(fd)

    def wait_for_lock(self, fd: int) -> None:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise CniError(TRY_LATER, "another call holds the lock") from None
                time.sleep(0.02)
            else:
                return

    def open_directory(self, path: str, *, make: bool = True) -> int:
        """A directory of state, which must not be a symbolic link.

        Raises:
            FileNotFoundError: There is none, and none is wanted.
        """
        if make:
            self.make_directories(path)
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as failure:
            if failure.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise CniError(
                    BAD_STATE, f"the state directory {path} is not a directory"
                ) from None
            raise

    def make_directories(self, path: str) -> None:
        """os.makedirs leaves the mode of those on the way to the umask, which may be 0."""
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            self.make_directories(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, self.directory_mode)

    directory_mode = 0o755
    file_mode = 0o600

    def write_file(self, directory: int, name: str, content: Json) -> None:
        """Write a state file: it is there as a whole, or not at all."""
        temporary = f".{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, self.file_mode, dir_fd=directory)
        try:
            os.write(fd, json.dumps(content).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)

    def read_file(self, directory: int, name: str) -> Json | None:
        """What a state file holds; None when it is broken or missing."""
        try:
            fd = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
            )
            with os.fdopen(fd, "rb") as file:
                content = json.loads(file.read(10_000))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def sweep(self, directory: int) -> None:
        """Remove what a killed call has left half-written; only with the lock held."""
        for name in os.listdir(directory):
            if name.startswith("."):
                os.unlink(name, dir_fd=directory)
