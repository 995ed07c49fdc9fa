"""The time budget of one call, and the name of the step that is using it."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager

from cnisdk import errors


DEFAULT_SECONDS = 45.0
"""Below the 60 s after which runtimes kill a plugin (cri-o/cri-o#6984)."""


class Interrupted(BaseException):
    """The call has to end now, by a signal or by the clock.

    Not an `Exception`: an author's ``except Exception`` must not take it for an ordinary failure.

    Args:
        error: What the call ends with.
    """

    def __init__(self, error: errors.CniError) -> None:
        super().__init__(error.msg)
        self.error = error


class Deadline:
    """What is left of a call's time; `step` names what the call is waiting for.

    Args:
        seconds: The budget from now on; ``math.inf`` for none.
    """

    def __init__(self, seconds: float = DEFAULT_SECONDS) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._steps: list[str] = []

    @classmethod
    def never(cls) -> Deadline:
        """A deadline that does not come."""
        return cls(math.inf)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Name what happens inside; the name is in the error when time runs out there."""
        self._steps.append(name)
        yield
        # Left in place on an exception: the error that comes out names the step.
        self._steps.pop()

    @property
    def current_step(self) -> str:
        """The innermost step under way; "" when none was named."""
        return self._steps[-1] if self._steps else ""

    def check(self) -> None:
        """Raise `errors.TryAgainLater` (code 11) naming the step when no time is left."""
        if self.remaining() <= 0:
            raise self.expired()

    def expired(self, step: str = "") -> errors.TryAgainLater:
        """The error for a budget that is used up."""
        step = step or self.current_step
        where = f" while {step}" if step else ""
        return errors.TryAgainLater(
            f"gave up after {self.seconds:g} s{where}",
            details="set CNISDK_TIMEOUT (seconds) or the configuration's timeoutSeconds to change "
            "the time a call may take",
        )

    def grant(self, seconds: float) -> None:
        """See to it that at least this much time is left: undoing must not be cut short."""
        self._end = max(self._end, time.monotonic() + seconds)
