"""The part of a fake kernel that limits rates."""

from __future__ import annotations

import errno
from typing import Any

import attrs

from cnisdk._net._qdisc import INGRESS, Qdisc, Redirect
from cnisdk.testing._fake_space import FakeSpace


class FakeShaping(FakeSpace):
    """Queueing disciplines and redirections of one fake namespace."""

    def qdisc(self, index: int, parent: int) -> Qdisc | None:
        """The queueing discipline at a link's root or ingress."""
        found = self.by_name[self.name(index)].qdiscs
        return next((each for each in found if each.parent == parent), None)

    def set_qdisc(self, index: int, qdisc: Qdisc) -> None:
        """Make or replace a queueing discipline."""
        name = self.name(index)
        self.machine.change(f"limit {name}")
        found = self.qdisc(index, qdisc.parent)
        if found is not None and qdisc.parent == INGRESS:
            raise FileExistsError(errno.EEXIST, "File exists")
        others = [each for each in self.by_name[name].qdiscs if each.parent != qdisc.parent]
        self._change(name, qdiscs=tuple(sorted([*others, qdisc], key=lambda each: -each.parent)))

    def remove_qdisc(self, index: int, qdisc: Qdisc) -> None:
        """Remove a queueing discipline, with its filters."""
        name = self.name(index)
        self.machine.change(f"do not limit {name}")
        found = self.by_name[name].qdiscs
        rest = tuple(each for each in found if each.parent != qdisc.parent)
        if rest == found:
            # The kernel's own answers at a root.
            raise OSError(errno.ENOENT if qdisc.parent == INGRESS else errno.EINVAL, "no qdisc")
        self._change(name, qdiscs=rest)
        if qdisc.parent == INGRESS:
            self._change(name, redirect=None)

    def redirects(self, index: int) -> list[Redirect]:
        """The filters that redirect what comes in."""
        target = self.by_name[self.name(index)].redirect
        if target is None:
            return []
        there = self.index(target) if target in self.by_name else None
        return [Redirect(target=there, everything=True)]

    def has_filters(self, index: int) -> bool:
        """Whether a link has any filter for what comes in."""
        return bool(self.redirects(index))

    def add_redirect(self, index: int, redirect: Redirect) -> None:
        """Send all that comes in by a link out by another one."""
        name = self.name(index)
        self.machine.change(f"redirect {name}")
        if self.qdisc(index, INGRESS) is None:
            raise OSError(errno.EINVAL, "Parent Qdisc doesn't exists")
        if self.redirects(index):
            raise FileExistsError(errno.EEXIST, "File exists")
        self._change(name, redirect=self.name(redirect.target or 0))

    def remove_redirects(self, index: int, priority: int) -> None:
        """Remove the filters for packets that come in."""
        name = self.name(index)
        self.machine.change(f"do not redirect {name}")
        if not self.redirects(index):
            missing = self.qdisc(index, INGRESS) is None
            raise OSError(errno.EINVAL if missing else errno.ENOENT, "no filter")
        self._change(name, redirect=None)

    def _change(self, name: str, **changes: Any) -> None:
        self.by_name[name] = attrs.evolve(self.by_name[name], **changes)
