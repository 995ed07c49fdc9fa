"""Whatever fails in a call is undone, and reported once."""

import io
import json
from pathlib import Path
from typing import Any, cast

import pytest
import toys
from served_toys import serve

import cnisdk
from cnisdk import errors
from cnisdk._answer import Completed
from cnisdk._result import Result
from cnisdk._result_json import encode


class Failing(toys.Toy):
    """Fails after having made something, in the way of `failure`."""

    failure: BaseException = errors.CniError("x")

    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Make, then fail."""
        super().attach(op)
        raise self.failure

    def detach(self, op: cnisdk.Del[toys.ToyConf]) -> None:
        """Fail."""
        raise self.failure


def failing(failure: BaseException) -> type[Failing]:
    """A plugin that fails in one way."""
    return type("Failing", (Failing,), {"failure": failure})


class Unspeakable(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no words")


class PoolExhausted(errors.CniError, code=101):
    """An author's own."""


@pytest.mark.parametrize(
    ("failure", "code", "msg"),
    [
        (errors.TryAgainLater("busy", details="d"), 11, "busy"),
        (PoolExhausted("no address"), 101, "no address"),
        (errors.DelegateError("theirs", code=7), 7, "theirs"),
        (ValueError("bad"), 999, "unexpected error in toy ADD: ValueError: bad"),
        (OSError(28, "No space left"), 999, "unexpected error in toy ADD: OSError: [Errno 28] No"),
        (KeyError(), 999, "unexpected error in toy ADD: KeyError"),
        (MemoryError(), 999, "unexpected error in toy ADD: MemoryError"),
        (RecursionError("deep"), 999, "unexpected error in toy ADD: RecursionError: deep"),
        (SystemExit(3), 999, "unexpected error in toy ADD: SystemExit: 3"),
        (GeneratorExit(), 999, "unexpected error in toy ADD: GeneratorExit"),
        (KeyboardInterrupt(), 11, "ADD was interrupted"),
        (Unspeakable(), 999, "unexpected error in toy ADD: Unspeakable"),
        (
            ExceptionGroup("two", [ValueError("a"), ValueError("b")]),
            999,
            "unexpected error in toy ADD: ExceptionGroup: two",
        ),
        (errors.CniError("line one\nline two \udc80 é"), 999, "line one\nline two \udc80 é"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_add_that_fails_is_undone_and_reported_once(
    failure: BaseException, code: int, msg: str, tmp_path: Path
) -> None:
    """T: typed callback error unchanged; untyped callback error → 999. W-LIB-5: no empty stdout."""
    outcome = serve(tmp_path, "ADD", failing(failure), ipam={"type": "pool"})

    assert outcome.code == 1
    assert outcome.document["code"] == code
    assert outcome.document["msg"].startswith(msg)
    assert outcome.machine.objects == set()
    assert outcome.machine.delegated == [("pool", "ADD"), ("pool", "DEL")]
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stderr.startswith("toy ADD failed: ")


@pytest.mark.parametrize(
    "failure", [ValueError("x"), SystemExit(1), errors.CniError("x")], ids=repr
)
def test_delete_goes_on_after_a_failing_handler(failure: BaseException, tmp_path: Path) -> None:
    """The host is swept and the delegate is called, whatever the handler raised."""
    outcome = serve(tmp_path, "DEL", failing(failure), ipam={"type": "pool"})

    assert outcome.code == 1
    assert outcome.machine.swept == ["c1/eth0 on net"]
    assert outcome.machine.delegated == [("pool", "DEL")]


@pytest.mark.parametrize("verb", ["ADD", "DEL", "GC"])
@pytest.mark.parametrize("plugin", [toys.Toy, failing(errors.CniError("x"))], ids=["good", "bad"])
def test_a_call_closes_the_namespaces_it_has_opened(
    plugin: type[toys.Toy], verb: str, tmp_path: Path
) -> None:
    """A process that serves many calls cannot wait for the garbage collector."""
    outcome = serve(tmp_path, verb, plugin, **{"cni.dev/valid-attachments": []})

    assert outcome.machine.objects or outcome.machine.swept or outcome.code
    assert outcome.machine.opened == []


def test_all_errors_of_delete_are_reported(tmp_path: Path) -> None:
    """Under the first one's code."""
    machine = toys.FakeMachine(
        {"DEL": Completed(json.dumps({"code": 11, "msg": "pool busy"}).encode(), 1)}
    )
    outcome = serve(tmp_path, "DEL", failing(PoolExhausted("mine")), machine, ipam={"type": "pool"})

    assert outcome.document["code"] == 101
    assert outcome.document["msg"] == "Failing DEL: 2 errors: mine; pool busy"


def test_undo_runs_newest_first_and_its_errors_are_notes(tmp_path: Path) -> None:
    """They never replace the first error, and every step runs."""
    undone: list[str] = []

    def undo(name: str, failure: BaseException | None = None) -> None:
        undone.append(name)
        if failure is not None:
            raise failure

    class Undoing(toys.Toy):
        """Queues steps of all kinds."""

        def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
            """Queue and fail."""
            op.on_rollback(undo, "first")
            op.on_rollback(undo, "second", ValueError("broken"))
            op.on_rollback(undo, "third", failure=SystemExit(1))
            op.on_rollback(undo, "fourth", failure=KeyboardInterrupt())
            raise errors.InvalidConfig("the first error", details="its details")

    outcome = serve(tmp_path, "ADD", Undoing)

    assert undone == ["fourth", "third", "second", "first"]
    assert outcome.document["code"] == 7
    assert outcome.document["msg"] == "the first error"
    assert outcome.document["details"].startswith("its details; undo step ")
    assert "failed: broken" in outcome.document["details"]


@pytest.mark.parametrize("returned", [None, {}, "x", 5, encode(Result(), "1.1.0")], ids=repr)
def test_add_handler_must_return_a_result(returned: object, tmp_path: Path) -> None:
    """Anything else is undone, with a hint for the author."""

    class Forgetful(toys.Toy):
        """Returns something else."""

        def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
            """Make, then forget."""
            super().attach(op)
            return cast("Result", returned)

    outcome = serve(tmp_path, "ADD", Forgetful)

    assert outcome.document["code"] == 999
    assert "the ADD handler returned" in outcome.document["msg"]
    assert "return result.build()" in outcome.document["details"]
    assert outcome.machine.objects == set()


class Full(io.BytesIO):
    """A stdout nobody reads."""

    def write(self, data: Any, /) -> int:
        """Fail as a broken pipe does."""
        raise BrokenPipeError(32, "Broken pipe")


def test_add_whose_result_cannot_be_written_is_undone(tmp_path: Path) -> None:
    """The runtime will never know of it."""
    machine = toys.FakeMachine()
    plugin = toys.Toy(system=cast("Any", machine))
    stderr = io.BytesIO()
    env = toys.environment("ADD", tmp_path)
    code = plugin.run(env, io.BytesIO(toys.config(ipam={"type": "pool"})), Full(), stderr)

    assert code == 1
    assert machine.objects == set()
    assert machine.delegated == [("pool", "ADD"), ("pool", "DEL")]
    assert "Broken pipe" in stderr.getvalue().decode()


def test_stderr_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    """The error object is what counts."""
    stdout = io.BytesIO()
    plugin = toys.Toy(system=cast("Any", toys.FakeMachine()))
    code = plugin.run(toys.environment("ADD", tmp_path), io.BytesIO(b"{"), stdout, Full())

    assert code == 1
    assert json.loads(stdout.getvalue())["code"] == 6


@pytest.mark.parametrize("directory", ["/proc/nowhere", "/dev/null/x", "a\0b", "\ud800"], ids=repr)
def test_unusable_run_directory_does_not_fail_a_call(directory: str) -> None:
    """Locks and records are lost, the attachment is not, and stdout has one document."""
    env = toys.environment("ADD", directory)

    assert toys.call(toys.Toy, env, toys.config()).code == 0


def test_namespace_that_is_none_is_refused_before_the_handler(tmp_path: Path) -> None:
    """Guard before effect; DEL goes on."""
    gone = {"CNI_NETNS": "/run/netns/gone"}
    refused = toys.call(toys.Toy, toys.environment("ADD", tmp_path, **gone), toys.config())
    deleted = toys.call(toys.Toy, toys.environment("DEL", tmp_path, **gone), toys.config())

    assert refused.document["code"] == 8
    assert refused.document["msg"].startswith("CNI_NETNS: /run/netns/gone")
    assert refused.machine.objects == set()
    assert deleted.code == 0
