"""The report on the terminal, and two reports beside each other: enough to mend a plugin, and nothing cut."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from rich.cells import cell_len
from rich.console import Console

from cni_conformance._outcome import Report, Result, Status, Step
from cni_conformance._requirements import requirements
from cni_conformance.report import _words, comparison
from cni_conformance.report.terminal import TerminalReport


sys.path.insert(0, str(Path(__file__).parent))

import sample_report


SAMPLE = sample_report.sample()
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]")
only = sample_report.only


def call(command: str, **values: Any) -> Step:
    return attrs.evolve(Step(kind="plugin", title=f"{command} c1 eth0", exit_code=0), **values)


CALLS = [
    call("ADD", stdout='{\n  "ips": []\n}'),
    call("DEL", exit_code=1, stdout='{"code": 7, "msg": "first"}'),
    call("DEL", exit_code=1),
    Step(kind="note", title="spec/1.1.0/DEL/6 is violated here"),
    call("DEL", exit_code=1, stdout='{"code": 7, "msg": "last"}'),
]


@pytest.mark.parametrize(
    ("requirement", "actual", "steps", "expected"),
    [
        ("x/1", 'the error is {"code":7,"msg":"first"}', CALLS, (1, True)),
        ("x/1", "DEL exited with 1 and printed nothing on standard output", CALLS, (2, True)),
        ("x/1", "an address is left", CALLS, (4, False)),
        ("spec/1.1.0/DEL/6", "an address is left", CALLS, (2, True)),
        ("x/1", "no call at all", [Step(kind="setup", title="ip link")], (None, False)),
    ],
)
def test_call_in_question(requirement: str, actual: str, steps: Any, expected: Any) -> None:
    result = only(Status.FAIL, requirement=requirement, actual=actual, steps=steps).results[0]
    assert _words.call_in_question(result) == expected


# -- terminal --------------------------------------------------------------------------------------


def console(*, terminal: bool = False, width: int = 80, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    return Console(file=file, width=width, force_terminal=terminal or None, color_system=None)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.TextIOWrapper)
    on.file.seek(0)
    return on.file.read()


def shown(report: Report, on: Console | None = None, *, verbose: bool = False) -> str:
    on = on or console()
    listener = TerminalReport(on, level=report.level, verbose=verbose)
    cases: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        cases.setdefault((result.case, result.version), []).append(result)
    listener.started(len(cases), report.plugin, report.profile)
    for results in cases.values():
        listener.case_done(results)
    listener.finished(report)
    return printed(on)


def test_log_has_no_control_characters_and_no_wrapped_lines() -> None:
    text = shown(SAMPLE)
    assert not CONTROL.search(text)
    command = next(line for line in text.splitlines() if "CNI_COMMAND=DEL" in line)
    assert command.endswith("CNI_PATH=/run/conformance/bin:/opt/cni/bin /opt/cni/bin/yolobridge")
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_failure_is_enough_to_mend_a_plugin(terminal: bool) -> None:
    text = " ".join(shown(SAMPLE, console(terminal=terminal, width=300)).split())
    row = requirements()["spec/1.1.0/DEL/1"]
    for part in (
        "spec/1.1.0/DEL/1 should del_leaves_nothing [1.1.0]",
        row.text,
        row.clause,
        row.url,
        row.why,
        row.fix,
        "expected after DEL the host is as it was before ADD",
        "actual 4 differences",
        "+ file: /var/lib/cni/yolobridge",
        "before ADD c1 eth0 (0) last call DEL c1 eth0 exited with 0",
        "stderr W: iptables is busy",
        "cni-conformance replay spec/1.1.0/DEL/1",
    ):
        assert " ".join(part.split()) in text


def test_versions_that_fail_alike_are_told_once() -> None:
    text = shown(SAMPLE)
    assert "errors_have_their_form [0.4.0, 1.0.0, 1.1.0]" in text
    assert text.count("expected   the error has the cniVersion") == 1


def test_version_that_fails_otherwise_is_told_too() -> None:
    results = [
        attrs.evolve(result, actual="something else")
        if (result.requirement, result.version) == ("spec/1.1.0/error/1", "0.4.0")
        else result
        for result in SAMPLE.results
    ]
    assert "in 0.4.0   something else" in shown(attrs.evolve(SAMPLE, results=results))


def test_skips_are_grouped_by_reason() -> None:
    text = shown(SAMPLE)
    assert text.count("the program 'nft' is not installed") == 1
    skipped = [result.requirement for result in SAMPLE.of_status(Status.SKIP)]
    assert ", ".join(skipped) in text


def test_sections_stand_in_a_tree_with_counts() -> None:
    lines = shown(SAMPLE).splitlines()
    top = lines.index("Specification 1.1.0")
    found = next(line for line in lines[top:] if line.split()[1:2] == ["DEL"])
    assert found.split(maxsplit=2)[2] == "2 failed, 6 passed, 1 not applicable"
    assert "spec/1.1.0/ADD/1" not in "\n".join(lines)
    assert "ok    spec/1.1.0/ADD/1  add_and_look" in shown(SAMPLE, verbose=True)


def test_summary_counts_by_status_and_level() -> None:
    lines = shown(SAMPLE).splitlines()
    must = next(line for line in lines if line.startswith("must "))
    header = lines[lines.index(must) - 1]
    counts = dict(zip(re.split(r"\s{2,}", header.strip()), must.split()[1:], strict=True))
    of_level = [result.status for result in SAMPLE.results if result.level == "must"]
    assert counts["passed"] == str(of_level.count(Status.PASS))
    assert counts["failed"] == str(of_level.count(Status.FAIL))
    assert counts["warnings"] == "-"
    assert lines[-1].startswith("yolobridge fails 3 of ")


def test_log_tells_of_progress_by_quarters() -> None:
    on = console()
    listener = TerminalReport(on, level="must")
    listener.started(8, SAMPLE.plugin, "")
    listener.case_done(only(Status.SKIP).results * 5)  # settled before the first case
    for number in range(8):
        status = Status.FAIL if number == 2 else Status.PASS
        listener.case_done(only(status, steps=CALLS).results)
    assert printed(on).splitlines()[1:] == [
        "2 of 8 cases",
        "4 of 8 cases, 1 failed",
        "6 of 8 cases, 1 failed",
        "8 of 8 cases, 1 failed",
    ]


@pytest.mark.parametrize("width", [60, 100])
def test_terminal_lines_fit_but_for_what_is_copied(width: int) -> None:
    text = shown(SAMPLE, console(terminal=True, width=width))
    text = text[text.index("Specification 1.1.0") :]
    assert "\x1b[31m" not in text
    whole = re.compile("^  (command|link|replay) ")
    long = [line for line in text.splitlines() if cell_len(line) > width and not whole.match(line)]
    assert long == []
    assert "…" not in text


def test_progress_leaves_the_cursor_visible_when_a_run_is_broken_off() -> None:
    on = console(terminal=True)
    listener = TerminalReport(on, level="must")
    listener.started(3, SAMPLE.plugin, "")
    assert printed(on).endswith("\x1b[?25l") or "\x1b[?25l" in printed(on)
    listener.close()
    assert printed(on).rindex("\x1b[?25h") > printed(on).rindex("\x1b[?25l")


@pytest.mark.parametrize("terminal", [False, True])
def test_encoding_without_the_characters_does_no_harm(terminal: bool) -> None:
    report = only(Status.FAIL, actual="Größe ✗", expected="größer")
    text = shown(report, console(terminal=terminal, encoding="ascii"))
    assert "Gr\\xf6\\xdfe \\u2717" in text


def test_long_output_is_cut_and_says_so() -> None:
    report = only(Status.FAIL, actual="\n".join(map(str, range(100))))
    assert "... 85 more lines" in shown(report)
    assert "more lines" not in shown(report, verbose=True)


# -- comparison ------------------------------------------------------------------------------------


def compared(a: Report, b: Report) -> tuple[int, str]:
    on = console()
    return comparison.render(a, b, on), printed(on)


def test_comparison_counts_differences_and_names_them() -> None:
    number, text = compared(SAMPLE, sample_report.better())
    assert number == 4
    parts = re.split(r"\n(?=Violated|Otherwise|\d+ of)", text)
    heads = {part.splitlines()[0]: part for part in parts}
    assert "spec/1.1.0/DEL/1" in heads["Violated by A only: 1"]
    assert "spec/1.1.0/ADD/1" in heads["Violated by B only: 1"]
    assert "only by A in errors_have_their_form [0.4.0]" in heads["Violated by both: 4"]
    assert "A pass, B skip" in heads["Otherwise different: 1"]
    assert not CONTROL.search(text)


def test_report_does_not_differ_from_itself() -> None:
    assert compared(SAMPLE, SAMPLE)[0] == 0


def test_level_of_the_run_is_no_difference() -> None:
    assert compared(only(Status.FAIL), only(Status.WARN))[0] == 0
    assert compared(only(Status.FAIL), only(Status.KNOWN))[0] == 0
    assert compared(only(Status.FAIL), only(Status.PASS))[0] == 1


def test_versions_of_one_plugin_alone_are_no_difference() -> None:
    assert compared(only(Status.FAIL), only(Status.FAIL, version="0.4.0"))[0] == 0


def test_requirement_in_one_report_alone_is_a_difference() -> None:
    number, text = compared(only(Status.PASS), attrs.evolve(SAMPLE, results=[]))
    assert number == 1
    assert "A pass, B not in the report" in text


def test_comparison_page_needs_a_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one report"):
        comparison.write_html([], str(tmp_path / "page.html"))


def rows_of(reports: list[Report], path: Path) -> Iterator[dict[str, Any]]:
    comparison.write_html(reports, str(path))
    yield from json.loads(path.read_text("utf-8").split('id="data">')[1].split("</script>")[0])[
        "rows"
    ]


def test_comparison_page_marks_the_same_differences(tmp_path: Path) -> None:
    rows = rows_of([SAMPLE, sample_report.better()], tmp_path / "page.html")
    differing = {row["id"] for row in rows if row["differs"]}
    assert differing == {f"spec/1.1.0/{name}" for name in ("DEL/1", "ADD/1", "ADD/2", "error/1")}
