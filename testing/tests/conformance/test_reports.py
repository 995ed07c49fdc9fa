"""Report files and the terminal: complete, whole, and unharmed by what a plugin prints."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import jsonschema
import pytest
from rich.cells import cell_len
from rich.console import Console

from cni_conformance._outcome import PluginUnderTest, Report, Result, Status, Step
from cni_conformance._requirements import requirements
from cni_conformance.report import _file, _words, comparison, html, json_file, junit
from cni_conformance.report.terminal import TerminalReport


sys.path.insert(0, str(Path(__file__).parent))

import sample_report


SAMPLE = sample_report.sample()
WRITERS: dict[str, Callable[[Report, str], None]] = {
    "json": json_file.write,
    "junit": junit.write,
    "html": html.write,
    "comparison": lambda report, path: comparison.write_html([report], path),
}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]")


def changed(**values: Any) -> Report:
    return attrs.evolve(SAMPLE, **values)


def only(status: Status, **values: Any) -> Report:
    """A report with one result, of a call that went wrong."""
    result = Result(
        requirement="spec/1.1.0/DEL/6",
        level="must",
        case="del_twice",
        title="DEL twice.",
        status=status,
        version="1.1.0",
    )
    return changed(results=[attrs.evolve(result, **values)], level="must")


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_missing_directory_is_named_and_not_made(write: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no directory .*nowhere") as caught:
        write(SAMPLE, str(tmp_path / "nowhere" / "report"))
    assert caught.value.filename == str(tmp_path / "nowhere" / "report")
    assert not (tmp_path / "nowhere").exists()


def test_directory_as_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        json_file.write(SAMPLE, str(tmp_path))


def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        json_file.write(SAMPLE, str(path))
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.json"]


def test_new_file_has_the_mode_of_other_new_files(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    _file.write(str(tmp_path / "report"), "text")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "report")}
    assert len(modes) == 1


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    _file.write(str(tmp_path / "link"), "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"


def test_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _file.write(str(path), "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert path.is_fifo()


# -- JSON ------------------------------------------------------------------------------------------


def test_json_comes_back_as_it_went(tmp_path: Path) -> None:
    path = str(tmp_path / "report.json")
    json_file.write(SAMPLE, path)
    again = json_file.read(path)
    assert again == SAMPLE
    assert all(isinstance(result.status, Status) for result in again.results)


def test_sample_fits_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    json_file.write(SAMPLE, str(path))
    jsonschema.Draft202012Validator.check_schema(json_file.schema())
    validator = jsonschema.Draft202012Validator(json_file.schema())
    document = json.loads(path.read_text())
    assert [error.message for error in validator.iter_errors(document)] == []
    document["results"][0]["status"] = "splendid"
    assert [error.json_path for error in validator.iter_errors(document)] == ["$.results[0].status"]


@pytest.mark.parametrize(
    ("cls", "where"),
    [(Report, None), (PluginUnderTest, "plugin"), (Result, "result"), (Step, "step")],
)
def test_schema_names_every_attribute(cls: type, where: str | None) -> None:
    document = json_file.schema()
    described = document["$defs"][where] if where else document
    fields = {field.name: field for field in attrs.fields(cls)}
    assert list(described["properties"]) == list(fields)
    needed = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    assert set(described["required"]) - {"schema"} >= needed - {"config"}
    assert described["additionalProperties"] is False


def test_schema_knows_every_status() -> None:
    assert set(json_file.schema()["$defs"]["result"]["properties"]["status"]["enum"]) == set(Status)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "a report in format 2; this version reads format 1"),
        ({"schema": None}, "not a report of cni-conformance: it has no `schema`"),
        ({"seed": "7"}, 'seed must be an integer, not "7"'),
        ({"seed": True}, "seed must be an integer, not true"),
        ({"rootless": 1}, "rootless must be true or false, not 1"),
        ({"config": []}, "config must be an object, not []"),
        ({"plugin": {"path": "/p"}}, "plugin.name is missing"),
        ({"mood": "good"}, "mood is not a key of the format"),
        ({"results": [{"status": "?"}]}, "results[0].requirement is missing"),
        ({"not_observed": {"link": 3}}, "not_observed['link'] must be a string, not 3"),
    ],
)
def test_what_does_not_fit_is_named(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    json_file.write(SAMPLE, str(path))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError) as caught:
        json_file.read(str(path))
    assert str(caught.value) == f"{path}: {message}"


def test_unknown_status_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    json_file.write(only(Status.PASS), str(path))
    path.write_text(path.read_text().replace('"pass"', '"splendid"'))
    with pytest.raises(ValueError, match=r"results\[0\].status must be one of pass, fail"):
        json_file.read(str(path))


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x80", "[" * 100_000])
def test_broken_json_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="^" + re.escape(f"{path}: not a ")):
        json_file.read(str(path))


# -- JUnit -----------------------------------------------------------------------------------------


@pytest.fixture
def suites(tmp_path: Path) -> ET.Element:
    path = tmp_path / "report.xml"
    junit.write(SAMPLE, str(path))
    return ET.fromstring(path.read_bytes())


def test_junit_has_a_suite_for_each_section_and_a_case_for_each_result(suites: ET.Element) -> None:
    sections = {result.requirement.rpartition("/")[0] for result in SAMPLE.results}
    assert {suite.get("name") for suite in suites} == sections
    names = [case.get("name") for case in suites.iter("testcase")]
    assert len(names) == len(set(names)) == len(SAMPLE.results)
    assert "spec/1.1.0/DEL/1 del_leaves_nothing [1.1.0]" in names


def test_junit_counts_are_true(suites: ET.Element) -> None:
    for group in [suites, *suites]:
        for name, tag in {"tests": "testcase", "failures": "failure", "skipped": "skipped"}.items():
            assert int(group.get(name, "-1")) == len(list(group.iter(tag)))
    assert suites.get("failures") == str(len(SAMPLE.of_status(Status.FAIL)))


def test_junit_gives_the_time_of_a_case_once(suites: ET.Element) -> None:
    cases = {(result.case, result.version): result.seconds for result in SAMPLE.results}
    total = sum(float(case.get("time", "")) for case in suites.iter("testcase"))
    assert total == pytest.approx(sum(cases.values()))
    assert sum(float(suite.get("time", "")) for suite in suites) == pytest.approx(total)


def test_junit_failure_is_enough_to_mend_a_plugin(suites: ET.Element) -> None:
    case = next(each for each in suites.iter("testcase") if "DEL/1" in each.get("name", ""))
    failure = case.findtext("failure", "")
    row = requirements()["spec/1.1.0/DEL/1"]
    for part in (row.text, row.url, row.fix, "4 differences", "+ file: /var/lib", "env -i"):
        assert part in failure
    output = case.findtext("system-out", "")
    for part in ("DEL c1 eth0 (exited with 0", "CNI_COMMAND=DEL", "iptables is busy", "dbnet"):
        assert part in output


def test_junit_breaks_no_build_for_warnings(suites: ET.Element) -> None:
    kinds = {skipped.get("type"): skipped.get("message", "") for skipped in suites.iter("skipped")}
    assert kinds["warning"] == "warning: one rule is left"
    assert "tolerated until 2099-12-31" in kinds["known failure"]
    assert kinds.keys() == {"warning", "known failure", "skipped", "not applicable"}


def test_junit_has_errors_of_the_suite(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    junit.write(only(Status.ERROR, reason="it \x1b broke"), str(path))
    root = ET.fromstring(path.read_bytes())
    assert root.get("errors") == "1"
    error = root.find(".//error")
    assert error is not None
    assert error.get("message") == "it \\x1b broke"


# -- pages, as far as no browser is needed ---------------------------------------------------------


def written(write: Callable[[Report, str], None], tmp_path: Path) -> str:
    path = tmp_path / "page.html"
    write(SAMPLE, str(path))
    return path.read_text("utf-8")


PAGES = pytest.mark.parametrize("kind", ["html", "comparison"])


class Links(HTMLParser):
    """Collects what a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loading = {"src", "href", "data", "action", "srcset", "poster", "style"}
        self.found += [f"{tag} {key}" for key, _ in attrs if key in loading or key[:2] == "on"]


@PAGES
def test_page_needs_nothing_else(kind: str, tmp_path: Path) -> None:
    page = written(WRITERS[kind], tmp_path)
    links = Links()
    links.feed(page)
    assert links.found == []
    inline = "".join(re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.DOTALL))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|innerHTML|outerHTML|insertAdj", inline)


@PAGES
def test_page_allows_its_own_script_and_style_alone(kind: str, tmp_path: Path) -> None:
    page = written(WRITERS[kind], tmp_path)
    policy = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    allowed = set(re.findall(r"'sha256-(.*?)'", policy[0]))
    inline = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline]
    assert len(hashes) == 2
    assert set(hashes) == allowed
    assert "default-src 'none'" in policy[0]


@PAGES
def test_page_holds_its_data_without_any_markup(kind: str, tmp_path: Path) -> None:
    page = written(WRITERS[kind], tmp_path)
    data = page.split('id="data">')[1].split("</script>")[0]
    assert not re.search("[<>&\u2028\u2029]", data)
    assert json.loads(data)["requirements"]["spec/1.1.0/DEL/6"]["fix"]
    assert page.isprintable() or not CONTROL.search(page.replace("\n", ""))


@PAGES
def test_page_without_scripts_tells_the_outcome(kind: str, tmp_path: Path) -> None:
    page = written(WRITERS[kind], tmp_path)
    plain = page.split("<noscript>")[1].split("</noscript>")[0]
    assert "spec/1.1.0/DEL/1" in plain
    assert "<script" not in plain
    assert "<img" not in plain


def test_page_holds_each_transcript_once(tmp_path: Path) -> None:
    page = written(html.write, tmp_path)
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    distinct = {json.dumps([attrs.asdict(step) for step in each.steps]) for each in SAMPLE.results}
    assert len(data["cases"]) == len(distinct)
    ordered = [result for own in _words.by_section(SAMPLE.results).values() for result in own]
    for told, result in zip(data["results"], ordered, strict=True):
        assert data["cases"][told["where"]]["steps"] == [
            attrs.asdict(each) for each in result.steps
        ]
        script = "" if told["reproducer"] is None else data["reproducers"][told["reproducer"]]
        assert script == result.reproducer


def test_unknown_requirements_are_reported_last(tmp_path: Path) -> None:
    result = attrs.evolve(SAMPLE.results[0], requirement="future/topic/1")
    report = changed(results=[result, *SAMPLE.results])
    assert list(_words.by_section(report.results))[-1] == "future/topic"
    for name, write in WRITERS.items():
        write(report, str(tmp_path / name))
        assert "future/topic" in (tmp_path / name).read_text("utf-8")


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", sample_report.HOSTILE)
def test_printable_text_is_safe_for_terminals_and_xml(text: str) -> None:
    shown = _words.printable(text)
    assert not CONTROL.search(shown)
    assert ET.fromstring(ET.tostring(_element(shown), "utf-8")).text == shown


def _element(text: str) -> ET.Element:
    element = ET.Element("e")
    element.text = text
    return element


@pytest.mark.parametrize(
    ("report", "status", "sentence"),
    [
        (SAMPLE, Status.FAIL, "yolobridge fails 3 of "),
        (only(Status.PASS), Status.PASS, "meets all 1 tested requirements at level must"),
        (only(Status.WARN), Status.PASS, "meets all 1 tested"),
        (only(Status.SKIP), Status.SKIP, "Nothing was tested of yolobridge."),
        (changed(results=[]), Status.SKIP, "Nothing was tested"),
        (only(Status.ERROR), Status.ERROR, "the suite itself went wrong in 1 case."),
    ],
)
def test_verdict(report: Report, status: Status, sentence: str) -> None:
    found, words = _words.verdict(report)
    assert found is status
    assert sentence in words


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
    assert "in 0.4.0   something else" in shown(changed(results=results))


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
    number, text = compared(only(Status.PASS), changed(results=[]))
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
