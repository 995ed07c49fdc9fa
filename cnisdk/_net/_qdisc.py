"""Queueing disciplines and redirections, as far as limits are concerned."""

from __future__ import annotations

from typing import Final, NamedTuple


ROOT: Final = 0xFFFFFFFF
INGRESS: Final = 0xFFFFFFF1
FIRST: Final = 0x00010000
"""The handle 1:"""
ENTRY: Final = 0xFFFF0000
"""The handle ffff:"""


class Qdisc(NamedTuple):
    """A queueing discipline of a link, as far as limits are concerned."""

    kind: str
    """tbf, ingress and so on."""
    handle: int
    parent: int
    rate: int = 0
    """Of a tbf, in bytes per second."""
    limit: int = 0
    """Of a tbf: the bytes that may wait."""
    buffer: int = 0
    """Of a tbf: the size of its bucket, in ticks of the packet scheduler."""

    @property
    def name(self) -> str:
        """As tc shows it."""
        return f"{self.kind} {self.handle >> 16:x}:"


class Redirect(NamedTuple):
    """A filter that sends what comes in by a link out by another one."""

    target: int | None
    """Index of the other link; None when it has gone."""
    everything: bool
    """Whether all packets match."""
    priority: int = 1


ENTRY_QDISC: Final = Qdisc(kind="ingress", handle=ENTRY, parent=INGRESS)
