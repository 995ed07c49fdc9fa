"""Whose interface a chained plugin has changed, so that a stranger's late DEL leaves it alone.

What sbr and vrf change is inside the container, where nothing can carry an owner's name. A runtime that
sends a DEL late may name a namespace, and an interface in it, that another container has by then
(kubernetes#100648). A file for each attachment says which interface was its own.
"""

from __future__ import annotations

import os
from typing import Any

import attrs

import cnisdk
from cnisdk import errors


@attrs.frozen
class Claims:
    """The interfaces one plugin has changed."""

    plugin: str
    """Its type; names the directory of the files."""

    def make(self, op: cnisdk.Add[Any]) -> None:
        """Note that the interface is this attachment's; undone when ADD fails."""
        store, link = self._store(op), op.netns.expect_link(op.ifname)
        op.on_rollback(store.remove, op.attachment.key, op.deadline)
        try:
            store.put(op.attachment.key, _identity(op.netns, link), op.deadline)
        except errors.IoFailure as failure:  # a full or read-only /run
            op.log.warning("not marked as this attachment's", link=op.ifname, reason=str(failure))

    def end(self, op: cnisdk.Del[Any]) -> bool:
        """Forget about it; whether the interface, if it is there, is not another attachment's."""
        store, link = self._store(op), op.netns.link(op.ifname) if op.netns is not None else None
        try:
            if store.remove(op.attachment.key, op.deadline) or link is None or op.netns is None:
                return True
            identity, others = _identity(op.netns, link), store.items()
        except errors.IoFailure as failure:
            op.log.warning("whose interface it is cannot be read", reason=str(failure))
            return True
        return not any(
            each.data == identity and not each.is_from_earlier_boot for _, each in others
        )

    def retain(self, op: cnisdk.Gc[Any]) -> None:
        """Forget about all of this network but the valid attachments."""
        network = cnisdk.Attachment(op.network.name, "", "").network_hash
        valid = [each.key for each in op.valid_attachments]
        self._store(op).retain(valid, op.deadline, prefix=network)

    def _store(self, op: cnisdk.Add[Any] | cnisdk.Del[Any] | cnisdk.Gc[Any]) -> cnisdk.Store:
        return cnisdk.Store(os.path.join(op.run_dir, self.plugin), log=op.log)


def _identity(netns: cnisdk.Namespace, link: cnisdk.Link) -> dict[str, Any]:
    return {"netns": netns.identity, "link": link.index}
