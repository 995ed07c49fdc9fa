"""The catalogue for reading: nothing is cut, links lead somewhere, unknown ids get a hint."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cni_conformance import _catalogue as catalogue
from cni_conformance._requirements import Requirement, requirements


ROWS = list(requirements().values())
PAGE = Path(__file__).parents[3] / "docs/reference/requirements.md"


def console(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == catalogue.list_markdown(ROWS)


def test_page_has_one_table_row_for_each_requirement() -> None:
    rows = [line for line in catalogue.list_markdown(ROWS).splitlines() if line.startswith("| [")]
    assert [line[3 : line.index("]")] for line in rows] == [row.id for row in ROWS]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}


def test_page_has_each_heading_once() -> None:
    lines = catalogue.list_markdown(ROWS).splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert len(headings) == len(set(headings)) > 10


def test_piped_table_has_one_whole_line_for_each_requirement() -> None:
    on = console()
    catalogue.list_table(on, ROWS)
    lines = printed(on).splitlines()
    assert len(lines) == len(ROWS)
    for line, row in zip(lines, ROWS, strict=True):
        assert line.startswith(row.id)
        assert line.endswith(row.text)


def test_empty_list_prints_nothing_where_piped() -> None:
    on = console()
    catalogue.list_table(on, [])
    assert printed(on) == ""


@pytest.mark.parametrize("width", [60, 100, 200])
def test_table_on_a_terminal_drops_no_word(width: int) -> None:
    on = console(width, terminal=True)
    catalogue.list_table(on, ROWS)
    text = printed(on)
    assert "…" not in text
    assert all(row.id in text for row in ROWS)
    assert max(map(len, text.splitlines())) <= width


def test_json_holds_every_attribute_and_links() -> None:
    documents = json.loads(catalogue.list_json(ROWS))
    assert [document["id"] for document in documents] == [row.id for row in ROWS]
    leak = next(document for document in documents if document["id"] == "field/portmap/3")
    assert leak["kinds"] == ["chained"]
    assert leak["issues"]["plugins#1190"].endswith("/containernetworking/plugins/issues/1190")
    assert leak["fix"]


@pytest.mark.parametrize(
    ("issue", "url"),
    [
        ("plugins#1196", "https://github.com/containernetworking/plugins/issues/1196"),
        ("containers/dnsname#21", "https://github.com/containers/dnsname/issues/21"),
        ("CVE-2020-10749", "https://www.cve.org/CVERecord?id=CVE-2020-10749"),
        ("GHSA-jv3w-x3r3-g6rm", "https://github.com/advisories/GHSA-jv3w-x3r3-g6rm"),
    ],
)
def test_issue_url(issue: str, url: str) -> None:
    assert catalogue.issue_url(issue) == url


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_issue_has_a_link_and_a_field_row_links_its_first(row: Requirement) -> None:
    links = [catalogue.issue_url(issue) for issue in row.issues]
    assert all(link.startswith("https://") for link in links)
    if row.id.startswith("field/"):
        assert row.url == links[0]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_explanation_is_complete(row: Requirement) -> None:
    on = console(40)
    catalogue.explain(row.id, on)
    words = " ".join(printed(on).split())
    how = row.untestable or row.how
    for part in (row.id, row.level, row.text, row.clause, row.url, row.why, how, row.fix):
        assert " ".join(part.split()) in words
    assert all(catalogue.issue_url(issue) in words for issue in row.issues)
    assert ("Seen in the field" in words) == bool(row.issues)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("0.1.0", "1.1.0", "all"),
        ("0.4.0", "1.1.0", "from 0.4.0"),
        ("0.3.0", "0.4.0", "0.3.0 to 0.4.0"),
        ("0.4.0", "0.4.0", "0.4.0"),
    ],
)
def test_versions_in_words(since: str, until: str, expected: str) -> None:
    row = Requirement(id="field/x/1", level="field", text="X.", since=since, until=until)
    assert catalogue.versions_of(row) == expected


@pytest.mark.parametrize(
    ("unknown", "close"),
    [
        ("spec/1.1.0/DEL", "spec/1.1.0/DEL/6"),
        ("spec/1.1.0/del/6", "spec/1.1.0/DEL/6"),
        ("field/portmaps/1", "field/portmap/1"),
    ],
)
def test_unknown_id_names_close_ones(unknown: str, close: str) -> None:
    with pytest.raises(catalogue.UnknownRequirement) as caught:
        catalogue.explain(unknown, console())
    assert isinstance(caught.value, KeyError)
    assert close in caught.value.close
    assert str(caught.value).startswith(f"there is no requirement {unknown}; did you mean ")
    assert close in str(caught.value)


def test_nonsense_is_refused_without_a_hint() -> None:
    with pytest.raises(catalogue.UnknownRequirement, match="^there is no requirement %%%$"):
        catalogue.explain("%%%", console())
