"""A plugin's process is interrupted, by a signal or by the clock."""

import json
import signal
import subprocess
import time

import pytest
from acting_node import Node, ended


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
