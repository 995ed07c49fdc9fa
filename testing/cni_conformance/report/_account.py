"""What there is to say about a failure, as labels and text: a reader should be able to mend the plugin."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator

from cni_conformance._outcome import Result, Status, Step
from cni_conformance._requirements import every_requirement
from cni_conformance._versions import VERSIONS
from cni_conformance.report._words import call_in_question, outcome_of


MARKS = {
    Status.PASS: "✓",
    Status.FAIL: "✗",
    Status.WARN: "!",
    Status.KNOWN: "~",
    Status.SKIP: "-",
    Status.NOT_APPLICABLE: "·",
    Status.ERROR: "‼",
    Status.INFO: "i",
}
PLAIN_MARKS = {
    Status.PASS: "ok",
    Status.FAIL: "FAIL",
    Status.WARN: "WARN",
    Status.KNOWN: "KNOWN",
    Status.SKIP: "SKIP",
    Status.NOT_APPLICABLE: "n/a",
    Status.ERROR: "ERROR",
    Status.INFO: "info",
}

_LINES, _CHARACTERS = 15, 1500


def grouped(results: list[Result]) -> list[list[Result]]:
    """Results of one case about one requirement together, the newest version last."""
    groups: dict[tuple[str, str, Status], list[Result]] = {}
    for result in results:
        groups.setdefault((result.requirement, result.case, result.status), []).append(result)
    order = {version: number for number, version in enumerate(VERSIONS)}
    for group in groups.values():
        group.sort(key=lambda result: order.get(result.version, -1))
    return list(groups.values())


def name_of_group(group: list[Result]) -> str:
    """The case with all versions in which it came out like this."""
    versions = ", ".join(result.version for result in group if result.version)
    return group[0].case + (f" [{versions}]" if versions else "")


def of_failure(group: list[Result], *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Labels and texts for a group, shown by its last result."""
    result = group[-1]
    requirement = every_requirement().get(result.requirement)
    if requirement:
        yield "asked", requirement.text
    yield "test", result.title
    if result.reason:
        yield "reason", result.reason
    if result.expected:
        yield "expected", result.expected
    if result.actual:
        yield "actual", _cut(result.actual, verbose)
    if result.diff:
        yield "difference", _cut("\n".join(result.diff), verbose)
    for other in group[:-1]:
        if _without_version(other) != _without_version(result):
            yield f"in {other.version}", _cut(other.actual or other.reason, verbose)
    yield from _of_call(result, verbose=verbose)
    if requirement and result.status is not Status.ERROR:
        yield "clause", requirement.clause
        yield "link", requirement.url
        yield "why", requirement.why
        yield "fix", requirement.fix
    if result.reproducer:
        yield "replay", f"cni-conformance replay {result.requirement}"


def _without_version(result: Result) -> tuple[str, str]:
    """What was expected and seen, comparable between versions."""

    def neutral(text: str) -> str:
        return text.replace(result.version, "V") if result.version else text

    return neutral(result.expected), neutral(result.actual)


def _of_call(result: Result, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """The call of the plugin that went wrong, and the ones before it."""
    number, certain = call_in_question(result)
    if number is None:
        return
    step = result.steps[number]
    before = [_in_short(each) for each in result.steps[:number] if each.kind == "plugin"]
    if before:
        runs = [(text, len(list(run))) for text, run in itertools.groupby(before)]
        yield "before", ", ".join(text + (f" x {n}" if n > 1 else "") for text, n in runs)
    end = f"{step.title} {outcome_of(step)}".rstrip()
    yield "call" if certain else "last call", f"{end}, after {step.seconds:.2f} s"
    yield "command", _command(step)
    if step.stdin:
        yield "stdin", _cut(step.stdin, verbose)
    for name, text in (("stdout", step.stdout.strip()), ("stderr", step.stderr.strip())):
        if not text:
            yield name, "(nothing)"
        elif text not in result.actual:
            yield name, _cut(text, verbose)
    if step.diff:
        yield "difference", _cut("\n".join(step.diff), verbose)


def _in_short(step: Step) -> str:
    end = step.ended_by or step.exit_code
    return step.title if end is None else f"{step.title} ({end})"


def _command(step: Step) -> str:
    """The command as for a shell, with the variables that CNI defines."""
    variables = [
        f"{key}={shlex.quote(value)}"
        for key, value in sorted(step.env.items())
        if key.startswith("CNI_")
    ]
    return " ".join([*variables, *(shlex.quote(word) for word in step.argv)])


def _cut(text: str, verbose: bool) -> str:  # noqa: FBT001 - a private shorthand
    if verbose:
        return text
    lines = text.split("\n")
    shown = "\n".join(lines[:_LINES])
    if len(shown) > _CHARACTERS:
        return f"{shown[:_CHARACTERS]}\n... {len(text) - _CHARACTERS} more characters"
    if len(lines) > _LINES:
        return f"{shown}\n... {len(lines) - _LINES} more lines"
    return shown
