"""What tuning had found before it changed anything: one file for each attachment, in Go's form.

The Go plugin reads and writes the same files, so either restores what the other has changed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any, cast

import cnisdk
from cnisdk import errors


_OWN = {"sysctl", "network", "index"}
"""Keys that Go's files do not have."""


def first(
    directory: str, attachment: cnisdk.Attachment, index: int, found: dict[str, Any]
) -> dict[str, Any]:
    """The originals: what an earlier ADD had found on the same interface, else what is there now.

    W-TU-2: in Go a second ADD takes the changed values for the originals.
    """
    earlier = load(directory, attachment)
    if earlier is None or earlier.get("index") != index:
        earlier = {}
    sysctl = {**found["sysctl"], **earlier.get("sysctl", {})}
    return {**found, **earlier, "sysctl": sysctl, "network": attachment.network, "index": index}


def load(directory: str, attachment: cnisdk.Attachment) -> dict[str, Any] | None:
    """What was saved; None when there is nothing that can be read."""
    for path in _paths(directory, attachment):
        found = _read(path)
        if found is not None:
            return found
    return None


def save(directory: str, attachment: cnisdk.Attachment, originals: dict[str, Any]) -> None:
    """Keep the originals, readable by the owner alone; there in full or not at all.

    Raises:
        errors.IoFailure: writing failed (code 5).
    """
    path = _path(directory, attachment, alone=not originals.keys() - _OWN)
    scratch = f"{path}.new"
    try:
        _make(directory, 0o700)
        with suppress(FileNotFoundError):
            os.unlink(scratch)  # what a killed call left
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(originals, file, indent=1)
            file.flush()
            os.fsync(fd)
        os.rename(scratch, path)
    except OSError as failure:
        raise errors.IoFailure(
            f"dataDir: cannot save the original settings in {path}: {failure.strerror}"
        ) from failure


def remove(directory: str, attachment: cnisdk.Attachment) -> None:
    """Forget the originals."""
    for path in [each + end for each in _paths(directory, attachment) for end in ("", ".new")]:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)


def retain(directory: str, network: str, valid: frozenset[cnisdk.Attachment]) -> None:
    """Forget the originals of a network's attachments that are not valid any more."""
    kept = {path for each in valid for path in _paths(directory, each)}
    try:
        paths = [os.path.join(directory, name) for name in os.listdir(directory)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        found = _read(path) if path.endswith(".json") and path not in kept else None
        if found is not None and found.get("network") == network:
            os.unlink(path)


def _make(directory: str, mode: int) -> None:
    if not os.path.isdir(directory):
        _make(os.path.dirname(directory) or ".", 0o755)
        with suppress(FileExistsError):
            os.mkdir(directory, mode)


def _paths(directory: str, attachment: cnisdk.Attachment) -> list[str]:
    return [_path(directory, attachment, alone=alone) for alone in (False, True)]


def _path(directory: str, attachment: cnisdk.Attachment, *, alone: bool) -> str:
    """The file; Go has none for sysctls alone, so that these do not get in the way of one of Go's."""
    end = ":sysctl.json" if alone else ".json"  # no interface is called "eth0:sysctl"
    return os.path.join(directory, f"{attachment.container_id}_{attachment.ifname}{end}")


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
