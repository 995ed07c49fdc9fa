"""The lock between processes: bounded waiting, a named holder."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnisdk import Deadline, errors
from cnisdk._store._lock import locked


HOLD = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""
HOLD_AS_WE_DO = """
import sys, time
from cnisdk import Deadline
from cnisdk._store._lock import locked
with locked(sys.argv[1], Deadline(5), "ADD c1/eth0 on net"):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(path: Path, program: str) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def foreign(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock as a Go plugin does."""
    with holding(path, HOLD) as holder:
        yield holder
        holder.kill()


def test_waiting_ends_with_the_deadline(path: Path, foreign: subprocess.Popen[str]) -> None:
    """plugins#561: code 11 that names the file and the holder, whatever program that is."""
    start = time.monotonic()
    with pytest.raises(errors.TryAgainLater) as refused, locked(str(path), Deadline(0.2)):
        pass

    assert 0.2 <= time.monotonic() - start < 2
    assert f"gave up after 0.2 s waiting for the lock {path}" == refused.value.msg
    assert f"pid {foreign.pid} ({sys.executable} -c" in refused.value.details


def test_a_holder_of_our_kind_says_what_for_and_since_when(path: Path) -> None:
    """The line it wrote into the lock file is shown."""
    with holding(path, HOLD_AS_WE_DO) as holder:
        with pytest.raises(errors.TryAgainLater) as refused, locked(str(path), Deadline(0.01)):
            pass
        holder.kill()

    assert f"pid {holder.pid} (" in refused.value.details
    assert "for ADD c1/eth0 on net since 20" in refused.value.details


def test_the_line_of_a_killed_holder_misleads_nobody(
    path: Path, foreign: subprocess.Popen[str]
) -> None:
    """Who holds the lock is the kernel's word, what for is the file's."""
    path.write_text('{"pid": 1, "for": "DEL", "since": "long ago", "command": "init"}')
    with pytest.raises(errors.TryAgainLater) as refused, locked(str(path), Deadline(0.01)):
        pass

    assert f"pid {foreign.pid}" in refused.value.details
    assert "long ago" not in refused.value.details


def test_the_lock_is_got_when_the_holder_dies(path: Path, foreign: subprocess.Popen[str]) -> None:
    """kill -9 of the holder frees the lock."""
    foreign.kill()
    with locked(str(path), Deadline(5), "test"):
        assert f'"pid": {os.getpid()}' in path.read_text()

    assert path.read_text() == ""


def test_a_lock_file_replaced_while_waiting_is_noticed(path: Path) -> None:
    """An operator's rm -rf must not make two processes hold "the" lock."""
    old = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(old, fcntl.LOCK_EX)
    path.unlink()
    with locked(str(path), Deadline(1)):
        other = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    os.close(old)


def test_a_lock_that_is_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """Nothing outside the state directory is opened for writing."""
    (tmp_path / "target").write_text("precious")
    path.symlink_to(tmp_path / "target")
    with pytest.raises(errors.IoFailure, match="cannot open"), locked(str(path), Deadline(1)):
        pass

    assert (tmp_path / "target").read_text() == "precious"
