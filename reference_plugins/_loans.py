"""What host-device has lent to containers: a file for each, and how to get it back.

The alias of a lent interface is the name it had, as with the Go plugin. The file holds what the alias
cannot: whose it is, where it went, and what it was like.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import cnisdk
from cnisdk import errors


_NAME_BYTES = 15


def keep(op: cnisdk.Add[Any], lent: cnisdk.LinkSettings, selector: str) -> None:
    """Note down what is about to be lent; undone when ADD fails."""
    store = _store(op)
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
        op.log.warning("only the name of the device will come back", reason=str(failure))


def of(op: cnisdk.Check[Any]) -> cnisdk.LinkSettings | None:
    """What this attachment has been lent, as far as is noted."""
    record = _store(op).get(op.attachment.key)
    return None if record is None else _settings(record.data)


def is_lent(op: cnisdk.Status[Any], selector: str) -> bool:
    """Whether a device that was chosen in the same way is in a container."""
    return any(each.data.get("selector") == selector for _, each in _store(op).items())


def end(op: cnisdk.Del[Any]) -> None:
    """Bring back what this attachment has been lent."""
    store, key, record = _store(op), op.attachment.key, None
    try:
        key, record = _noted(store, op.attachment)
    except errors.IoFailure as failure:
        op.log.warning("only the name of the device will come back", reason=str(failure))
    if record is not None:
        _bring_back(op, record.data, op.netns)
        store.remove(key, op.deadline)
    elif op.netns is not None:
        lent = _by_alias(op.netns, op.ifname)
        if lent is not None and not _is_noted(store, op.netns, lent):
            op.host.take_back(lent, out_of=op.netns)


def _noted(store: cnisdk.Store, attachment: cnisdk.Attachment) -> tuple[str, cnisdk.Record | None]:
    """What was noted of the attachment, also where its network had another name then."""
    record = store.get(attachment.key)
    if record is None:
        wanted = (attachment.container_id, attachment.ifname)
        for key, other in store.items():
            if (other.data.get("container"), other.data.get("ifname")) == wanted:
                return key, other
    return attachment.key, record


def retain(op: cnisdk.Gc[Any]) -> None:
    """Bring back what this network's attachments have been lent, but for the valid ones."""
    network = cnisdk.Attachment(op.network.name, "", "").network_hash
    valid, failures = {each.key for each in op.valid_attachments}, list[errors.CniError]()
    store = _store(op)
    for key, record in store.items():
        if not key.startswith(network) or key in valid:
            continue
        try:
            _bring_back(op, record.data, None)
            store.remove(key, op.deadline)
        except errors.CniError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def _bring_back(
    op: cnisdk.Del[Any] | cnisdk.Gc[Any], noted: Mapping[str, Any], netns: cnisdk.Namespace | None
) -> None:
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


def _by_alias(netns: cnisdk.Namespace, ifname: str) -> cnisdk.LinkSettings | None:
    """What Go has lent, or a plugin that could not note it down."""
    link = netns.link(ifname)
    if link is None or not link.alias or len(link.alias.encode()) > _NAME_BYTES:
        return None
    return cnisdk.LinkSettings(name=link.alias, mac=link.mac, mtu=link.mtu)


def _is_noted(store: cnisdk.Store, netns: cnisdk.Namespace, lent: cnisdk.LinkSettings) -> bool:
    """Whether it is another attachment's: a late DEL may name a container that has been replaced."""
    here = [each.data for _, each in store.items() if not each.is_from_earlier_boot]
    noted = [_settings(each) for each in here if each.get("identity") == netns.identity]
    return any(each is not None and each.name == lent.name for each in noted)


def _settings(noted: Mapping[str, Any]) -> cnisdk.LinkSettings | None:
    try:
        return cnisdk.LinkSettings.of_document(noted["link"])
    except (KeyError, ValueError):  # of another release
        return None


def _store(
    op: cnisdk.Add[Any] | cnisdk.Del[Any] | cnisdk.Check[Any] | cnisdk.Gc[Any] | cnisdk.Status[Any],
) -> cnisdk.Store:
    return cnisdk.Store(os.path.join(op.run_dir, "host-device"), log=op.log)
