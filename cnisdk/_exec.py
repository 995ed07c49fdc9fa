"""Running another plugin as a process, and reading its answer.

Written on os.posix_spawn: importing subprocess costs a third of a host-local call.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import attrs

from cnisdk import errors
from cnisdk._deadline import Deadline


_LARGEST_ANSWER = 16 << 20
_STDERR_TAIL = 2000
_BUSY_TRIES = 6
_BUSY_PAUSE = 0.1


@attrs.frozen
class Completed:
    """What a plugin left behind."""

    stdout: bytes
    returncode: int
    """Exit status; negative for the signal that ended it."""
    stderr_tail: bytes = b""
    """The last of what it printed to stderr."""


def find(plugin_type: str, cni_path: str) -> str:
    """The executable of a plugin: the first one of that name in CNI_PATH that can be executed.

    Args:
        plugin_type: The plugin's file name.
        cni_path: Directories separated by colons.

    Raises:
        errors.InvalidConfig: the name is empty or holds a path separator (code 7).
        errors.InvalidEnvironment: CNI_PATH is empty (code 4).
        errors.CniError: no such executable.
    """
    if not plugin_type:
        raise errors.InvalidConfig("no plugin name provided", details="the key type is empty")
    if os.sep in plugin_type or plugin_type in {".", ".."} or "\0" in plugin_type:
        raise errors.InvalidConfig(f'invalid plugin name: "{plugin_type}"')
    directories = [each for each in cni_path.split(os.pathsep) if each]
    if not directories:
        raise errors.InvalidEnvironment(
            "required env variables [CNI_PATH] missing",
            details=f'no directory to search for the plugin "{plugin_type}"',
        )
    not_executable = ""
    for directory in directories:
        path = os.path.join(directory, plugin_type)
        if not os.path.isfile(path):
            continue
        if os.access(path, os.X_OK):
            return path
        not_executable = path
    hint = f"; {not_executable} is not executable" if not_executable else ""
    raise errors.CniError(
        f'failed to find plugin "{plugin_type}" in path [{" ".join(directories)}]{hint}',
        details="install it there, or add its directory to CNI_PATH",
    )


def run(
    executable: str,
    env: Mapping[str, str],
    stdin: bytes,
    stderr: BinaryIO,
    deadline: Deadline,
) -> Completed:
    """Run a plugin to its end, or kill it when time is up.

    Args:
        executable: Path of the plugin.
        env: Its whole environment.
        stdin: What it reads.
        stderr: What it prints to stderr is passed on here as it comes.
        deadline: Bounds the wait.

    Raises:
        errors.TryAgainLater: it did not end in time, or is being written to ("text file busy").
        errors.CniError: it cannot be executed, or prints without end.
    """
    child = _spawn(executable, env, deadline)
    try:
        return child.talk(stdin, stderr, deadline)
    finally:
        child.end()


def _spawn(executable: str, env: Mapping[str, str], deadline: Deadline) -> _Child:
    for _ in range(_BUSY_TRIES):
        try:
            return _Child(executable, env)
        except BlockingIOError:
            raise
        except OSError as failure:
            import errno

            if failure.errno != errno.ETXTBSY:
                raise errors.CniError(
                    f"cannot execute {executable}: {failure.strerror}",
                    details="it needs to be an executable for this machine with an existing "
                    "interpreter",
                ) from failure
        time.sleep(min(_BUSY_PAUSE, deadline.remaining()))
        deadline.check()
    raise errors.TryAgainLater(f"{executable} is being written to (text file busy)")


class _Child:
    """A plugin's process with pipes to its three streams."""

    def __init__(self, executable: str, env: Mapping[str, str]) -> None:
        self.name = os.path.basename(executable)
        self._fds: list[int] = []
        theirs: list[int] = []
        try:
            stdin, self.stdin = self._pipe(theirs, ours=1)
            self.stdout, stdout = self._pipe(theirs, ours=0)
            self.stderr, stderr = self._pipe(theirs, ours=0)
            self.pid = os.posix_spawn(
                executable,
                [executable],
                dict(env),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, stdin, 0),
                    (os.POSIX_SPAWN_DUP2, stdout, 1),
                    (os.POSIX_SPAWN_DUP2, stderr, 2),
                ],
                setpgroup=0,
                setsigdef=[signal.SIGPIPE],
                setsigmask=[],
            )
        except BaseException:
            self._close()
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.ended: int | None = None

    def _pipe(self, theirs: list[int], *, ours: int) -> tuple[int, int]:
        ends = os.pipe()
        self._fds.append(ends[ours])
        # Not 0 to 2, which DUP2 would leave close-on-exec.
        theirs.append(ends[1 - ours])
        return ends

    def talk(self, stdin: bytes, stderr: BinaryIO, deadline: Deadline) -> Completed:
        for fd in self._fds:
            os.set_blocking(fd, False)
        answer, tail = bytearray(), bytearray()
        rest = memoryview(stdin)
        poll = select.poll()
        poll.register(self.stdin, select.POLLOUT)
        poll.register(self.stdout, select.POLLIN)
        poll.register(self.stderr, select.POLLIN)
        open_ends = {self.stdout, self.stderr}
        while open_ends:
            for fd, _ in poll.poll(_milliseconds(deadline)):
                if fd == self.stdin:
                    rest = _feed(fd, rest)
                    if not rest:
                        poll.unregister(fd)
                        self._close(fd)
                    continue
                chunk = os.read(fd, 65536)
                if not chunk:
                    poll.unregister(fd)
                    open_ends.discard(fd)
                elif fd == self.stdout:
                    answer += chunk
                else:
                    stderr.write(chunk)
                    tail = (tail + chunk)[-_STDERR_TAIL:]
            if len(answer) > _LARGEST_ANSWER:
                raise errors.CniError(
                    f"plugin {self.name} printed more than {_LARGEST_ANSWER >> 20} MiB to stdout"
                )
            # A grandchild may hold the pipes open after the plugin itself has ended.
            if self._has_ended() and not poll.poll(0):
                break
            self._check(deadline)
        while not self._has_ended():
            self._check(deadline)
            time.sleep(0.001)
        return Completed(bytes(answer), cast("int", self.ended), bytes(tail))

    def _check(self, deadline: Deadline) -> None:
        if deadline.remaining() <= 0:
            raise deadline.expired(
                deadline.current_step or f"waiting for the plugin {self.name} (killed)"
            )

    def _has_ended(self) -> bool:
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is not None

    def end(self) -> None:
        """Close the pipes; kill what still runs, with everything it started."""
        self._close()
        if self.ended is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            _, status = os.waitpid(self.pid, 0)
            self.ended = os.waitstatus_to_exitcode(status)

    def _close(self, *fds: int) -> None:
        for fd in fds or tuple(self._fds):
            self._fds.remove(fd)
            os.close(fd)


def _feed(fd: int, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(fd, rest) :] if rest else rest
    except BrokenPipeError:
        return rest[:0]  # A plugin need not read its configuration.
    except BlockingIOError:
        return rest


def _milliseconds(deadline: Deadline) -> float:
    # Woken now and then to notice an end that closes no pipe.
    return min(deadline.remaining() * 1000, 50.0)


def interpret(
    completed: Completed, *, plugin_type: str, verb: str, version: str, wants_result: bool
) -> dict[str, Any]:
    """Read a plugin's answer.

    Args:
        completed: What it left behind.
        plugin_type: Its name, for messages.
        verb: What it was asked, for messages.
        version: cniVersion for a result that does not say its own.
        wants_result: Whether empty output is a fault.

    Returns:
        The JSON object on stdout; {} when the verb has no result.

    Raises:
        errors.DelegateError: the plugin's own error, or what is wrong with its answer.
    """
    document = _json_object(completed.stdout)
    if completed.returncode == 0:
        if document is None and (wants_result or completed.stdout.strip()):
            raise _malformed(completed, plugin_type, verb, "succeeded, but printed no JSON object")
        result = document or {}
        if result and not result.get("cniVersion"):
            result["cniVersion"] = version
        return result
    if document is not None and _is_error(document):
        raise errors.DelegateError(
            str(document["msg"]),
            code=cast("int", document["code"]),
            details=str(document.get("details") or ""),
            delegate=plugin_type,
        )
    if completed.returncode < 0:
        name = signal.Signals(-completed.returncode).name
        raise _malformed(completed, plugin_type, verb, f"was ended by {name}")
    if document is not None:
        raise _malformed(completed, plugin_type, verb, "failed, and its output is no error object")
    if completed.stdout.strip():
        raise _malformed(completed, plugin_type, verb, "failed, and its output is no JSON")
    raise _malformed(completed, plugin_type, verb, "failed with no error message")


def _malformed(
    completed: Completed, plugin_type: str, verb: str, what: str
) -> errors.DelegateError:
    parts = [f"exit status {completed.returncode}"] if completed.returncode > 0 else []
    if completed.stdout.strip():
        parts.append(f"stdout: {_excerpt(completed.stdout[:200])}")
    if completed.stderr_tail.strip():
        parts.append(f"stderr: {_excerpt(completed.stderr_tail)}")
    return errors.DelegateError(
        f"plugin {plugin_type} {verb} {what}",
        code=errors.InternalError.code,
        details="; ".join(parts),
        delegate=plugin_type,
    )


def _excerpt(raw: bytes) -> str:
    return " ".join(raw.decode(errors="replace").split())


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if document is None:
        return {}  # "null" counts as an empty object, as in the Go library.
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _is_error(document: Mapping[str, Any]) -> bool:
    code = document.get("code")
    return isinstance(code, int) and not isinstance(code, bool) and bool(document.get("msg"))
