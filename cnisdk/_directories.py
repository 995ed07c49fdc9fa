"""Directories for state, whatever umask the caller has left us."""

from __future__ import annotations

import os


def make(path: str, mode: int) -> None:
    """Make a directory, and its parents with 0755, unless they are there.

    `os.makedirs` gives its mode to the last one alone; the others would be writable by everybody
    under a runtime whose umask is 0.

    Args:
        path: The directory.
        mode: Its permissions.

    Raises:
        OSError: as mkdir(2); not for a directory that is there.
    """
    if os.path.isdir(path):
        return
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        make(parent, 0o755)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
