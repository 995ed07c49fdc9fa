"""What a rate limit is, in the configuration's terms and in the kernel's."""

from __future__ import annotations

from typing import Final

import attrs

from cnisdk import errors


ROOT: Final = 0xFFFFFFFF
INGRESS: Final = 0xFFFFFFF1
FIRST: Final = 0x00010000
"""The handle 1:"""
ENTRY: Final = 0xFFFF0000
"""The handle ffff:"""
_TICKS_PER_MICROSECOND = 15.625
"""A tick of the packet scheduler is 64 ns on every kernel since 2.6.31 (/proc/net/psched)."""
_LATENCY_SECONDS = 0.025
_LARGEST = 2**32 - 1


@attrs.frozen(kw_only=True)
class Qdisc:
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


@attrs.frozen(kw_only=True)
class Redirect:
    """A filter that sends what comes in by a link out by another one."""

    target: int | None
    """Index of the other link; None when it has gone."""
    everything: bool
    """Whether all packets match."""
    priority: int = 1


@attrs.frozen
class RateLimit:
    """A token bucket: so many bits a second, after a burst."""

    rate: int
    """Bits per second, at least 8."""
    burst: int
    """Bits that may pass at once."""

    @property
    def burst_bytes(self) -> int:
        """The burst in bytes; no larger packet passes."""
        return self.burst // 8

    @property
    def qdisc(self) -> Qdisc:
        """The limit as the kernel keeps it, with the numbers of the Go plugin.

        A burst of more than 275 seconds at the rate does not fit into the kernel's 32 bits: it is that
        of 275 seconds then. The Go plugin keeps the lower 32 bits, and may so let nothing through.

        Raises:
            errors.InvalidConfig: the rate is below a byte per second (code 7).
        """
        rate = self.rate // 8
        if not rate:
            raise errors.InvalidConfig(
                f"a rate of {self.rate} bit/s is below the smallest, 8 bit/s",
                details="rates are given in bits per second",
            )
        microseconds = int(self.burst_bytes * 1_000_000 / rate)
        return Qdisc(
            kind="tbf",
            handle=FIRST,
            parent=ROOT,
            rate=rate,
            limit=min(int(rate * _LATENCY_SECONDS) + self.burst_bytes, _LARGEST),
            buffer=min(int(microseconds * _TICKS_PER_MICROSECOND), _LARGEST),
        )


ENTRY_QDISC: Final = Qdisc(kind="ingress", handle=ENTRY, parent=INGRESS)
