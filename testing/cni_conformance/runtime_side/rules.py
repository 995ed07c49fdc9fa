"""All rules for runtimes, and a recording judged by them."""

from __future__ import annotations

from cni_conformance._outcome import Result, Status, Step
from cni_conformance._requirements import COUNTED_LEVELS, LEVELS, Requirement, runtime_requirements
from cni_conformance._versions import at_least
from cni_conformance.runtime_side import _lifecycle, _parameters, _request
from cni_conformance.runtime_side._call import Call
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side._rule import Rule, registered


__all__ = ["judge", "rules", "steps_of"]

_MODULES = (_parameters, _request, _lifecycle)
"""Importing them registers their rules."""
_SHOWN = 5
"""Violations of one rule that are told one by one."""


def rules() -> dict[str, Rule]:
    """All rules by id."""
    return registered()


def judge(seen: Recording, level: str = "must") -> list[Result]:
    """Judge a recording by every rule, in the order of `rules.toml`."""
    return [
        _result(requirement, rules()[requirement.id], seen, level)
        for requirement in runtime_requirements().values()
        if not requirement.untestable
    ]


def _result(requirement: Requirement, rule: Rule, seen: Recording, level: str) -> Result:
    def result(
        status: Status, reason: str = "", actual: str = "", steps: list[Step] | None = None
    ) -> Result:
        return Result(
            requirement=requirement.id,
            level=requirement.level,
            case="recording",
            title=requirement.how,
            status=status,
            reason=reason,
            expected=requirement.text if actual else "",
            actual=actual,
            steps=steps or [],
        )

    if not at_least(seen.spec_version, requirement.since):
        return result(Status.NOT_APPLICABLE, f"binds from version {requirement.since} on")
    looked_at = list(rule.look(seen))
    if not looked_at:
        return result(Status.SKIP, rule.otherwise)
    wrong = [(call, problem) for call, problem in looked_at if problem]
    if not wrong:
        return result(Status.PASS)
    counts = requirement.level in COUNTED_LEVELS.get(level, LEVELS)
    status = Status.FAIL if counts else Status.WARN
    first = wrong[0][0]
    return result(status, actual=_account(wrong), steps=_told(requirement.id, first, seen.calls))


def _account(wrong: list[tuple[Call, str]]) -> str:
    lines = [f"Call {call.number}, {call.title}: {problem}" for call, problem in wrong[:_SHOWN]]
    more = len(wrong) - _SHOWN
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def _told(requirement: str, call: Call, calls: list[Call]) -> list[Step]:
    """The calls, with a note after the one that violates a rule first."""
    note = Step(kind="note", title=f"{requirement} is violated by call {call.number}")
    number = calls.index(call) + 1
    return [*steps_of(calls[:number]), note, *steps_of(calls[number:])]


def steps_of(calls: list[Call]) -> list[Step]:
    """Calls as a report shows them.

    Of the environment only what CNI defines is shown: the rest is the runtime's own, and may hold
    what nobody should publish.
    """
    return [
        Step(
            kind="plugin",
            title=f"{call.number}. {call.title}",
            argv=[call.plugin],
            env={name: value for name, value in call.env.items() if _is_cnis(name)},
            stdin=call.stdin,
            stdout=call.answer,
            exit_code=call.exit_code,
            ended_by="" if call.ended else "the runtime",
            seconds=round(((call.ended or call.started) - call.started) / 1e9, 3),
        )
        for call in calls
    ]


def _is_cnis(variable: str) -> bool:
    return variable.startswith("CNI_") and not variable.startswith("CNI_CONFORMANCE_")
