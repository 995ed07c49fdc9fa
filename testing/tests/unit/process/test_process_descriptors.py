"""The descriptors of a plugin's process: closed, unread, in pieces, and not inherited."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from acting_node import Node, ended


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
