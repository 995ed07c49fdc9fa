"""Files that were made or changed, wherever they lie, and namespaces kept by a path."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator


_SHOWN_BYTES = 100
_CACHES = ("/__pycache__", "/.cache")


def files(written: list[tuple[str, str]], ignored: set[str]) -> list[str]:
    """One line for each file, directory, link or socket in the directories writes go to.

    Args:
        written: Directories, and the paths under which the plugin sees them.
        ignored: Paths, as the plugin sees them, that are the harness's own.
    """
    lines: list[str] = []
    for real, seen_as in written:
        # The upper directory of an overlay holds a copy of each directory on the way to a change.
        in_overlay = real != seen_as
        lines += list(_below(real, seen_as.rstrip("/"), ignored, with_directories=not in_overlay))
    return lines


def namespaces(ignored: set[str]) -> list[str]:
    """Paths that keep a namespace alive and are not the harness's own."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        mounts = [line.split() for line in file]
    return [words[4] for words in mounts if " nsfs " in " ".join(words) and words[4] not in ignored]


def _below(
    directory: str, seen_as: str, ignored: set[str], *, with_directories: bool
) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        device = os.stat(directory).st_dev
    except OSError:
        return
    for entry in entries:
        path = f"{seen_as}/{entry.name}"
        if path in ignored or path.endswith((".pyc", *_CACHES)):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            if status.st_dev != device:
                continue
            if with_directories:
                yield f"{path}/ {stat.filemode(status.st_mode)}"
            yield from _below(entry.path, path, ignored, with_directories=with_directories)
        else:
            yield f"{path} {_describe(entry.path, status)}"


def _describe(path: str, status: os.stat_result) -> str:
    mode = stat.filemode(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return f"{mode} -> {os.readlink(path)}"
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return "removed"  # a whiteout of the overlay
    if not stat.S_ISREG(status.st_mode):
        return mode
    try:
        with open(path, "rb") as file:
            content = file.read(10_000_000)
    except OSError:
        return f"{mode} {status.st_size} bytes"
    if len(content) <= _SHOWN_BYTES:
        return f"{mode} {content.decode('utf-8', 'backslashreplace')!r}"
    return f"{mode} {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}"
