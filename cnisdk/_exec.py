"""Running a plugin as a process: find it in CNI_PATH, feed it, collect its answer.

By hand over posix_spawn(3) and poll(2): this is on the path of every delegated call, and importing
subprocess alone takes as long as some plugins.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final, Self, cast

from cnisdk import errors
from cnisdk._answer import Completed, interpret, last_words


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

__all__ = ["Completed", "PluginNotFound", "find", "interpret", "run"]

LARGEST_OUTPUT: Final = 16 << 20
"""Bytes of stdout; more than that is no CNI result."""
_KEPT_STDERR: Final = 2048
_CHUNK: Final = 1 << 16
_BUSY_RETRIES: Final = 5
_BUSY_PAUSE: Final = 0.05
_LINGER: Final = 0.1
"""Seconds to wait for the end of the streams after the plugin's own end: a background process of
its may hold them open for ever, a pipe behind it needs a moment."""
_TERM_GRACE: Final = 1.0
"""Seconds between SIGTERM, which lets a plugin undo what it did, and SIGKILL."""
_KILL_GRACE: Final = 0.3
"""Seconds to wait for the end of its children: an init that reaps nothing would keep them for ever."""


class PluginNotFound(errors.InvalidConfig):
    """No directory of CNI_PATH has an executable of the plugin's name."""


# ---- finding ------------------------------------------------------------------------------------


def find(plugin_type: str, cni_path: str) -> str:
    """The first executable file of this name in the directories of ``cni_path``.

    Args:
        plugin_type: The ``type`` of a configuration, a bare file name.
        cni_path: Directories separated by colons.

    Raises:
        errors.InvalidConfig: the type is no file name (code 7).
        errors.InvalidEnvironment: ``cni_path`` names no directory (code 4).
        PluginNotFound: nothing suitable there (code 7).
    """
    if not plugin_type:
        raise errors.InvalidConfig(
            "no plugin name provided", details='a plugin configuration needs a "type"'
        )
    if "/" in plugin_type or "\0" in plugin_type or plugin_type in {".", ".."}:
        raise errors.InvalidConfig(
            f"invalid plugin name: {plugin_type!r}",
            details="a type is the file name of the plugin, without directory",
        )
    directories = [directory for directory in cni_path.split(":") if directory]
    if not directories:
        raise errors.InvalidEnvironment(
            f'no paths provided to find plugin "{plugin_type}": CNI_PATH is empty',
            details="CNI_PATH lists the directories with the plugins, for example /opt/cni/bin",
        )
    unusable: list[str] = []
    for directory in directories:
        candidate = os.path.join(directory, plugin_type)
        try:
            regular = stat.S_ISREG(os.stat(candidate).st_mode)
        except (OSError, ValueError):
            continue
        # W-LIB-8: what cannot be executed must not hide what can, further down the path.
        if regular and os.access(candidate, os.X_OK):
            return candidate
        unusable.append(candidate if regular else f"{candidate} (no regular file)")
    hint = "install it there, or correct the type or CNI_PATH"
    if unusable:
        hint = f"found, but not executable: {', '.join(unusable)}"
    raise PluginNotFound(
        f'failed to find plugin "{plugin_type}" in path [{" ".join(directories)}]', details=hint
    )


# ---- running ------------------------------------------------------------------------------------


def run(
    executable: str, env: Mapping[str, str], stdin: bytes, stderr: BinaryIO, deadline: Deadline
) -> Completed:
    """Run a plugin to its end.

    It runs in a process group of its own, which is ended when the deadline comes or an exception
    (a signal handler's, too) interrupts the wait: nothing is left running.

    Args:
        executable: Path of the plugin.
        env: Its environment.
        stdin: What it reads.
        stderr: Gets what the plugin writes there, as it comes.
        deadline: Bounds the run.

    Raises:
        errors.TryAgainLater: it had not ended by the deadline (code 11).
        errors.IoFailure: it cannot be started, or prints without end (code 5).
    """
    name = f"{os.path.basename(executable)} ({env.get('CNI_COMMAND', 'no CNI_COMMAND')})"
    if deadline.remaining() <= 0:
        raise deadline.expired(f"starting plugin {name}")
    child = _Child()
    with _Pipes() as pipes:
        try:
            child.start(executable, name, env, pipes, deadline)
            return _Conversation(child, pipes, stdin, stderr).hold(name, deadline)
        finally:
            child.end()


class _Pipes:
    """Three pipes, close-on-exec, our ends non-blocking."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def __enter__(self) -> Self:
        try:
            self.child_in, self.stdin = self._pipe()
            self.stdout, self.child_out = self._pipe()
            self.stderr, self.child_err = self._pipe()
        except OSError:
            self.__exit__()
            raise
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)
        return self

    def __exit__(self, *_: object) -> None:
        self.close(*self._open)

    def close(self, *fds: int) -> None:
        for fd in fds:
            self._open.discard(fd)
            os.close(fd)

    def _pipe(self) -> tuple[int, int]:
        # Number 0 to 2 where a runtime started us without; the order of DUP2 in `_Child` allows for it.
        ends = os.pipe()
        self._open.update(ends)
        return ends


@contextmanager
def _signals_held() -> Generator[set[int]]:
    """Hold back the signals whose handlers raise. Yields the mask the child is to start with."""
    held = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM}
    former = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield {int(each) for each in former}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


class _Child:
    """A process and its group."""

    def __init__(self) -> None:
        self.pid = 0
        self.pidfd = -1
        self.returncode: int | None = None

    def start(
        self, executable: str, name: str, env: Mapping[str, str], pipes: _Pipes, deadline: Deadline
    ) -> None:
        actions: list[tuple[int, ...]] = [
            (os.POSIX_SPAWN_DUP2, pipes.child_in, 0),
            (os.POSIX_SPAWN_DUP2, pipes.child_out, 1),
            (os.POSIX_SPAWN_DUP2, pipes.child_err, 2),
            *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()),
        ]
        pause = _BUSY_PAUSE
        for retries_left in range(_BUSY_RETRIES, -1, -1):
            try:
                self._spawn(executable, env, actions)
                break
            except ValueError as failure:
                raise errors.InvalidEnvironment(
                    f"plugin {name}: its environment cannot be passed on: {failure}"
                ) from failure
            except OSError as failure:
                # W-LIB-6: it is being replaced just now. Still so after the last try: an error.
                busy = failure.errno == errno.ETXTBSY and retries_left
                if not busy or deadline.remaining() <= pause:
                    raise errors.IoFailure(
                        f"cannot start plugin {name}: {executable}: {failure.strerror}",
                        details=_start_hint(failure.errno),
                    ) from failure
            time.sleep(pause)
            pause *= 2
        pipes.close(pipes.child_in, pipes.child_out, pipes.child_err)
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except OSError:
            self.pidfd = -1  # before Linux 5.3, or forbidden by a seccomp filter: polled for

    def _spawn(
        self, executable: str, env: Mapping[str, str], actions: list[tuple[int, ...]]
    ) -> None:
        # No signal handler may raise between the start and the child being known.
        with _signals_held() as mask:
            self.pid = os.posix_spawn(
                executable,
                [executable],
                dict(env),
                file_actions=actions,
                setpgroup=0,
                setsigmask=mask,
                # What Python ignores would stay ignored across exec.
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )

    def ended(self) -> bool:
        """Whether the process has ended; reaps it."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError as failure:
                self.returncode = 255
                raise errors.InternalError(
                    "the exit status of a plugin was lost: SIGCHLD is ignored in this process"
                ) from failure
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode is not None

    def end(self) -> None:
        """See to it that the process is gone; its group too, unless it ended by itself."""
        if self.pid and self.returncode is None:
            with _signals_held():
                # Politely first, so that a plugin can undo what it did.
                for number, grace in ((signal.SIGTERM, _TERM_GRACE), (signal.SIGKILL, 0.0)):
                    with suppress(OSError):
                        os.killpg(self.pid, number)
                        self._await_zombie(grace)
                # One that cannot even be killed hangs in the kernel: nothing more can be done here.
                with suppress(OSError):
                    self._await_zombie(_TERM_GRACE)
                    os.waitpid(self.pid, os.WNOHANG)
                    self._await_empty_group()
        if self.pidfd >= 0:
            os.close(self.pidfd)

    def _await_zombie(self, seconds: float) -> None:
        """Wait without reaping: as long as the zombie is there, the group's number is its own."""
        limit = time.monotonic() + seconds
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while os.waitid(os.P_PID, self.pid, flags) is None and time.monotonic() < limit:
            time.sleep(0.002)

    def _await_empty_group(self) -> None:
        """Wait for what the process had started, too: what is undone next must not meet it."""
        limit = time.monotonic() + _KILL_GRACE
        while time.monotonic() < limit:
            os.killpg(self.pid, 0)  # raises when nobody is left
            time.sleep(0.002)


def _inheritable() -> list[int]:
    """Descriptors we were given without close-on-exec; a delegate has no business with them."""
    found: list[int] = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for fd in map(int, names):
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError:
            continue  # the listing's own descriptor
    return found


def _start_hint(code: int | None) -> str:
    return {
        errno.ETXTBSY: "somebody is still writing the file; try again when it is installed",
        errno.ENOEXEC: "neither a binary for this machine nor a script with a #! line",
        errno.ENOENT: "the interpreter of its #! line, or the loader it needs, does not exist",
        errno.EACCES: "its mode, or the noexec option of its file system, forbids execution",
    }.get(code or 0, "")


class _Conversation:
    """Feeds stdin, collects stdout, passes stderr through, all at once."""

    def __init__(self, child: _Child, pipes: _Pipes, stdin: bytes, stderr: BinaryIO) -> None:
        self.child = child
        self.pipes = pipes
        self.unsent = memoryview(stdin)
        self.sink = stderr
        self.stdout = bytearray()
        self.stderr_tail = b""
        self.readers = {pipes.stdout, pipes.stderr}
        self.poll = select.poll()
        self.poll.register(pipes.stdin, select.POLLOUT)
        for fd in (pipes.stdout, pipes.stderr, child.pidfd):
            if fd >= 0:
                self.poll.register(fd, select.POLLIN)

    def hold(self, name: str, deadline: Deadline) -> Completed:
        while not self.child.ended():
            remaining = deadline.remaining()
            if remaining <= 0:
                raise errors.TryAgainLater(
                    f"plugin {name} had not answered after {deadline.seconds:g} s and was ended",
                    details=last_words(self.stderr_tail),
                )
            self._step(remaining if self.child.pidfd >= 0 else min(remaining, 0.01), name)
        linger = time.monotonic() + _LINGER
        while self.readers and (wait := linger - time.monotonic()) > 0:
            self._step(wait, name)
        return Completed(bytes(self.stdout), cast("int", self.child.returncode), self.stderr_tail)

    def _step(self, seconds: float, name: str) -> None:
        # poll(2) counts whole milliseconds; an hour stands for no limit.
        for fd, _ in self.poll.poll(int(min(seconds, 3600.0) * 1000) + 1):
            if fd == self.pipes.stdin:
                self._send()
            elif fd in self.readers:
                self._receive(fd, name)
            else:
                self.poll.unregister(fd)  # the end of the process, which `ended` sees

    def _send(self) -> None:
        try:
            self.unsent = self.unsent[os.write(self.pipes.stdin, self.unsent[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self.unsent = self.unsent[:0]  # it does not want to read on, which is its right
        if not self.unsent:
            self.poll.unregister(self.pipes.stdin)
            self.pipes.close(self.pipes.stdin)

    def _receive(self, fd: int, name: str) -> None:
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self.poll.unregister(fd)
            self.readers.discard(fd)
        elif fd == self.pipes.stdout:
            self.stdout += chunk
            if len(self.stdout) > LARGEST_OUTPUT:
                raise errors.IoFailure(
                    f"plugin {name} printed more than {LARGEST_OUTPUT >> 20} MiB and was ended"
                )
        else:
            self.stderr_tail = (self.stderr_tail + chunk)[-_KEPT_STDERR:]
            try:
                self.sink.write(chunk)
                self.sink.flush()
            except (OSError, ValueError):
                return  # nobody listens to us; the plugin must go on none the less
