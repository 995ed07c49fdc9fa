"""Files that are either there in full or not at all, whatever crashes: the only place that writes.

Every function works below an open directory (``dir_fd``) and never follows a symbolic link, so that
nobody who can write to a parent directory can point a plugin running as root at another file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

from cnisdk import _directories, errors


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# Not every filesystem has unnamed files (NFS, 9p, old overlayfs), and /proc may be missing.
_NO_UNNAMED_FILES = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})


@contextmanager
def naming(what: str) -> Generator[None]:
    """Turn an `OSError` into `errors.IoFailure` (code 5) whose message starts with ``what``.

    A shortage becomes `errors.TryAgainLater` (code 11).
    """
    try:
        yield
    except OSError as failure:
        hint = {
            errno.ELOOP: "a symbolic link is not followed here",
            errno.ENOTDIR: "a file or a symbolic link, which is not followed here, is in the place "
            "of a directory",
            errno.ENOSPC: "the filesystem is full, or out of inodes",
            errno.EROFS: "the filesystem is mounted read-only",
        }.get(failure.errno or 0, "")
        reason = failure.strerror or str(failure)
        kind = errors.TryAgainLater if errors.is_shortage(failure) else errors.IoFailure
        raise kind(f"{what}: {reason}", details=hint) from failure


def open_directory(path: str, *, create_mode: int | None = None) -> int:
    """Open a directory; its last component must not be a symbolic link.

    Args:
        path: The directory.
        create_mode: Create the directory with this mode when it is missing, its parents with 0755.

    Raises:
        OSError: as open(2).
    """
    try:
        return os.open(path, _DIRECTORY)
    except FileNotFoundError:
        if create_mode is None:
            raise
    parent = os.path.dirname(os.path.abspath(path))
    _directories.make(parent, 0o755)
    with suppress(FileExistsError):
        os.mkdir(path, create_mode)
        parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent_fd)
        finally:
            os.close(parent_fd)
    return os.open(path, _DIRECTORY)


def check_usable(path: str, *, follow: bool) -> None:
    """Make sure that files could be written in a directory, which may be missing, without changing anything.

    Args:
        path: The directory.
        follow: Whether it may be a symbolic link; those above it are the operator's business.

    Raises:
        errors.IoFailure: it is not writable, or the filesystem is full (code 5).
    """
    directory = path
    while not os.path.lexists(directory):
        directory = os.path.dirname(os.path.abspath(directory))
    with naming(f"cannot use {directory}"):
        unfollowed = os.O_NOFOLLOW if directory == path and not follow else 0
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | unfollowed)
        try:
            filesystem = os.fstatvfs(fd)
        finally:
            os.close(fd)
        if filesystem.f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if not os.access(directory, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        # Some filesystems do not count inodes and report zero of zero.
        if filesystem.f_bavail == 0 or (filesystem.f_files and filesystem.f_favail == 0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(dir_fd: int, name: str, limit: int = 1 << 20) -> bytes | None:
    """The content of a file, None when there is no such file.

    Raises:
        OSError: as open(2); ELOOP for a symbolic link, EISDIR for a directory.
    """
    try:
        fd = os.open(name, _READ, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    try:
        # One read is enough for a regular file of this size; a FIFO gives nothing and is "empty".
        return os.read(fd, limit)
    finally:
        os.close(fd)


def write_all(fd: int, content: bytes) -> None:
    """Write everything, however many calls that takes."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def create(dir_fd: int, name: str, content: bytes, *, scratch_fd: int, mode: int = 0o600) -> None:
    """Make a file that appears under its name complete and on disk; the directory is not synced.

    Args:
        dir_fd: Directory the file belongs in.
        name: Its name.
        content: Its content.
        scratch_fd: Directory of the same filesystem for a temporary file, where unnamed files are
            not to be had. The caller holds a lock, so that one fixed name there is enough.
        mode: Permission bits.

    Raises:
        FileExistsError: the name is taken; nothing was changed.
        OSError: as open(2), write(2), link(2).
    """
    try:
        _create_unnamed(dir_fd, name, content, mode)
    except FileExistsError:
        raise
    except OSError as failure:
        if failure.errno not in _NO_UNNAMED_FILES:
            raise
        _create_by_scratch(dir_fd, name, content, mode, scratch_fd)


SCRATCH = ".scratch"
"""Name of the temporary file in a scratch directory; what a crash leaves there is overwritten."""


def _create_unnamed(dir_fd: int, name: str, content: bytes, mode: int) -> None:
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    try:
        write_all(fd, content)
        os.fsync(fd)
        # linkat(2), "AT_SYMLINK_FOLLOW": the documented way to name an O_TMPFILE without privilege.
        os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=dir_fd, follow_symlinks=True)
    finally:
        os.close(fd)


def _create_by_scratch(dir_fd: int, name: str, content: bytes, mode: int, scratch_fd: int) -> None:
    _write_scratch(scratch_fd, SCRATCH, content, mode, sync=True)
    try:
        os.link(SCRATCH, name, src_dir_fd=scratch_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    finally:
        remove(scratch_fd, SCRATCH)


def replace(
    dir_fd: int,
    name: str,
    content: bytes,
    *,
    scratch_fd: int | None = None,
    scratch: str = SCRATCH,
    mode: int = 0o600,
    sync: bool = True,
) -> None:
    """Write a file by rename: readers see the old content or the new, never a part.

    Args:
        dir_fd: Directory the file belongs in.
        name: Its name.
        content: Its content.
        scratch_fd: Directory of the same filesystem for the temporary file; ``dir_fd`` by default.
        scratch: Name of the temporary file; the caller's lock makes one fixed name enough.
        mode: Permission bits.
        sync: Sync file and directory; False for a mere hint.
    """
    source = dir_fd if scratch_fd is None else scratch_fd
    _write_scratch(source, scratch, content, mode, sync=sync)
    try:
        os.rename(scratch, name, src_dir_fd=source, dst_dir_fd=dir_fd)
    except OSError:
        remove(source, scratch)
        raise
    if sync:
        os.fsync(dir_fd)


def _write_scratch(dir_fd: int, name: str, content: bytes, mode: int, *, sync: bool) -> None:
    # A leftover may be linked to a reservation already, so it is removed, never truncated.
    remove(dir_fd, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, mode, dir_fd=dir_fd)
    try:
        write_all(fd, content)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def remove(dir_fd: int, name: str) -> bool:
    """Remove a file; whether it was there. The directory is not synced."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return False
    return True
