"""What a rate limit is, in the configuration's terms and in the kernel's."""

from __future__ import annotations

import attrs

from cnisdk import errors
from cnisdk._net._qdisc import FIRST, ROOT, Qdisc


_TICKS_PER_MICROSECOND = 15.625
"""A tick of the packet scheduler is 64 ns on every kernel since 2.6.31 (/proc/net/psched)."""
_LATENCY_SECONDS = 0.025
_LARGEST = 2**32 - 1


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
