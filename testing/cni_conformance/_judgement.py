"""What a case says of a plugin: each violation, with its place in the transcript."""

from __future__ import annotations

from typing import NoReturn

from attrs import define, field

from cni_conformance._case import Blocked, CaseStopped, NotApplicable, Violation
from cni_conformance._invocation import Invocation
from cni_conformance._outcome import Step
from cni_conformance.state import State


_HERE = "is violated here"


@define(kw_only=True, eq=False)
class Judgement:
    """A transcript, and the violations found in it.

    Attributes:
        steps: What has been done.
        violations: What has been found.
    """

    steps: list[Step] = field(factory=list)
    violations: list[Violation] = field(factory=list)

    def expect(
        self,
        requirement: str,
        condition: object,
        *,
        expected: str,
        actual: str | Invocation,
        diff: list[str] | None = None,
    ) -> bool:
        """Record a violation unless a condition holds, and go on.

        Args:
            requirement: The id that is violated.
            condition: What must hold.
            expected: What was asked for, in this situation.
            actual: What was seen: a sentence, or the call that went wrong.
            diff: State that differs.

        Returns:
            Whether the condition holds.
        """
        if condition:
            return True
        seen = actual.describe() if isinstance(actual, Invocation) else actual
        found = Violation(requirement=requirement, expected=expected, actual=seen, diff=diff or [])
        if not any(
            known.requirement == requirement and known.expected == expected
            for known in self.violations
        ):
            self.violations.append(found)
            note = Step(kind="note", title=f"{requirement} {_HERE}", argv=[])
            self.steps.insert(_end_of(actual, self.steps), note)
        return False

    def require(
        self,
        requirement: str,
        condition: object,
        *,
        expected: str,
        actual: str | Invocation,
        diff: list[str] | None = None,
    ) -> None:
        """As `expect`, and end the case when the condition does not hold."""
        if not self.expect(requirement, condition, expected=expected, actual=actual, diff=diff):
            raise CaseStopped

    def expect_same(self, requirement: str, before: State, after: State, *, expected: str) -> bool:
        """Record a violation if two pictures differ."""
        changes = before.diff(after)
        return self.expect(
            requirement,
            not changes,
            expected=expected,
            actual=f"{len(changes)} difference{'s' if len(changes) != 1 else ''}, see the list",
            diff=changes,
        )

    @property
    def end_of_violations(self) -> int:
        """Where in the transcript the last violation stands; what follows does not matter to any."""
        ends = [
            number
            for number, step in enumerate(self.steps, 1)
            if step.kind == "note" and step.title.endswith(_HERE)
        ]
        return max(ends, default=len(self.steps))

    @staticmethod
    def block(reason: str) -> NoReturn:
        """End the case without a word about its requirements."""
        raise Blocked(reason)

    @staticmethod
    def not_applicable(reason: str) -> NoReturn:
        """End the case: what it is about does not exist for this plugin."""
        raise NotApplicable(reason)


def _end_of(actual: str | Invocation, steps: list[Step]) -> int:
    """Where in the transcript the call that went wrong ends: calls may be judged later."""
    step = actual.step if isinstance(actual, Invocation) else None
    ends = (number for number, each in enumerate(steps, 1) if each is step)
    return next(ends, len(steps))
