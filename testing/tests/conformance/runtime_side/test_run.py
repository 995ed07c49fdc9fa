"""A command as the runtime, and its judgement; from Python and by the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from runtime_traces import FIRST, SECOND, THIRD, Trace
from typer.testing import CliRunner

from cni_conformance._outcome import Status
from cni_conformance._settings import UsageError
from cni_conformance.report import html, json_file, junit
from cni_conformance.runtime_side import default_conflist, exit_status, read_conflist, run
from cni_conformance.runtime_side.command import CONTEXT, runtime


STATUS_OF_FIRST = [
    "sh",
    "-c",
    """printf '%s' "$1" | CNI_COMMAND=STATUS "$CNI_CONFORMANCE_BIN/conformance-first" """,
    "sh",
]


def status_request(**changes: Any) -> str:
    return json.dumps(Trace().request("STATUS", FIRST) | changes)


def test_a_run_gives_places_to_the_command() -> None:
    words = ["{bin}", "{conf}", "{conflist}", "{record}"]
    script = 'echo "$@" $CNI_PATH $NETCONFPATH; ls {bin}; cat {conflist}'

    found = run(["sh", "-c", script, "sh", *words])

    first, *rest = found.stdout.splitlines()
    programs, conf, conflist, record, cni_path, netconfpath = first.split()
    assert (cni_path, netconfpath) == (programs, conf)
    assert conflist == f"{conf}/10-conformance.conflist"
    assert os.path.dirname(record) == os.path.dirname(programs)
    assert rest[:4] == [FIRST, SECOND, THIRD, "loopback"]
    assert json.loads("".join(rest[4:])) == default_conflist()
    assert not os.path.exists(os.path.dirname(programs))


def test_a_good_run_is_judged_good_and_can_be_written(tmp_path: Path) -> None:
    found = run([*STATUS_OF_FIRST, status_request()], name="shell", level="field")

    assert found.problem == ""
    assert found.exit_status == 0
    assert found.report.plugin.kind == "runtime"
    assert found.report.plugin.name == "shell"
    for writer in (html, junit, json_file):
        writer.write(found.report, str(tmp_path / "report"))
        assert (tmp_path / "report").stat().st_size > 1000
    assert json_file.read(str(tmp_path / "report")) == found.report


def test_a_bad_run_is_judged_bad() -> None:
    found = run([*STATUS_OF_FIRST, status_request(name="x")])

    assert found.exit_status == 1
    assert [each.requirement for each in found.report.of_status(Status.FAIL)] == [
        "runtime/request/2"
    ]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["true"], "called none of the recording plugins"),
        (["/nowhere/runtime"], "could not be run"),
        (["/etc/passwd"], "could not be run"),
    ],
)
def test_a_run_without_records_is_no_verdict(command: list[str], problem: str) -> None:
    found = run(command)

    assert problem in found.problem
    assert found.exit_status == exit_status(found.report) == 3
    assert found.report.results == []
    assert problem in found.report.not_observed["calls of plugins"]


def test_a_command_that_does_not_end_is_ended_and_judged() -> None:
    request = status_request()
    script = f"{STATUS_OF_FIRST[2]}; sleep 1000 & wait"

    found = run(["sh", "-c", script, "sh", request], timeout=2.0)

    assert found.exit_code is None
    assert "did not end" in found.report.not_observed["command"]
    assert len(found.calls) == 1


def test_calls_in_the_background_are_waited_for() -> None:
    script = f"(sleep 0.2; {STATUS_OF_FIRST[2]}) > /dev/null 2>&1 &"

    found = run(["sh", "-c", script, "sh", status_request()], linger=3.0)

    assert len(found.calls) == 1


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        "{}",
        '{"plugins": []}',
        '{"type": "bridge"}',
        '{"plugins": [{"type": "a/b"}]}',
        '{"plugins": [{}]}',
        '{"plugins": [{"type": "a"}], "cniVersion": "9"}',
        '{"plugins": [{"type": "a"}], "cniVersions": "1.0.0"}',
        '{"plugins": [{"type": "a"}], "cniVersions": [1]}',
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "net.conflist"
    path.write_text(content)

    with pytest.raises(UsageError):
        read_conflist(str(path))


# -- the command line -----------------------------------------------------------------------------


@pytest.fixture
def cli() -> Callable[..., Any]:
    app = typer.Typer()
    app.command(context_settings=CONTEXT)(runtime)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_command_line_judges(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    done = cli("--verbose", f"--report=json={path}", *STATUS_OF_FIRST, status_request())

    assert done.exit_code == 0
    assert "runtime/request/1" in done.stdout
    assert json_file.read(str(path)).plugin.kind == "runtime"


def test_command_line_tells_of_violations(cli: Callable[..., Any]) -> None:
    done = cli(*STATUS_OF_FIRST, status_request(name="x"))

    assert done.exit_code == 1
    assert "FAIL  runtime/request/2" in done.stdout
    assert "name is 'x', not 'conformance'." in done.stdout


def test_command_line_scripts_failures(cli: Callable[..., Any]) -> None:
    done = cli("--verbose", f"--fail={FIRST}:STATUS:50", *STATUS_OF_FIRST, status_request())

    assert '"code": 50' in done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["true"], 3),
        (["/nowhere/runtime"], 3),
        ([], 2),
        (["--conflist=/nowhere", "true"], 2),
        (["--fail=x", "true"], 2),
        (["--fail=x:ADD:y", "true"], 2),
        (["--slow=x:ADD", "true"], 2),
        (["--spec-version=9", "true"], 2),
        (["--report=pdf=x", "true"], 2),
    ],
)
def test_command_line_has_a_status_for_every_end(
    cli: Callable[..., Any], words: list[str], status: int
) -> None:
    done = cli(*words)

    assert done.exit_code == status
    assert done.stderr
