"""VERSION as a real process: answered at once, without the plugin."""

import os
import subprocess
import time

import pytest
from acting_node import Node, ended


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
