"""Each rule on good and bad recordings, and what its text is like."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_recordings import BAD, OTHER
from good_recordings import GOOD
from runtime_traces import Trace

from cni_conformance._outcome import Result, Status
from cni_conformance._requirements import LEVELS, requirements
from cni_conformance._versions import VERSIONS
from cni_conformance.runtime_side import runtime_requirements
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side.rules import judge, rules


ROWS = list(runtime_requirements().values())
JUDGED = {row.id for row in ROWS if not row.untestable}


def named(results: dict[str, Result], status: Status) -> set[str]:
    return {name for name, result in results.items() if result.status is status}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_recording_violates_nothing(name: str) -> None:
    results = GOOD[name]().judged()

    wrong = {
        name: result.actual for name, result in results.items() if result.status is Status.FAIL
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("rule", "make"), [pytest.param(rule, make, id=f"{rule}-{what}") for rule, what, make in BAD]
)
def test_a_bad_recording_violates_its_rule_alone(rule: str, make: Callable[[], Trace]) -> None:
    trace = make()

    results = trace.judged()

    assert named(results, Status.FAIL) == {f"runtime/{rule}"}
    result = results[f"runtime/{rule}"]
    assert re.match(r"Call \d+, ", result.actual)
    assert result.expected == runtime_requirements()[result.requirement].text
    assert [step.kind for step in result.steps].count("plugin") == len(trace.calls)


def test_every_rule_has_a_good_recording_and_a_bad_one() -> None:
    good = {name for make in GOOD.values() for name in named(make().judged(), Status.PASS)}

    assert good == JUDGED
    assert {f"runtime/{rule}" for rule, _, _ in BAD} == JUDGED


def test_without_recordings_every_rule_is_skipped_with_a_reason() -> None:
    results = Trace().judged()

    assert named(results, Status.SKIP) == JUDGED
    assert all(result.reason for result in results.values())


def test_violations_below_the_level_are_warnings() -> None:
    trace = Trace().add("c1", "eth/0")
    seen = Recording(calls=trace.calls, conflist=trace.conflist)

    results = {each.requirement: each.status for each in judge(seen, "must")}

    assert results["runtime/parameters/8"] is Status.WARN


def test_a_runtime_is_not_held_to_a_later_version_than_it_claims() -> None:
    trace = Trace(version="1.0.0").add().delete()

    results = trace.judged("1.0.0")

    assert named(results, Status.FAIL) == set()
    assert results["runtime/request/1"].status is Status.PASS
    assert results["runtime/gc/1"].status is Status.NOT_APPLICABLE


def test_the_transcript_says_after_which_call_a_rule_was_violated() -> None:
    steps = Trace().add().edited(1, prevResult=OTHER).judged()["runtime/result/2"].steps

    assert [each.kind for each in steps] == ["plugin", "plugin", "note", "plugin"]
    assert steps[2].title == "runtime/result/2 is violated by call 2"


def test_of_the_environment_only_cnis_part_is_shown() -> None:
    trace = Trace().add(env={"TOKEN": "secret", "CNI_CONFORMANCE_BIN": "/x"}, in_path=False)

    (step, *_) = trace.judged()["runtime/parameters/10"].steps

    assert not {"TOKEN", "CNI_CONFORMANCE_BIN"} & step.env.keys()
    assert step.env["CNI_CONTAINERID"] == "c1"


# -- their texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_is_well_formed(row: Any) -> None:
    assert re.fullmatch(r"runtime/[a-z]+/[1-9]\d*", row.id)
    assert row.level in LEVELS
    assert row.since in VERSIONS
    assert (row.id in rules()) == (not row.untestable)
    for name in ("text", "why", "how", "fix"):
        text = getattr(row, name)
        assert len(text) > 10, name
        assert text[-1] == ".", name
    heading, _, quoted = row.clause.partition(': "')
    assert heading
    assert 3 <= len(quoted.split()) <= 6
    assert row.url.startswith(
        "https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#"
    )


def test_ids_are_counted_from_one_and_are_not_those_of_plugins() -> None:
    sections: dict[str, list[int]] = {}
    for row in ROWS:
        section, _, number = row.id.rpartition("/")
        sections.setdefault(section, []).append(int(number))

    assert sections == {name: list(range(1, len(n) + 1)) for name, n in sections.items()}
    assert not {row.id for row in ROWS} & requirements().keys()
    assert set(rules()) == JUDGED


if SPEC := os.environ.get("CNI_SPEC"):

    def test_clauses_can_be_found() -> None:
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", Path(str(SPEC)).read_text("utf-8"))
        plain = " ".join(re.sub(r"[`*_\[\]]", "", text).split()).lower()
        anchors = {
            re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)", Path(str(SPEC)).read_text("utf-8"), re.MULTILINE)
        }
        for row in ROWS:
            quoted = row.clause.partition(': "')[2][:-1].replace("`", "").replace("_", "").lower()
            assert quoted in plain, row.id
            assert re.sub(r"-1$", "", row.url.partition("#")[2]) in anchors, row.id
