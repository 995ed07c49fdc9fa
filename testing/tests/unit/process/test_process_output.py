"""What comes out of a plugin's process: one document on stdout, whatever the handler prints or raises."""

import sys
import time

import pytest
from acting_node import HERE, Node, ended

from cnisdk import _launcher


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
