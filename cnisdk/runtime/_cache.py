"""What was attached, on disk: libcni's format and file names, so that both find each other's.

A file is written whole or not at all (W-LIB-15), holds its own identity, which is checked because
the names are ambiguous (W-LIB-16), and says whether its ADD came to its end (W-LIB-13).
"""

from __future__ import annotations

import fcntl
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import attrs

from cnisdk import _directories, errors
from cnisdk._deadline import Deadline
from cnisdk._locks import locked
from cnisdk._names import Attachment
from cnisdk._store import _atomic as atomic
from cnisdk._store._boot import boot_id, is_earlier
from cnisdk.runtime._failures import DamagedEntry
from cnisdk.runtime._network import LoadWarning, folded
from cnisdk.runtime._request import Pairs


DEFAULT_CACHE_DIR: Final = "/var/lib/cni"
_KIND: Final = "cniCacheV1"
_OURS: Final = "cnisdk"
"""Key of what libcni's format has no place for; libcni passes over it."""
_RESULT_KEYS: Final = frozenset({"cniVersion", "interfaces", "ips", "ip4", "ip6"})
_LONGEST_NAME: Final = 255


@attrs.frozen(kw_only=True)
class CachedAttachment:
    """What is known of an attachment from its ADD."""

    attachment: Attachment
    """Network, container and interface."""
    netns: str = ""
    """Path of the network namespace."""
    args: Pairs = ()
    """CNI_ARGS."""
    capability_args: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    """Capability arguments."""
    config: bytes = attrs.field(default=b"", repr=False)
    """The network's configuration at the time of ADD."""
    result: Mapping[str, Any] | None = None
    """The result of ADD, or of the last plugin that succeeded when ADD did not come to its end."""
    complete: bool = True
    """Whether ADD came to its end."""
    boot: str = ""
    """The boot of the machine ADD was run in; "" when not known."""

    @property
    def lost_at_reboot(self) -> bool:
        """Whether the machine was booted since: the namespace and its links are gone."""
        return bool(self.boot) and is_earlier(self.boot)


class Cache:
    """The files of one cache directory.

    Args:
        directory: Files are in its subdirectory ``results``.
    """

    def __init__(self, directory: str = DEFAULT_CACHE_DIR) -> None:
        self.directory = directory
        self._results = os.path.join(directory, "results")

    # ---- one attachment -------------------------------------------------------------------------

    def read(self, attachment: Attachment) -> CachedAttachment | None:
        """What is known of an attachment; None when nothing is.

        Raises:
            DamagedEntry: its file cannot be understood (code 6).
            errors.IoFailure: its file cannot be read (code 5).
        """
        damage: DamagedEntry | None = None
        for path in self._paths(attachment):
            try:
                entry = _entry(path, attachment)
            except DamagedEntry as failure:
                damage = failure
                continue
            if entry is not None and entry.attachment == attachment:
                return entry
        if damage is not None:
            raise damage
        return None

    def write(self, entry: CachedAttachment) -> None:
        """Store an entry; it is on disk when this returns.

        Raises:
            errors.IoFailure: it cannot be written (code 5).
        """
        content = _encoded(attrs.evolve(entry, boot=boot_id()))
        with atomic.naming(f"cannot write to the cache {self._results}"), self._alone():
            name = os.path.basename(self._place(entry.attachment))
            fd = os.open(self._results, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            scratch = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                atomic.replace(fd, name, content, scratch_fd=scratch, scratch=".cnisdk-new")
            finally:
                os.close(scratch)
                os.close(fd)

    def remove(self, attachment: Attachment) -> None:
        """Forget an attachment; a damaged file under its name goes too.

        Raises:
            errors.IoFailure: the file cannot be removed (code 5).
        """
        if not any(map(os.path.lexists, self._paths(attachment))):
            return
        with atomic.naming(f"cannot remove from the cache {self._results}"), self._alone():
            for path in self._paths(attachment):
                try:
                    entry = _entry(path, attachment)
                except DamagedEntry:
                    entry = None
                if entry is None or entry.attachment == attachment:
                    with suppress(FileNotFoundError):
                        os.unlink(path)

    # ---- many -----------------------------------------------------------------------------------

    def entries(self, network: str = "") -> tuple[list[CachedAttachment], list[LoadWarning]]:
        """The attachments of a network, or of all, and the files that cannot be understood.

        W-LIB-18: of other networks' files at most those whose name starts alike are read.

        Raises:
            errors.IoFailure: the directory cannot be listed (code 5).
        """
        try:
            names = os.listdir(self._results)
        except FileNotFoundError:
            return [], []
        except OSError as failure:
            raise errors.IoFailure(f"cannot list {self._results}: {failure.strerror}") from failure
        found: list[CachedAttachment] = []
        warnings: list[LoadWarning] = []
        for name in sorted(names):
            path = os.path.join(self._results, name)
            if not name.startswith(f"{network}-" if network else ""):
                continue
            try:
                entry = _entry(path, None)
            except errors.CniError as failure:
                warnings.append(LoadWarning(path, str(failure).removeprefix(f"{path}: ")))
                continue
            if entry is not None and network in {"", entry.attachment.network}:
                found.append(entry)
        return found, warnings

    # ---- names ----------------------------------------------------------------------------------

    def _paths(self, attachment: Attachment) -> list[str]:
        """Where an attachment's file may be: libcni's name, and ours where that one is taken."""
        plain = f"{attachment.network}-{attachment.container_id}-{attachment.ifname}"
        own = f"{plain[:200]}.{attachment.key}"
        names = [plain, own] if len(os.fsencode(plain)) <= _LONGEST_NAME else [own]
        return [os.path.join(self._results, name) for name in names]

    def _place(self, attachment: Attachment) -> str:
        *plain, own = self._paths(attachment)
        if not plain or os.path.lexists(own):
            return own
        try:
            taken = _entry(plain[0], attachment)
        except DamagedEntry:
            return plain[0]
        return plain[0] if taken is None or taken.attachment == attachment else own

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Names are chosen and given up by one process at a time."""
        _directories.make(self._results, 0o700)
        lock = os.path.join(lock_directory(self.directory), "cache")
        with locked(lock, fcntl.LOCK_EX, Deadline()):
            yield


def lock_directory(cache_dir: str) -> str:
    """The directory of lock files; made when missing."""
    directory = os.path.join(cache_dir, "locks")
    _directories.make(directory, 0o700)
    return directory


def _encoded(entry: CachedAttachment) -> bytes:
    document: dict[str, Any] = {
        "kind": _KIND,
        "containerId": entry.attachment.container_id,
        "config": b64encode(entry.config).decode(),
        "ifName": entry.attachment.ifname,
        "networkName": entry.attachment.network,
    }
    if entry.netns:
        document["netns"] = entry.netns
    if entry.args:
        document["cniArgs"] = [list(pair) for pair in entry.args]
    if entry.capability_args:
        document["capabilityArgs"] = dict(entry.capability_args)
    if entry.result is not None:
        document["result"] = entry.result
    document[_OURS] = {"complete": entry.complete, "boot": entry.boot}
    return json.dumps(document, allow_nan=False).encode()


def _entry(path: str, wanted: Attachment | None) -> CachedAttachment | None:
    """One file's content; None when there is no file.

    A bare result, as libcni wrote before its cache had identities, is taken for ``wanted``'s.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise errors.IoFailure(f"error reading {path}: {failure.strerror}") from failure
    try:
        document: Any = json.loads(content)
        if not isinstance(document, dict):
            raise DamagedEntry(f"{path}: damaged: not a JSON object")
        return _decoded(cast("dict[str, Any]", document), path, wanted)
    except (ValueError, TypeError, AttributeError, RecursionError) as failure:
        raise DamagedEntry(f"{path}: damaged: {failure}") from None


def _decoded(
    document: dict[str, Any], path: str, wanted: Attachment | None
) -> CachedAttachment | None:
    if document.get("kind") != _KIND:
        if wanted is None or not _RESULT_KEYS & document.keys():
            raise DamagedEntry(f"{path}: damaged: neither {_KIND} nor a result")
        return CachedAttachment(attachment=wanted, result=document)
    names = [document.get(key) for key in ("networkName", "containerId", "ifName")]
    if not all(isinstance(name, str) and name for name in names):
        raise DamagedEntry(f"{path}: damaged: networkName, containerId or ifName missing")
    ours = document.get(_OURS)
    own = cast("dict[str, Any]", ours) if isinstance(ours, dict) else {}
    result = document.get("result")
    attachment = Attachment(*cast("list[str]", names))
    return CachedAttachment(
        attachment=attachment,
        netns=str(document.get("netns") or _sandbox(result, attachment.ifname)),
        args=tuple((str(key), str(value)) for key, value in document.get("cniArgs") or ()),
        capability_args=dict(document.get("capabilityArgs") or {}),
        config=b64decode(document.get("config") or "", validate=True),
        result=cast("dict[str, Any]", result) if isinstance(result, dict) else None,
        complete=own.get("complete") is not False,
        boot=str(own.get("boot") or ""),
    )


def _sandbox(result: object, ifname: str) -> str:
    """The container's namespace out of a result: libcni before 1.2 did not store it by itself."""
    interfaces = (
        folded(cast("dict[str, Any]", result), "interfaces") if isinstance(result, dict) else ()
    )
    for interface in interfaces or ():
        if interface.get("name") == ifname and interface.get("sandbox"):
            return str(interface["sandbox"])
    return ""
