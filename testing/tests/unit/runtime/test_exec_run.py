"""Running a plugin as a process."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from cnisdk import _exec, errors
from cnisdk._deadline import Deadline


ENV = {"PATH": os.environ["PATH"], "CNI_COMMAND": "ADD"}


@pytest.fixture
def program(tmp_path):
    def make(shell, name="fake"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{shell}\n")
        path.chmod(0o755)
        return str(path)

    return make


def run(executable, stdin=b"", *, env=ENV, seconds=20.0, stderr=None):
    return _exec.run(executable, env, stdin, stderr or io.BytesIO(), Deadline(seconds))


def processes(marker):
    """Processes with this text in their command line."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if each.name.isdigit() and marker.encode() in (each / "cmdline").read_bytes():
                found.append(each.name)
    return found


def descriptors():
    return set(os.listdir("/proc/self/fd"))


def test_stdin_and_environment_arrive_and_stdout_comes_back(program):
    """T: runner passes stdin and env; returns stdout bytes."""
    completed = run(
        program('printf "%s:" "$CNI_COMMAND$ODD"; cat'), b"in\0put", env=ENV | {"ODD": "x"}
    )

    assert completed.stdout == b"ADDx:in\0put"
    assert completed.returncode == 0


def test_the_environment_is_exactly_what_was_given(program, monkeypatch):
    """Nothing of this process leaks into a plugin."""
    monkeypatch.setenv("LEAK", "1")

    passed = run(program("cat /proc/$$/environ")).stdout.rstrip(b"\0").split(b"\0")

    assert {f"{key}={value}".encode() for key, value in ENV.items()} == set(passed)


def test_exit_status_and_stderr_tail_are_reported(program):
    """The end of stderr is kept for messages."""
    completed = run(program("echo one >&2; exit 3"))

    assert completed.returncode == 3
    assert completed.stderr_tail == b"one\n"


def test_death_by_signal_is_a_negative_status(program):
    """As subprocess has it."""
    assert run(program("kill -KILL $$")).returncode == -signal.SIGKILL


def test_megabytes_go_both_ways_without_deadlock(program):
    """A plugin may write before it has read everything."""
    big = os.urandom(1 << 20) * 4

    assert big == run(program("cat"), big).stdout


def test_a_plugin_need_not_read_its_stdin(program):
    """Closing stdin early is no failure."""
    completed = run(program("exec <&-; echo done"), b"x" * (1 << 20))

    assert completed.stdout == b"done\n"


def test_stderr_is_passed_on_while_the_plugin_runs(program):
    """T: runner forwards stderr; live, so that a hang can be watched."""
    seen = []

    class Sink(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            seen.append((time.monotonic(), bytes(data)))
            return len(data)

    started = time.monotonic()
    run(program("echo early >&2; sleep 0.6"), stderr=io.BufferedWriter(Sink()))

    assert seen[0][1] == b"early\n"
    assert seen[0][0] - started < 0.5


def test_a_closed_stderr_of_ours_does_not_stop_the_plugin(program):
    """The runtime may have gone away from its end of the pipe."""
    sink = io.BytesIO()
    sink.close()

    assert run(program("echo lost >&2; echo ok"), stderr=sink).stdout == b"ok\n"


def test_output_without_end_is_cut_off(program):
    """stdout is bounded; the plugin is ended."""
    with pytest.raises(errors.IoFailure, match=r"fake .ADD. printed more than 16 MiB"):
        run(program("exec cat /dev/zero"))


def test_a_plugin_that_hangs_is_ended_at_the_deadline_with_all_it_started(program):
    """T: context timeout. W-LIB and G1: the error names plugin and verb, nothing is left behind."""
    marker = f"7{os.getpid()}.5"
    hanging = program(f"echo waiting for dhcp >&2; sleep {marker} & sleep {marker}")
    started = time.monotonic()

    with pytest.raises(errors.TryAgainLater) as caught:
        run(hanging, seconds=0.3)

    assert time.monotonic() - started < 2
    assert "plugin fake (ADD) had not answered after 0.3 s" in caught.value.msg
    assert "waiting for dhcp" in caught.value.details
    assert processes(marker) == []


def test_a_plugin_is_first_asked_to_end(program, tmp_path):
    """SIGTERM lets a plugin undo what it did before SIGKILL comes."""
    proof = tmp_path / "undone"
    polite = program(f"trap 'echo yes > {proof}; exit 1' TERM; while :; do sleep 0.02; done")

    with pytest.raises(errors.TryAgainLater):
        run(polite, seconds=0.3)

    assert proof.read_text() == "yes\n"


def test_a_plugin_that_ignores_sigterm_is_killed(program):
    """The deadline holds for the stubborn too."""
    started = time.monotonic()

    with pytest.raises(errors.TryAgainLater):
        run(program("trap '' TERM; while :; do sleep 0.02; done"), seconds=0.2)

    assert time.monotonic() - started < 4


def test_no_time_left_means_no_start(program, tmp_path):
    """A plugin is not started just to be killed."""
    proof = tmp_path / "ran"

    with pytest.raises(errors.TryAgainLater, match="starting plugin fake"):
        run(program(f"touch {proof}"), seconds=0.0)

    assert not proof.exists()


def test_an_interruption_ends_the_plugin(program):
    """A signal handler that raises (SIGTERM, SIGALRM) leaves no process behind."""
    marker = f"8{os.getpid()}.5"
    former = signal.signal(
        signal.SIGALRM, lambda *_: (_ for _ in ()).throw(InterruptedError("ring"))
    )
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(InterruptedError, match="ring"):
            run(program(f"sleep {marker} & sleep {marker}"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)

    assert processes(marker) == []


def test_a_background_process_with_our_pipes_does_not_hold_us_up(program):
    """G5: a plugin may have started a daemon that never closes its streams."""
    marker = f"9{os.getpid()}"
    started = time.monotonic()

    completed = run(program(f"echo result; sleep {marker} &"))

    try:
        assert completed.stdout == b"result\n"
        assert time.monotonic() - started < 3
        assert len(processes(marker)) == 1, (
            "a daemon of a plugin that succeeded is its own business"
        )
    finally:
        for pid in processes(marker):
            os.kill(int(pid), signal.SIGKILL)


def test_no_descriptor_is_left_open_whatever_happens(program):
    """G6: leaked descriptors keep namespaces alive."""
    before = descriptors()
    run(program("exit 0"))
    for broken in (program("sleep 9", "slow"), "/nonexistent/plugin"):
        with pytest.raises(errors.CniError):
            run(broken, seconds=0.1)

    assert before == descriptors()


def test_the_plugin_gets_no_descriptors_but_its_streams(program):
    """G6: not even those this process was given without close-on-exec."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        listed = run(program("ls /proc/self/fd")).stdout.split()
    finally:
        os.close(reader)
        os.close(writer)

    assert {b"0", b"1", b"2", b"3"} == set(listed), "3 is the listing's own"


def test_signals_python_ignores_are_default_in_the_plugin(tmp_path):
    """SIGPIPE ignored would break shell pipelines; a blocked SIGTERM could not end it."""
    path = tmp_path / "fake"
    path.write_text("#!/bin/cat /proc/self/status\n")  # no shell, which would unblock signals
    path.chmod(0o755)

    lines = run(str(path)).stdout.decode().splitlines()

    status = dict(line.split(":", 1) for line in lines if line.startswith("Sig"))
    ignored = int(status["SigIgn"], 16)
    assert int(status["SigBlk"], 16) == 0
    assert ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)) == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_it_works_with_closed_standard_streams(program, closed):
    """A runtime may start us without stdin, and a pipe then gets number 0."""
    script = textwrap.dedent(f"""
        import io, os, sys
        for fd in {closed!r}:
            os.close(fd)
        from cnisdk import _exec
        from cnisdk._deadline import Deadline
        done = _exec.run({program("cat; echo err >&2")!r}, {ENV!r}, b"text", io.BytesIO(), Deadline(9))
        ok = (done.stdout, done.stderr_tail) == (b"text", b"err\\n")
        os._exit(0 if ok else 1)
    """)

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_ignored_sigchld_is_reported_not_taken_for_success(program):
    """Without an exit status nothing may be assumed."""
    script = textwrap.dedent(f"""
        import io, signal, sys
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        from cnisdk import _exec, errors
        from cnisdk._deadline import Deadline
        try:
            _exec.run({program("exit 0")!r}, {ENV!r}, b"", io.BytesIO(), Deadline(9))
        except errors.InternalError as failure:
            sys.exit(0 if "SIGCHLD" in failure.msg else 2)
        sys.exit(1)
    """)

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("content", "hint"),
    [("no shebang", "#! line"), ("#!/no/such/interpreter\n", "interpreter")],
)
def test_a_file_that_cannot_be_started_says_why(tmp_path, content, hint):
    """T: unexecutable path."""
    path = tmp_path / "broken"
    path.write_text(content)
    path.chmod(0o755)

    with pytest.raises(errors.IoFailure) as caught:
        run(str(path))

    assert f"cannot start plugin broken (ADD): {path}" in caught.value.msg
    assert hint in caught.value.details


@pytest.mark.parametrize("env", [{"A": "x\0y"}, {"A=B": "x"}])
def test_an_environment_that_cannot_be_passed_is_named(program, env):
    """A zero byte in a variable is the caller's mistake, not a crash."""
    with pytest.raises(errors.InvalidEnvironment, match="environment cannot be passed on"):
        run(program("exit 0"), env=env)


def test_a_busy_executable_is_tried_again(program):
    """ETXTBSY: untested in Go. The plugin is being replaced; a moment later it runs."""
    path = program("echo ran")
    writer = os.open(path, os.O_WRONLY | os.O_APPEND)
    timer = threading.Timer(0.2, os.close, [writer])
    timer.start()

    completed = run(path)
    timer.join()

    assert completed.stdout == b"ran\n"


def test_an_executable_that_stays_busy_is_an_error(program):
    """W-LIB-6: Go takes the last failed try for success with empty output."""
    path = program("echo ran")
    writer = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        with pytest.raises(errors.IoFailure) as caught:
            run(path)
    finally:
        os.close(writer)

    assert "Text file busy" in caught.value.msg
    assert "try again" in caught.value.details


def test_a_busy_executable_is_not_waited_for_beyond_the_deadline(program):
    """W-LIB-6: the retries count against the call's time."""
    path = program("echo ran")
    writer = os.open(path, os.O_WRONLY | os.O_APPEND)
    started = time.monotonic()
    try:
        with pytest.raises(errors.IoFailure):
            run(path, seconds=0.2)
    finally:
        os.close(writer)

    assert time.monotonic() - started < 1


@pytest.mark.parametrize("missing", ["pidfd_open"])
def test_kernels_without_pidfd_are_served_by_polling(program, monkeypatch, missing):
    """Before Linux 5.3, or where a seccomp filter forbids it."""

    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, missing, refuse)

    assert run(program("sleep 0.05; echo ok")).stdout == b"ok\n"


def test_importing_it_is_cheap():
    """It is on the path of every delegated call."""
    code = "import sys, cnisdk._exec; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"subprocess", "selectors", "logging", "tempfile", "asyncio"} & set(
        done.stdout.split()
    )
