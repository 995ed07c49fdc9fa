"""Report files appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat


def write(path: str, text: str) -> None:
    """Write a text file, by way of a new file beside it.

    Raises:
        OSError: It cannot be written; the error names it.
    """
    data = text.encode("utf-8")
    if _is_special(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "a report is a file, and this is a directory", path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, f"there is no directory {folder} for the file", path)
    new = f"{folder}/.{name}.{secrets.token_hex(4)}"
    try:
        with open(new, "xb") as file:
            file.write(data)
        os.replace(new, path)
    except OSError as failure:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise OSError(failure.errno, failure.strerror, path) from failure


def _is_special(path: str) -> bool:
    """Whether it is a pipe or device, such as /dev/stdout, which must not be replaced by a file."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
