"""Whose interface a chained plugin has changed, so that a stranger's late DEL leaves it alone.

What such a plugin changes is inside the container, where nothing can carry an owner's name. A runtime that
sends a DEL late may name a namespace, and an interface in it, that another container has by then
(kubernetes#100648). A file for each attachment says which interface was its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._store._records import Store


if TYPE_CHECKING:
    from cnisdk._net import Link, Namespace
    from cnisdk._operations import Add, Del, Gc


@attrs.frozen
class Claims:
    """The interfaces one plugin has changed, for the chained plugins whose DEL changes them back.

    Call `make` in ADD before the first change, `end` in DEL, `retain` in GC.
    """

    plugin: str
    """Its type; names the directory of the files."""

    def make(self, op: Add[Any]) -> None:
        """Note that the interface CNI_IFNAME is this attachment's; undone when ADD fails.

        Raises:
            errors.CniError: there is no such interface (code 999).
        """
        store, link = self._store(op), op.netns.expect_link(op.ifname)
        op.on_rollback(store.remove, op.attachment.key, op.deadline)
        try:
            store.put(op.attachment.key, _identity(op.netns, link), op.deadline)
        except errors.IoFailure as failure:  # a full or read-only /run
            op.log.warning("not marked as this attachment's", link=op.ifname, reason=str(failure))

    def end(self, op: Del[Any]) -> bool:
        """Forget about this attachment.

        Returns:
            Whether DEL may change the interface: false when it is another attachment's by now.
        """
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

    def retain(self, op: Gc[Any]) -> None:
        """Forget about all of this network but the valid attachments."""
        network = Attachment(op.network.name, "", "").network_hash
        valid = [each.key for each in op.valid_attachments]
        self._store(op).retain(valid, op.deadline, prefix=network)

    def _store(self, op: Add[Any] | Del[Any] | Gc[Any]) -> Store:
        return Store(os.path.join(op.run_dir, self.plugin), log=op.log)


def _identity(netns: Namespace, link: Link) -> dict[str, Any]:
    return {"netns": netns.identity, "link": link.index}
