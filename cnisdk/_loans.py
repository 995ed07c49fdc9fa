"""What a plugin has lent to containers: a file for each device, and how to get it back.

The alias of a lent interface is the name it had, as with the Go plugin host-device. The file holds what the
alias cannot: whose it is, where it went, and what it was like.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._store._records import Record, Store


if TYPE_CHECKING:
    from cnisdk._net import Namespace
    from cnisdk._net._link_settings import LinkSettings
    from cnisdk._operations import Add, Check, Del, Gc, Operation, Status

_NAME_BYTES = 15


@attrs.frozen
class Loans:
    """The host's devices that one plugin has moved into containers.

    Call `keep` in ADD before `Namespace.lend`, `end` in DEL, `retain` in GC: the device comes back with
    its name, hardware address and MTU, also when its container has gone.
    """

    plugin: str
    """Its type; names the directory of the files."""

    def keep(self, op: Add[Any], lent: LinkSettings, selector: str = "") -> None:
        """Note down what is about to be lent; undone when ADD fails.

        Args:
            op: The call.
            lent: What the device is like on the host (`Namespace.settings`).
            selector: The value of the configuration that has chosen the device, for `is_lent`.
        """
        store = self._store(op)
        where = {
            "container": op.container_id,
            "ifname": op.ifname,
            "netns": op.netns.path,
            "identity": op.netns.identity,
            "selector": selector,
        }
        op.on_rollback(store.remove, op.attachment.key, op.deadline)
        try:
            store.put(op.attachment.key, {**where, "link": lent.document()}, op.deadline)
        except errors.IoFailure as failure:  # the alias is what Go makes do with
            if lent.addresses:
                raise
            op.log.warning("only the name of the device will come back", reason=str(failure))

    def of(self, op: Check[Any]) -> LinkSettings | None:
        """What this attachment has been lent, as far as is noted."""
        record = self._store(op).get(op.attachment.key)
        return None if record is None else _settings(record.data)

    def is_lent(self, op: Status[Any], selector: str) -> bool:
        """Whether a device that was chosen in the same way is in a container."""
        return any(each.data.get("selector") == selector for _, each in self._store(op).items())

    def end(self, op: Del[Any]) -> None:
        """Bring back what this attachment has been lent."""
        store, key, record = self._store(op), op.attachment.key, None
        try:
            # Without prevResult no ADD of this network has succeeded: it may be another one's device.
            key, record = _noted(store, op.attachment, renamed=op.prev_result is not None)
        except errors.IoFailure as failure:
            op.log.warning("only the name of the device will come back", reason=str(failure))
        if record is not None:
            _bring_back(op, record.data, op.netns)
            store.remove(key, op.deadline)
            return
        with suppress(errors.IoFailure):  # what a killed ADD has left
            store.remove(key, op.deadline)
        if op.netns is not None:
            lent = _by_alias(op.netns, op.ifname)
            if lent is not None and not _is_noted(store, op.netns, lent):
                op.host.take_back(lent, out_of=op.netns)

    def retain(self, op: Gc[Any]) -> None:
        """Bring back what this network's attachments have been lent, but for the valid ones.

        Raises:
            errors.CniError: the first failure, after all have been tried.
        """
        store, failures = self._store(op), list[errors.CniError]()
        for key, record in store.items():
            if not op.is_stale(key):
                continue
            try:
                _bring_back(op, record.data, None)
                store.remove(key, op.deadline)
            except errors.CniError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _store(self, op: Operation[Any]) -> Store:
        return Store(os.path.join(op.run_dir, self.plugin), log=op.log)


def _noted(store: Store, attachment: Attachment, *, renamed: bool) -> tuple[str, Record | None]:
    """What was noted of the attachment; with ``renamed`` also where its network had another name then."""
    record = store.get(attachment.key)
    if record is None and renamed:
        wanted = (attachment.container_id, attachment.ifname)
        for key, other in store.items():
            if (other.data.get("container"), other.data.get("ifname")) == wanted:
                return key, other
    return attachment.key, record


def _bring_back(op: Del[Any] | Gc[Any], noted: Mapping[str, Any], netns: Namespace | None) -> None:
    lent = _settings(noted)
    if lent is None:
        return
    if netns is None:
        netns = op.namespace(str(noted.get("netns", "")))
        if netns is not None and netns.identity != noted.get("identity"):
            netns = None  # another container has the path by now
    # The kernel moves a device to the host when its namespace goes, under the name it had there.
    if netns is None or not op.host.take_back(lent, out_of=netns):
        op.host.take_back(lent, out_of=None)


def _by_alias(netns: Namespace, ifname: str) -> LinkSettings | None:
    """What Go has lent, or a plugin that could not note it down."""
    from cnisdk._net._link_settings import LinkSettings

    link = netns.link(ifname)
    if link is None or not link.alias or len(link.alias.encode()) > _NAME_BYTES:
        return None
    return LinkSettings(name=link.alias, mac=link.mac, mtu=link.mtu)


def _is_noted(store: Store, netns: Namespace, lent: LinkSettings) -> bool:
    """Whether it is another attachment's: a late DEL may name a container that has been replaced."""
    here = [each.data for _, each in store.items() if not each.is_from_earlier_boot]
    noted = [_settings(each) for each in here if each.get("identity") == netns.identity]
    return any(each is not None and each.name == lent.name for each in noted)


def _settings(noted: Mapping[str, Any]) -> LinkSettings | None:
    from cnisdk._net._link_settings import LinkSettings

    try:
        return LinkSettings.of_document(noted["link"])
    except (KeyError, ValueError):  # of another release
        return None
