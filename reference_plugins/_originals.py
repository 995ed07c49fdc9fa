"""What tuning had found before it changed anything: one file for each attachment, in Go's form.

The Go plugin reads and writes the same files, so either restores what the other has changed.
"""

from __future__ import annotations

from typing import Any

import attrs

import cnisdk


_OWN = {"sysctl", "network", "index", "shown"}
"""Keys that Go's files do not have."""


@attrs.frozen
class Originals:
    """The settings an attachment's interface had before ADD."""

    directory: str
    """Where the files are. Their names, Go's, do not tell networks apart."""
    attachment: cnisdk.Attachment
    any_network: bool = False
    """Also what was saved under another name of the network."""

    @property
    def files(self) -> list[cnisdk.JsonFile]:
        """Go's file, and one for sysctls alone, for which Go has none."""
        stem = f"{self.directory}/{self.attachment.container_id}_{self.attachment.ifname}"
        # No interface is called "eth0:sysctl".
        return [cnisdk.JsonFile(f"{stem}.json"), cnisdk.JsonFile(f"{stem}:sysctl.json")]

    def load(self) -> dict[str, Any] | None:
        """What was saved; None when there is nothing that can be read."""
        found = (file.read() for file in self.files)
        return next((each for each in found if each is not None and self._is_of(each)), None)

    def merged(self, index: int, now: dict[str, Any]) -> dict[str, Any]:
        """What an earlier ADD had found on the same interface, and for the rest what is there now.

        W-TU-2: in Go a second ADD takes the changed values for the originals.
        """
        earlier = self.load() or {}
        if earlier.get("index") != index:
            earlier = {}
        sysctl = {**now["sysctl"], **earlier.get("sysctl", {})}
        own = {"sysctl": sysctl, "network": self.attachment.network, "index": index}
        return {**now, **earlier, **own}

    def save(self, originals: dict[str, Any]) -> None:
        """Keep the originals; those of sysctls alone where they are not in the way of one of Go's files."""
        file, of_sysctls = self.files
        chosen = file if originals.keys() - _OWN else of_sysctls
        chosen.write(originals, what="dataDir: cannot save the original settings")

    def remove(self) -> None:
        """Forget the originals."""
        for file in self.files:
            if self._is_of(file.read() or {}):
                file.remove()

    def _is_of(self, saved: dict[str, Any]) -> bool:
        """Whether it may be this attachment's: Go's files do not name the network."""
        network = self.attachment.network
        return self.any_network or bool(saved.get("network", network) == network)


def retain(directory: str, network: str, valid: frozenset[cnisdk.Attachment]) -> None:
    """Forget the originals of a network's attachments that are not valid any more."""
    kept = {file for each in valid for file in Originals(directory, each).files}
    for file in cnisdk.JsonFile.within(directory):
        if file not in kept and (file.read() or {}).get("network") == network:
            file.remove()
