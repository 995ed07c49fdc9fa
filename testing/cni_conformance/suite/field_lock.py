"""What the field has learned about locks: they are waited for, with an end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import time
from collections.abc import Generator

from cni_conformance._case import case
from cni_conformance._leftovers import STATE_DIRECTORIES, file_path, warm_up
from cni_conformance._testbed import Testbed
from cni_conformance.state import State


_LOCK_SHORT = 2.0


# Runtimes kill a plugin after a minute (cri-o/cri-o#6984).
_LOCK_LONG = 55.0


@case("field/lock/1")
def locks_held_by_others(testbed: Testbed) -> None:
    """ADD waits for a lock that is held for a short time, and ends when it is held for ever."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    fresh = testbed.observe()
    warm_up(testbed)
    resident = testbed.attached("resident")
    paths = _possible_locks(fresh, testbed.observe())
    second = testbed.attachment("second")
    if testbed.call("ADD", second).ok:
        second.delete()
    else:  # some have one device for all
        resident.delete()
        paths = [each for each in paths if os.path.exists(each)]
    if not paths:
        testbed.not_applicable("ADD makes no file in /var/lib, /run and /etc/cni to lock")
    short = testbed.attachment("short")
    with _held(paths):
        _tell(testbed, paths, _LOCK_SHORT)
        running = testbed.start("ADD", short, limit=60)
        time.sleep(_LOCK_SHORT)
    testbed.note("note", "the locks are released")
    call = testbed.finished(running, short)
    testbed.expect(
        "field/lock/1",
        call.ok,
        expected=f"ADD waits for a lock that is held for {_LOCK_SHORT:.0f} s, and succeeds",
        actual=call,
    )
    if call.ok and call.seconds < _LOCK_SHORT:
        return  # it takes none of them
    for_ever = testbed.attachment("long")
    with _held(paths):
        _tell(testbed, paths, _LOCK_LONG + 5)
        call = testbed.call("ADD", for_ever, limit=_LOCK_LONG)
    testbed.expect(
        "field/lock/1",
        call.ended_by != "timeout",
        expected=f"ADD ends within {_LOCK_LONG:.0f} s when a lock is never released",
        actual=call,
    )
    testbed.expect(
        "field/lock/1",
        call.ok or call.ended_by or call.explains_itself,
        expected="ADD says in an error that it did not get the lock",
        actual=call,
    )


def _possible_locks(fresh: State, later: State) -> list[str]:
    """Files and directories of the plugin: some lock a file, some its directory."""
    lines = fresh.only("file").appeared(later.only("file"))
    paths = [file_path(line) for line in lines if line.split()[3][0] in "-d"]
    return [path for path in paths if path.startswith(STATE_DIRECTORIES)]


def _tell(testbed: Testbed, paths: list[str], seconds: float) -> None:
    """Write down what holds the locks, as a command for the reproducer."""
    title = f"from here on another process holds the locks of {', '.join(paths)}"
    holders = "".join(f"flock {shlex.quote(each)} sleep {seconds:.0f} & " for each in paths)
    testbed.note("setup", title, ["sh", "-c", f"{{ {holders}}} >/dev/null 2>&1; sleep 0.1"])


@contextlib.contextmanager
def _held(paths: list[str]) -> Generator[None]:
    descriptors: list[int] = []
    try:
        for path in paths:
            directory = path.endswith("/")
            descriptor = os.open(path, (os.O_RDONLY if directory else os.O_RDWR) | os.O_CLOEXEC)
            descriptors.append(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not directory:
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
