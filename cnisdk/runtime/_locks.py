"""Which operations exclude each other (SPEC section 3, "Lifecycle & Ordering").

One operation at a time per container; GC of a network alone, ADD and DEL on it side by side. Held
between processes and between threads alike, so a `Runtime` needs no locking of its own (W-LIB-19).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from cnisdk._deadline import Deadline
from cnisdk._locks import locked
from cnisdk._names import short_hash
from cnisdk.runtime._cache import lock_directory


class Locks:
    """The lock files of a cache directory.

    Args:
        cache_dir: They are in its subdirectory ``locks``.
        seconds: How long to wait for a lock.
        warn: Told when there can be no lock files: what must be removed is removed none the less.
    """

    def __init__(self, cache_dir: str, seconds: float, warn: Callable[[str], None]) -> None:
        self._cache_dir = cache_dir
        self._seconds = seconds
        self._warn = warn

    @contextmanager
    def attachment(self, network: str, container_id: str) -> Generator[None]:
        """For ADD and DEL."""
        shared = [(f"network-{short_hash(network)}", fcntl.LOCK_SH)]
        with self._held(shared, gate=network), self.container(container_id):
            yield

    @contextmanager
    def container(self, container_id: str) -> Generator[None]:
        """For CHECK, and within GC."""
        with self._held([(f"container-{short_hash(container_id)}", fcntl.LOCK_EX)]):
            yield

    @contextmanager
    def network(self, network: str) -> Generator[None]:
        """For GC. The gate stays shut meanwhile, so that a stream of ADDs cannot keep GC waiting."""
        name = short_hash(network)
        with self._held([(f"gate-{name}", fcntl.LOCK_EX), (f"network-{name}", fcntl.LOCK_EX)]):
            yield

    @contextmanager
    def _held(self, wanted: list[tuple[str, int]], gate: str = "") -> Generator[None]:
        deadline = Deadline(self._seconds)
        with ExitStack() as stack:
            try:
                directory = lock_directory(self._cache_dir)
                with ExitStack() as passing:
                    if gate:
                        path = os.path.join(directory, f"gate-{short_hash(gate)}")
                        passing.enter_context(locked(path, fcntl.LOCK_EX, deadline))
                    for name, mode in wanted:
                        path = os.path.join(directory, name)
                        stack.enter_context(locked(path, mode, deadline))
            except OSError as failure:
                self._warn(f"operations are not serialised: {failure}")
            yield
