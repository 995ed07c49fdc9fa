"""Real processes through a launcher: streams, signals, the clock, the exit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from cnisdk import _launcher


HERE = Path(__file__).parent


@attrs.frozen
class Node:
    """A directory with the launcher of the acting plugin and the marks it leaves."""

    root: Path

    @property
    def launcher(self) -> Path:
        """The plugin's executable."""
        return self.root / "acting"

    @property
    def marks(self) -> set[str]:
        """What the handlers have left."""
        return {path.name for path in (self.root / "marks").iterdir()}

    def mark(self, name: str) -> None:
        """Leave a mark for the handler."""
        (self.root / "marks" / name).touch()

    def environment(self, verb: str, **more: str) -> dict[str, str]:
        """A proper environment."""
        return {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": "/run/netns/c1",
            "CNI_IFNAME": "eth0",
            "CNISDK_RUN_DIR": str(self.root / "run"),
            **more,
        }

    def config(self, act: str = "") -> bytes:
        """A configuration with something to do."""
        return json.dumps(
            {
                "cniVersion": "1.1.0",
                "name": "net",
                "type": "acting",
                "act": act,
                "marks": str(self.root / "marks"),
            }
        ).encode()

    def start(self, verb: str, act: str = "", **more: Any) -> subprocess.Popen[bytes]:
        """Start a call; its stdin is complete."""
        env = self.environment(verb, **more.pop("env", {}))
        pipes: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **more,
        }
        started = subprocess.Popen([self.launcher], env=env, **pipes)
        child = cast("subprocess.Popen[bytes]", started)
        if child.stdin is not None:
            child.stdin.write(self.config(act))
            child.stdin.close()
            child.stdin = None
        return child

    def call(self, verb: str, act: str = "", **more: Any) -> "Ended":
        """Make a call and wait for its end."""
        return ended(self.start(verb, act, **more))

    def wait_for(self, name: str) -> None:
        """Wait for a handler's mark."""
        until(lambda: name in self.marks)


@attrs.frozen
class Ended:
    """What is left of a process."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document on stdout."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document


def ended(child: subprocess.Popen[bytes]) -> Ended:
    """Wait for the end."""
    stdout, stderr = child.communicate(timeout=40)
    return Ended(child.returncode, stdout or b"", (stderr or b"").decode())


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact to become true."""
    end = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    launcher = tmp_path / "acting"
    versions = ("0.4.0", "1.1.0")
    target = "acting_plugin:Acting"
    launcher.write_text(_launcher.text(target, versions, sys.executable, str(HERE)))
    launcher.chmod(0o755)
    (tmp_path / "marks").mkdir()
    return Node(tmp_path)


# ---- stdout is a protocol channel ---------------------------------------------------------------


@pytest.mark.parametrize("act", ["", "print", "write", "child", "shell", "libc", "close", "thread"])
def test_stdout_holds_the_result_alone(node: Node, act: str) -> None:
    """Whatever a handler, a child, a C library or the plugin's module prints goes to stderr."""
    outcome = node.call("ADD", act)

    assert outcome.code == 0, outcome.stderr
    assert outcome.document["interfaces"] == [{"name": "eth0"}]
    assert "noise at import" in outcome.stderr
    assert ("noise\n" in outcome.stderr) == (act in {"print", "write", "child", "shell", "libc"})
    assert node.marks == {"made"}


def test_noise_without_newline_is_not_lost(node: Node) -> None:
    """What is still buffered when the process ends."""
    assert "noise without end" in node.call("ADD", "print").stderr


@pytest.mark.parametrize("act", ["", "print", "write", "child", "libc"])
def test_delete_prints_nothing(node: Node, act: str) -> None:
    """Success of DEL is silent, whatever the handler prints."""
    outcome = node.call("DEL", act)

    assert (outcome.code, outcome.stdout) == (0, b"")
    assert node.marks == {"deleting", "deleted"}


def test_long_result_arrives_whole(node: Node) -> None:
    """More than a pipe holds, read slowly."""
    child = node.start("ADD", "long")
    node.wait_for("made")
    time.sleep(0.2)
    outcome = ended(child)

    assert len(outcome.stdout) > 65536
    assert len(outcome.document["interfaces"]) == 5000


# ---- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "msg"),
    [
        ("memory", "unexpected error in acting ADD: MemoryError"),
        ("exit", "unexpected error in acting ADD: SystemExit: 0"),
        ("recursion", "unexpected error in acting ADD: RecursionError"),
    ],
)
def test_unexpected_end_of_a_handler_is_an_error_object(node: Node, act: str, msg: str) -> None:
    """W-LIB-5: a Go plugin that panics prints nothing; ours always answers, and has undone."""
    outcome = node.call("ADD", act)

    assert outcome.code == 1
    assert outcome.document["code"] == 999
    assert outcome.document["msg"].startswith(msg)
    assert "Traceback" not in outcome.stderr
    assert node.marks == {"made", "undone"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:Plugin", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("acting_plugin:Nothing", "has no class"),
        ("acting_plugin:mark", "TypeError"),
        ("json:loads", "TypeError"),
    ],
)
def test_plugin_that_cannot_be_loaded_is_an_error_object(
    node: Node, target: str, message: str
) -> None:
    """A broken installation: no traceback, and the runtime gets its document."""
    node.launcher.write_text(_launcher.text(target, ("1.1.0",), sys.executable, str(HERE)))
    outcome = node.call("ADD")

    assert outcome.code == 1
    assert message in outcome.document["msg"]
    assert "acting" in outcome.document["msg"]
    assert "Traceback" not in outcome.stderr


# ---- signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("act", ["hang", "swallow"])
def test_signal_during_add_undoes_it(node: Node, number: signal.Signals, act: str) -> None:
    """Exactly one error document, exit status 1; `except Exception` does not swallow it."""
    child = node.start("ADD", act)
    node.wait_for("made")
    child.send_signal(number)
    outcome = ended(child)

    assert outcome.code == 1
    assert outcome.document["code"] == 11
    assert number.name in outcome.document["msg"]
    assert node.marks == {"made", "undone"}


def test_second_signal_does_not_cut_the_undo_short(node: Node) -> None:
    """Runtimes repeat themselves."""
    child = node.start("ADD", "slow undo")
    node.wait_for("made")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        child.send_signal(number)
        time.sleep(0.1)
    node.mark("go on")
    outcome = ended(child)

    assert outcome.document["code"] == 11
    assert "details" in outcome.document
    assert "failed" not in outcome.document["details"]
    assert node.marks == {"made", "undone", "go on"}


def test_signal_during_delete_is_reported(node: Node) -> None:
    """DEL can be repeated."""
    child = node.start("DEL", "hang")
    node.wait_for("deleting")
    child.send_signal(signal.SIGTERM)
    outcome = ended(child)

    assert outcome.code == 1
    assert outcome.document["code"] == 11
    assert node.marks == {"deleting"}


def test_signal_while_stdin_is_awaited_is_an_error_object(node: Node) -> None:
    """Nothing has been done yet."""
    child = subprocess.Popen(
        [node.launcher],
        env=node.environment("ADD"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1)
    child.send_signal(signal.SIGTERM)
    outcome = ended(child)

    assert outcome.code == 1
    assert outcome.document["code"] == 11


def test_ignored_signal_stays_ignored(node: Node) -> None:
    """As with nohup."""
    child = node.start("ADD", "wait", preexec_fn=lambda: signal.signal(1, signal.SIG_IGN))
    node.wait_for("made")
    child.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    node.mark("go on")

    assert ended(child).code == 0


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14])
def test_signal_at_any_moment_leaves_document_and_status_in_agreement(
    node: Node, delay: float
) -> None:
    """Success with a result, failure with one error object, or killed before anything was done."""
    child = node.start("ADD", "wait")
    node.wait_for("made")
    node.mark("go on")
    time.sleep(delay / 10)
    child.send_signal(signal.SIGTERM)
    outcome = ended(child)

    if outcome.code == 0:
        assert "code" not in outcome.document
        assert "undone" not in node.marks
    else:
        assert outcome.code == 1
        assert outcome.document["code"] == 11
        assert "undone" in node.marks


# ---- the clock ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "step"),
    [
        ("hang", "in Acting.act (line "),
        ("hang in step", "while counting sheep"),
        ("swallow", "in Acting.swallow (line "),
    ],
)
def test_deadline_names_what_hung_and_undoes(node: Node, act: str, step: str) -> None:
    """Code 11; the step that hung is named."""
    outcome = node.call("ADD", act, env={"CNISDK_TIMEOUT": "0.5"})

    assert outcome.code == 1
    assert outcome.document["code"] == 11
    assert outcome.document["msg"].startswith("gave up after 0.4 s while ")
    assert step in outcome.document["msg"]
    assert "CNISDK_TIMEOUT" in outcome.document["details"]
    assert node.marks == {"made", "undone"}


def test_stdin_that_never_ends_is_given_up(node: Node) -> None:
    """The deadline holds before the configuration is known."""
    child = subprocess.Popen(
        [node.launcher],
        env=node.environment("ADD", CNISDK_TIMEOUT="0.5"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    document = json.loads(child.stdout.read())
    child.communicate()

    assert child.returncode == 1
    assert document["code"] == 11
    assert "reading the configuration from stdin" in document["msg"]


def test_undo_that_hangs_ends_by_itself(node: Node) -> None:
    """Other steps run, and there is one document."""
    outcome = node.call("ADD", "hang undoing", env={"CNISDK_TIMEOUT": "0.5"})

    assert outcome.code == 1
    assert outcome.document["msg"] == "undo takes long"
    assert "undo step" in outcome.document["details"]
    assert node.marks == {"made", "undone"}


def test_undo_has_time_of_its_own(node: Node) -> None:
    """The deadline of the call does not cut the undo short."""
    outcome = node.call("ADD", "undo past the deadline", env={"CNISDK_TIMEOUT": "8"})

    assert outcome.code == 1
    assert outcome.document["msg"] == "undo takes a second"
    assert "undo step" not in outcome.document.get("details", "")
    assert "undone slowly" in node.marks


# ---- descriptors --------------------------------------------------------------------------------


def test_result_nobody_reads_is_undone(node: Node) -> None:
    """EPIPE: the runtime will never know of it."""
    reader, writer = os.pipe()
    child = node.start("ADD", "wait", stdout=writer)
    os.close(writer)
    node.wait_for("made")
    os.close(reader)
    node.mark("go on")
    outcome = ended(child)

    assert outcome.code == 1
    assert "Broken pipe" in outcome.stderr
    assert node.marks == {"made", "undone", "go on"}


@pytest.mark.parametrize(
    ("closed", "code", "marks"),
    [
        ((0,), 1, set[str]()),
        ((1,), 1, {"made", "undone"}),
        ((2,), 0, {"made"}),
        ((1, 2), 1, {"made", "undone"}),
        ((0, 1, 2), 1, set[str]()),
    ],
)
def test_closed_descriptors_are_survived(
    node: Node, closed: tuple[int, ...], code: int, marks: set[str]
) -> None:
    """Without stdin code 5; without stdout an ADD is undone; without stderr all is well."""

    def close() -> None:
        for fd in closed:
            os.close(fd)

    configuration = node.root / "stdin"
    configuration.write_bytes(node.config())
    with configuration.open("rb") as stdin:
        outcome = node.call("ADD", stdin=stdin, preexec_fn=close)

    assert outcome.code == code
    assert node.marks == marks
    if closed == (0,):
        assert outcome.document["code"] == 5
    if 1 not in closed:
        assert outcome.document


def test_configuration_in_pieces_is_read_whole(node: Node) -> None:
    """Longer than a pipe holds, written with pauses."""
    child = subprocess.Popen(
        [node.launcher],
        env=node.environment("ADD"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    text = node.config().replace(b"{", b'{"padding": "' + b"x" * 200_000 + b'", ', 1)
    for start in (0, 100, 150_000):
        end = {0: 100, 100: 150_000}.get(start, len(text))
        child.stdin.write(text[start:end])
        child.stdin.flush()
        time.sleep(0.1)

    assert ended(child).code == 0


# ---- VERSION ------------------------------------------------------------------------------------


def test_version_is_answered_without_the_plugin(node: Node) -> None:
    """T: VERSION prints JSON, calls nothing."""
    outcome = node.call("VERSION")

    assert outcome.document == {"cniVersion": "1.1.0", "supportedVersions": ["0.4.0", "1.1.0"]}
    assert outcome.stderr == ""


def test_version_does_not_wait_for_the_end_of_stdin(node: Node) -> None:
    """A caller that sends nothing and closes nothing gets its answer within a second."""
    reader, writer = os.pipe()
    start = time.monotonic()
    child = node.start("VERSION", stdin=reader)
    outcome = ended(child)
    elapsed = time.monotonic() - start
    os.close(reader)
    os.close(writer)

    assert outcome.document["supportedVersions"] == ["0.4.0", "1.1.0"]
    assert elapsed < 2.0  # the interpreter's start included, on a busy machine


def test_version_is_not_held_up_by_a_trickle(node: Node) -> None:
    """One byte now and then."""
    reader, writer = os.pipe()
    child = node.start("VERSION", stdin=reader)
    start = time.monotonic()
    while child.poll() is None and time.monotonic() - start < 10:
        os.write(writer, b" ")
        time.sleep(0.05)
    elapsed = time.monotonic() - start
    os.close(reader)
    os.close(writer)

    assert ended(child).document["cniVersion"] == "1.1.0"
    assert elapsed < 2.0


@pytest.mark.parametrize(("closed", "code"), [((0,), 0), ((1,), 1), ((2,), 0), ((0, 1, 2), 1)])
def test_version_survives_closed_descriptors(
    node: Node, closed: tuple[int, ...], code: int
) -> None:
    """No traceback, and a status that agrees with what was printed."""

    def close() -> None:
        for fd in closed:
            os.close(fd)

    outcome = node.call("VERSION", stdin=subprocess.DEVNULL, preexec_fn=close)

    assert outcome.code == code
    assert "Traceback" not in outcome.stderr
    assert (outcome.stdout != b"") == (code == 0)


def test_no_descriptor_leaks_into_children(node: Node) -> None:
    """A child has the standard streams alone; a daemon must not keep the runtime waiting."""
    child = node.start("ADD", "wait")
    node.wait_for("made")
    descriptors = {
        int(fd): os.readlink(f"/proc/{child.pid}/fd/{fd}")
        for fd in os.listdir(f"/proc/{child.pid}/fd")
    }
    flags = {
        fd: int(line.split()[1], 8)
        for fd in descriptors
        for line in Path(f"/proc/{child.pid}/fdinfo/{fd}").read_text().splitlines()
        if line.startswith("flags:")
    }
    node.mark("go on")

    assert ended(child).code == 0
    assert [fd for fd in descriptors if fd > 2 and not flags[fd] & os.O_CLOEXEC] == []
    assert descriptors[1] == descriptors[2]
