"""Finding and running the administration programs nothing else can stand in for: nft and iptables."""

from __future__ import annotations

import os
from collections.abc import Sequence

import attrs

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net._child import die_with
from cnisdk._net._setns import entered


_USUAL_PLACES = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_LONGEST_TIMEOUT = 1e6


@attrs.frozen
class Finished:
    """A program that has ended."""

    returncode: int
    stdout: str
    stderr: str


def find_program(name: str) -> str:
    """The path of an executable; "" when there is none.

    A runtime's PATH is often too short for administration programs, so the usual places are
    searched after it.
    """
    for folder in f"{os.environ.get('PATH', '')}:{_USUAL_PLACES}".split(":"):
        path = os.path.join(folder or ".", name)
        if folder and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return ""


def run_program(
    arguments: Sequence[str],
    stdin: str,
    *,
    netns_fd: int | None,
    deadline: Deadline | None,
) -> Finished:
    """Run a program inside a network namespace.

    Raises:
        errors.TryAgainLater: the call's time was used up; the program was killed.
        errors.CniError: the program cannot be started.
    """
    import subprocess  # noqa: PLC0415  # 9 ms, where iptables is asked for or libnftables is missing

    deadline = deadline or Deadline()
    program = arguments[0]
    timeout = min(deadline.remaining(), _LONGEST_TIMEOUT)
    parent = os.getpid()
    try:
        # The child is born in the namespace this thread is in.
        with entered(netns_fd):
            process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": _USUAL_PLACES, "LC_ALL": "C"},
                text=True,
                # iptables waits for its lock: what comes after a kill and the DEL after that would stay.
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509  # one thread
            )
    except OSError as failure:
        raise errors.CniError(f"could not run {program}: {failure.strerror}") from failure
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as failure:
            process.kill()
            raise deadline.expired(f"waiting for {os.path.basename(program)}") from failure
        except BaseException:
            process.kill()
            raise
    return Finished(process.returncode, stdout, stderr)
