"""From what a case saw to a result for each of its requirements."""

from __future__ import annotations

import functools
import os
from typing import Any

from cni_conformance import _worker
from cni_conformance._case import Case, Violation
from cni_conformance._facts import Facts
from cni_conformance._outcome import Result, Status, Step
from cni_conformance._plan import Task, first_configuration, is_selected, outcome_of
from cni_conformance._requirements import COUNTED_LEVELS, Requirement, matches, requirements
from cni_conformance._settings import Settings


_SHOWN = 8


def verdicts(settings: Settings, facts: Facts, task: Task, outcome: Any) -> list[Result]:
    """A result for each requirement that was looked at.

    Args:
        settings: Of the run.
        facts: What is known of the plugin.
        task: What was carried out.
        outcome: What its process handed back, or a `WorkerError`.
    """
    case, version = task.case, task.version
    wanted = [
        requirements()[name]
        for name in case.ids
        if is_selected(settings, name)
        and requirements()[name].binds(kind=facts.kind, version=version)
    ]
    name = case.name
    if task.configuration.name not in {"default", first_configuration(settings).name}:
        name += f"[{task.configuration.name}]"
    make = functools.partial(outcome_of, case, version=version, name=name)
    if isinstance(outcome, _worker.WorkerError):
        return [make(each, Status.ERROR, reason=str(outcome)) for each in wanted]
    steps = [Step(**step) for step in outcome["steps"]]
    make = functools.partial(make, steps=steps, seconds=outcome["seconds"])
    violations: dict[str, list[Violation]] = {}
    for row in outcome["violations"]:
        violations.setdefault(row["requirement"], []).append(Violation(**row))
    results: list[Result] = []
    for each in wanted:
        if each.id in violations:
            violation, *more = violations[each.id]
            status, reason = _judge(settings, each, case)
            results.append(
                make(
                    each,
                    status,
                    reason=reason,
                    expected=violation.expected,
                    actual=_with_others(violation.actual, more),
                    diff=violation.diff,
                    reproducer=outcome["reproducer"],
                )
            )
        elif outcome["not_applicable"]:
            results.append(make(each, Status.NOT_APPLICABLE, reason=outcome["not_applicable"]))
        elif outcome["blocked"]:
            results.append(make(each, Status.SKIP, reason=outcome["blocked"]))
        elif outcome["stopped"]:
            first = ", ".join(violations)
            results.append(make(each, Status.SKIP, reason=f"not reached: {first} failed first"))
        elif each.level == "perf":
            results.append(make(each, Status.INFO))
        else:
            results.append(make(each, Status.PASS))
    return results


def _with_others(actual: str, more: list[Violation]) -> str:
    """What was seen, and what else in the case is against the same requirement."""
    lines = [f"this does not hold either: {each.expected}" for each in more[:_SHOWN]]
    if len(more) > _SHOWN:
        lines.append(f"and {len(more) - _SHOWN} more of the kind")
    return "\n".join([actual, *lines])


def _judge(settings: Settings, requirement: Requirement, case: Case) -> tuple[Status, str]:
    known = settings.known.reason(requirement.id, os.path.basename(settings.plugin))
    if known:
        return Status.KNOWN, known
    for pattern, reason in settings.profile.unsupported.items():
        if matches(requirement.id, pattern) or pattern == case.name:
            return Status.SKIP, f"the profile declares it unsupported: {reason}"
    counted = requirement.level in COUNTED_LEVELS[settings.level]
    return (Status.FAIL if counted else Status.WARN), ""
