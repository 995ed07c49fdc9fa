"""Report files and the terminal: complete, whole, and unharmed by what a plugin prints."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import jsonschema
import pytest

from cni_conformance._outcome import PluginUnderTest, Report, Result, Status, Step
from cni_conformance._requirements import requirements
from cni_conformance.report import _file, _words, comparison, html, json_file, junit


sys.path.insert(0, str(Path(__file__).parent))

import sample_report


SAMPLE = sample_report.sample()
only = sample_report.only
WRITERS: dict[str, Callable[[Report, str], None]] = {
    "json": json_file.write,
    "junit": junit.write,
    "html": html.write,
    "comparison": lambda report, path: comparison.write_html([report], path),
}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]")


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
    report = attrs.evolve(SAMPLE, results=[result, *SAMPLE.results])
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
        (
            attrs.evolve(SAMPLE, results=SAMPLE.of_status(Status.WARN)),
            Status.SKIP,
            "Nothing that counts at level should was tested",
        ),
        (attrs.evolve(SAMPLE, results=[]), Status.SKIP, "Nothing was tested"),
        (only(Status.ERROR), Status.ERROR, "the suite itself went wrong in 1 case."),
    ],
)
def test_verdict(report: Report, status: Status, sentence: str) -> None:
    found, words = _words.verdict(report)
    assert found is status
    assert sentence in words
