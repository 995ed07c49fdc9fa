"""What the reports have in common: the order of sections, the verdict, and text that is safe to show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from cni_conformance._outcome import Report, Result, Status, Step
from cni_conformance._requirements import COUNTED_LEVELS, LEVELS, every_requirement


# From the worst to the least: what a requirement with several results comes to.
SEVERITY = (
    Status.ERROR,
    Status.FAIL,
    Status.WARN,
    Status.KNOWN,
    Status.PASS,
    Status.INFO,
    Status.SKIP,
    Status.NOT_APPLICABLE,
)
VIOLATED = (Status.FAIL, Status.WARN, Status.KNOWN)

WORDS = {
    Status.PASS: "passed",
    Status.FAIL: "failed",
    Status.WARN: "warnings",
    Status.KNOWN: "known failures",
    Status.SKIP: "skipped",
    Status.NOT_APPLICABLE: "not applicable",
    Status.ERROR: "errors of the suite",
    Status.INFO: "measurements",
}

_FAMILIES = {
    "spec": "Specification",
    "field": "Field",
    "sec": "Security",
    "perf": "Measurements",
    "runtime": "Runtime",
}

# Control characters, halves of surrogate pairs, what reorders text, and what XML forbids.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def printable(text: str) -> str:
    r"""Text of a plugin in which whatever a terminal or XML would choke on is written as `\x1b`."""
    return _UNSAFE.sub(_escape, text.replace("\r\n", "\n")).expandtabs(4)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def section_of(requirement: str) -> str:
    """An id without its number, also one that this version does not know."""
    return requirement.rpartition("/")[0]


def family_of(section: str) -> tuple[str, str]:
    """A section as a family and a topic in words, such as `Specification 1.1.0` and `DEL`."""
    family, *rest = section.split("/")
    topic = rest.pop() if rest else ""
    return " ".join([_FAMILIES.get(family, family), *rest]), topic


def by_section(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Results by section, in the order of the requirements."""
    known = list(every_requirement())
    order = {name: number for number, name in enumerate(known)}
    first = {section_of(name): order[name] for name in reversed(known)}

    def place(result: Result) -> tuple[int, int, str]:
        name, last = result.requirement, len(known)
        return first.get(section_of(name), last), order.get(name, last), name

    found: dict[str, list[Result]] = {}
    for result in sorted(results, key=place):
        found.setdefault(section_of(result.requirement), []).append(result)
    return found


def tally(results: Iterable[Result]) -> dict[Status, int]:
    """How many results have each status, those with none left out."""
    counted = Counter(result.status for result in results)
    return {status: counted[status] for status in Status if counted[status]}


def in_words(counts: dict[Status, int]) -> str:
    """Such as `12 passed, 1 failed`."""
    return ", ".join(f"{count} {_word(status, count)}" for status, count in counts.items())


def _word(status: Status, count: int) -> str:
    word = WORDS[status]
    if count != 1:
        return word
    return {"errors of the suite": "error of the suite"}.get(word, word.removesuffix("s"))


def worst(results: Iterable[Result]) -> Status:
    """What several results of one requirement come to."""
    return min((result.status for result in results), key=SEVERITY.index)


def verdict(report: Report) -> tuple[Status, str]:
    """The outcome of a run, as a status and a sentence."""
    name, level = printable(report.plugin.name), report.level
    errors = report.of_status(Status.ERROR)
    failed = {result.requirement for result in report.of_status(Status.FAIL)}
    judged = {
        result.requirement
        for result in report.of_status(Status.PASS, *VIOLATED)
        if result.level in COUNTED_LEVELS.get(level, LEVELS)
    }
    if errors:
        cases = len({(result.case, result.version) for result in errors})
        found = f" It failed {len(failed)} of the others." if failed else ""
        return (
            Status.ERROR,
            f"No verdict: the suite itself went wrong in {_many(cases, 'case')}.{found}",
        )
    if failed:
        of = _many(len(judged), "tested requirement")
        return Status.FAIL, f"{name} fails {len(failed)} of {of} at level {level}."
    if not judged:
        others = report.of_status(Status.PASS, *VIOLATED)
        what = f"Nothing that counts at level {level}" if others else "Nothing"
        return Status.SKIP, f"{what} was tested of {name}."
    return Status.PASS, f"{name} meets all {len(judged)} tested requirements at level {level}."


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def name_of(result: Result) -> str:
    """The case of a result with its version."""
    return f"{result.case} [{result.version}]" if result.version else result.case


def outcome_of(step: Step) -> str:
    """How a step ended, in a few words."""
    if step.ended_by == "timeout":
        return f"did not end within {step.seconds:.0f} s"
    if step.ended_by:
        return f"was killed by {step.ended_by}"
    return "" if step.exit_code is None else f"exited with {step.exit_code}"


def call_in_question(result: Result) -> tuple[int | None, bool]:
    """The place of the plugin call that a result is about, and whether that is certain.

    A case may go on after a violation. It is certain where a note in the steps tells of the violation,
    or where what was seen quotes the output or the end of a call; else it is the last call.
    """
    steps = list(enumerate(result.steps))
    noted = next((n for n, step in steps if step.kind == "note" and _tells_of(step, result)), None)
    calls = [(n, step) for n, step in steps[:noted] if step.kind == "plugin"]
    seen = _squeezed(result.actual)
    for number, step in reversed(calls):
        output = _squeezed(step.stdout)
        end = f"{step.title.partition(' ')[0]} {outcome_of(step)}"
        if output[:500] in seen if output else result.actual.startswith(end):
            return number, True
    return (calls[-1][0], noted is not None) if calls else (None, False)


def _tells_of(step: Step, result: Result) -> bool:
    return step.title.startswith(f"{result.requirement} is violated")


def _squeezed(text: str) -> str:
    """Text without blanks: the same for all ways to write a JSON document."""
    return "".join(text.split())
