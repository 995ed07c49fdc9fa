"""The catalogue of requirements is complete, well formed and true to the specification."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_conformance._requirements import KINDS, LEVELS, Requirement, requirements
from cni_conformance._versions import VERSIONS, at_least


ROWS = list(requirements().values())
INVENTORY = tomllib.loads(Path(__file__).with_name("spec_sentences.toml").read_text("utf-8"))
SENTENCES: list[dict[str, object]] = INVENTORY["sentence"]
DECLARATIVE: dict[str, str] = INVENTORY["declarative"]

# A SPEC.md of version 1.1.0. Where none is named, the tests that read it do not exist.
SPEC = os.environ.get("CNI_SPEC")

ID = re.compile(
    r"(spec/\d+\.\d+\.\d+/[A-Za-z]+|(field|sec|perf)/[a-z]+)/[1-9]\d*"
)  # such as spec/1.1.0/DEL/3
ISSUE = re.compile(
    r"([\w.-]+/)?[\w.-]+#[1-9]\d*|CVE-\d{4}-\d{4,}|GHSA(-[23456789cfghjmpqrvwx]{4}){3}"
)
_NORMATIVE = re.compile(r"\b(must|should|may|required|shall|recommended|optional)\b", re.IGNORECASE)
_END = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])\s+(?=[^a-z\s])")


def named(sentence: dict[str, object]) -> list[str]:
    ids = sentence.get("ids", [])
    assert isinstance(ids, list)
    return [str(i) for i in ids]


def normative_sentences(text: str) -> Iterator[tuple[str, str]]:
    """Each sentence with a normative word, and the heading it stands under; examples left out."""
    heading, fenced = "", False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            continue
        elif line.startswith("#"):
            heading = line.lstrip("#").replace("`", "").rstrip(": ").strip()
        else:
            for sentence in _END.split(line.strip()):
                if _NORMATIVE.search(sentence):
                    yield heading, sentence


def fingerprint(sentence: str) -> str:
    return hashlib.sha256(" ".join(sentence.split()).lower().encode()).hexdigest()


def anchors_of(text: str) -> Iterator[str]:
    """The fragments GitHub gives the headings of a text; one that comes again is counted."""
    seen: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
        base = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        count = seen.setdefault(base, 0)
        seen[base] += 1
        yield f"{base}-{count}" if count else base


def plain(text: str) -> str:
    """Text without the marks of Markdown, in single blanks, so that a quotation is found."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[`*_\[\]]", "", text).split()).lower()


# -- each row ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_is_well_formed(row: Requirement) -> None:
    family = row.id.partition("/")[0]
    assert ID.fullmatch(row.id)
    assert row.level in LEVELS
    assert (row.level == family) == (family != "spec")
    assert row.kinds
    assert list(row.kinds) == [kind for kind in KINDS if kind in row.kinds]
    assert row.since in VERSIONS
    assert row.until in VERSIONS
    assert at_least(row.until, row.since)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_explains_itself(row: Requirement) -> None:
    for name in ("text", "clause", "why", "how", "fix"):
        assert len(getattr(row, name)) > 10, name
    for name in ("text", "why", "how", "fix"):
        assert getattr(row, name)[-1] == ".", name
    assert re.fullmatch(r"https://[^\s]+", row.url)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.id.startswith("spec/")], ids=lambda row: row.id
)
def test_clause_quotes_few_words_of_the_version_its_id_names(row: Requirement) -> None:
    heading, _, quoted = row.clause.partition(': "')
    assert heading
    assert quoted.endswith('"')
    assert 3 <= len(quoted.split()) <= 6
    version = row.id.split("/")[1]
    assert row.url.startswith(
        f"https://github.com/containernetworking/cni/blob/spec-v{version}/SPEC.md#"
    )


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.id.startswith("field/")], ids=lambda row: row.id
)
def test_field_row_names_reports(row: Requirement) -> None:
    assert row.issues
    for issue in row.issues:
        assert ISSUE.fullmatch(issue), issue


def test_ids_are_unique_and_counted_from_one() -> None:
    path = Path(__file__).parents[2] / "cni_conformance/requirements.toml"
    ids = [row["id"] for row in tomllib.loads(path.read_text("utf-8"))["requirement"]]
    sections: dict[str, list[int]] = {}
    for requirement in ids:
        section, _, number = requirement.rpartition("/")
        sections.setdefault(section, []).append(int(number))
    assert len(ids) == len(set(ids))
    assert sections == {name: list(range(1, len(n) + 1)) for name, n in sections.items()}


def test_texts_that_name_other_rows_name_existing_ones() -> None:
    mentioned = {
        match[0]
        for row in ROWS
        for match in ID.finditer(f"{row.why} {row.how} {row.fix} {row.untestable}")
    }
    assert mentioned
    assert mentioned <= requirements().keys()


# -- the sentences of the specification --------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence", [pytest.param(s, id=f"{n}-{s['begins']}") for n, s in enumerate(SENTENCES, 1)]
)
def test_sentence_that_binds_a_plugin_has_a_requirement(sentence: dict[str, object]) -> None:
    assert sentence["binds"] in {"plugin", "runtime", "administrator", "text"}
    assert len(str(sentence["begins"]).split()) <= 5
    assert re.fullmatch(r"[0-9a-f]{64}", str(sentence["fingerprint"]))
    assert set(named(sentence)) <= requirements().keys()
    assert named(sentence) or sentence["binds"] != "plugin"


def test_every_requirement_of_the_newest_version_has_a_sentence() -> None:
    from_sentences = {requirement for sentence in SENTENCES for requirement in named(sentence)}
    newest = {row.id for row in ROWS if row.id.startswith(f"spec/{VERSIONS[-1]}/")}
    assert newest - from_sentences == DECLARATIVE.keys()
    assert from_sentences <= newest


if SPEC:

    def test_inventory_is_the_specification() -> None:
        text = Path(str(SPEC)).read_text("utf-8")
        found = [(h, fingerprint(s)) for h, s in normative_sentences(text)]
        assert [(s["section"], s["fingerprint"]) for s in SENTENCES] == found

    def test_clauses_can_be_found() -> None:
        text = Path(str(SPEC)).read_text("utf-8")
        anchors = list(anchors_of(text))
        for row in ROWS:
            if "spec-v1.1.0" in row.url:
                assert row.url.partition("#")[2] in anchors, row.id
                assert plain(row.clause.partition(': "')[2][:-1]) in plain(text), row.id


# -- the functions above -----------------------------------------------------------------------------


def test_only_sentences_with_normative_words_are_found() -> None:
    text = "# One\nA plugin does. It MUST (e.g. IPAM) work. \n```\nmust\n```\n### `Two`: three\n- May it?"
    assert list(normative_sentences(text)) == [
        ("One", "It MUST (e.g. IPAM) work."),
        ("Two: three", "- May it?"),
    ]


def test_fingerprint_ignores_case_and_white_space() -> None:
    assert fingerprint("It  MUST\twork.") == fingerprint("it must work.")
    assert fingerprint("It must work.") != fingerprint("It must not work.")


def test_anchors_are_those_of_github() -> None:
    text = "### Lifecycle & Ordering\n#### `GC`: Clean up any\n## Overview\n# Overview\n"
    assert list(anchors_of(text)) == [
        "lifecycle--ordering",
        "gc-clean-up-any",
        "overview",
        "overview-1",
    ]
