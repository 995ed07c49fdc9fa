"""What tuning had found before it changed anything: one file for each attachment, in Go's form.

The Go plugin reads and writes the same files, so either restores what the other has changed.
"""

from __future__ import annotations

import os
from typing import Any

import cnisdk


_OWN = {"sysctl", "network", "index", "shown"}
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


def load(
    directory: str, attachment: cnisdk.Attachment, *, renamed: bool = False
) -> dict[str, Any] | None:
    """What was saved for the attachment; None when there is nothing that can be read.

    Args:
        directory: Where the files are. Their names, Go's, do not tell networks apart.
        attachment: The attachment.
        renamed: The network may have had another name then.
    """
    found = (file.read() for file in _files(directory, attachment))
    return next(
        (each for each in found if each is not None and (renamed or _is_of(attachment, each))), None
    )


def save(directory: str, attachment: cnisdk.Attachment, originals: dict[str, Any]) -> None:
    """Keep the originals; those of sysctls alone where they are not in the way of one of Go's files."""
    file, of_sysctls = _files(directory, attachment)
    chosen = file if originals.keys() - _OWN else of_sysctls
    chosen.write(originals, what="dataDir: cannot save the original settings")


def remove(directory: str, attachment: cnisdk.Attachment, *, renamed: bool = False) -> None:
    """Forget the originals; see `load`."""
    for file in _files(directory, attachment):
        if renamed or _is_of(attachment, file.read() or {}):
            file.remove()


def retain(directory: str, network: str, valid: frozenset[cnisdk.Attachment]) -> None:
    """Forget the originals of a network's attachments that are not valid any more."""
    kept = {file for each in valid for file in _files(directory, each)}
    for file in cnisdk.JsonFile.within(directory):
        if file not in kept and (file.read() or {}).get("network") == network:
            file.remove()


def _is_of(attachment: cnisdk.Attachment, originals: dict[str, Any]) -> bool:
    """Whether it may be the attachment's: Go's do not name the network."""
    return bool(originals.get("network", attachment.network) == attachment.network)


def _files(directory: str, attachment: cnisdk.Attachment) -> list[cnisdk.JsonFile]:
    stem = os.path.join(directory, f"{attachment.container_id}_{attachment.ifname}")
    # No interface is called "eth0:sysctl".
    return [cnisdk.JsonFile(f"{stem}.json"), cnisdk.JsonFile(f"{stem}:sysctl.json")]
