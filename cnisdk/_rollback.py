"""Undo of what a failing ADD had done, newest first, without hiding the first error."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec


_P = ParamSpec("_P")


class Rollback:
    """A stack of undo steps."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, undo: Callable[_P, object], /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Queue ``undo(*args, **kwargs)``, to be called should the operation fail."""
        name = getattr(undo, "__qualname__", repr(undo))
        self._steps.append((name, lambda: undo(*args, **kwargs)))

    def run(self, error: BaseException) -> None:
        """Run all steps, newest first. A step that fails becomes a note on ``error``."""
        while self._steps:
            name, step = self._steps.pop()
            try:
                step()
            except BaseException as failure:  # noqa: BLE001  # the first error is the one to report, and the other steps are due
                error.add_note(f"undo step {name} failed: {str(failure) or type(failure).__name__}")

    def clear(self) -> None:
        """Forget all steps: the operation has succeeded."""
        self._steps.clear()

    def __len__(self) -> int:
        return len(self._steps)
