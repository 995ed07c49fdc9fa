"""Examples of a generated case: so many, in so much time, and the smallest one that fails.

Hypothesis makes them and shrinks them. What is kept of a failure is what a reader needs: the steps of
the smallest failing example alone, so that the script that reproduces it is short.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import define, field

from cni_conformance._case import Blocked
from cni_conformance._outcome import Step
from cni_conformance._testbed import BASE, Testbed


if TYPE_CHECKING:
    from hypothesis import settings as Settings  # noqa: N812 - it is a class with a small name


class Failure(Exception):
    """An example a plugin fails, so that Hypothesis shrinks it."""


@define
class _Found:
    requirement: str
    expected: str
    actual: str
    diff: list[str]
    steps: list[Step]
    times: int = 1

    @property
    def size(self) -> tuple[int, int]:
        calls = [step for step in self.steps if step.kind == "plugin"]
        return len(calls), sum(len(step.stdin) + len(step.env) for step in calls)


@define(kw_only=True)
class Examples:
    """The examples of one case.

    Attributes:
        testbed: Where they take place.
        count: How many.
        seconds: After how long no more are tried; half of it again for shrinking.
        steps: Rules an example of a state machine runs.
    """

    testbed: Testbed
    count: int
    seconds: float = 30.0
    steps: int = 8
    _tried: int = 0
    _found: dict[str, _Found] = field(factory=dict)
    _blocked: str = ""
    _setup: list[Step] = field(factory=list)
    _end: float = 0.0

    def each(self, strategy: Any, judge: Callable[[Any], None]) -> None:
        """Judge examples of a strategy; the smallest failure becomes a violation."""
        hypothesis = _hypothesis()

        def example(value: Any) -> None:
            if not self.over:
                with self.one():
                    judge(value)

        # Applied one by one: mypy does not know the decorators of a module that is imported late.
        tried: Any = hypothesis.given(strategy)(example)
        tried = self._settings()(tried)
        self._run(hypothesis.seed(self.testbed.random.getrandbits(64))(tried))

    def of_machine(self, machine: Any) -> None:
        """Judge runs of a state machine, whose rules call `one`, `trying` and `fail`."""
        hypothesis = _hypothesis()
        stateful = importlib.import_module("hypothesis.stateful")
        seeded = hypothesis.seed(self.testbed.random.getrandbits(64))(machine)
        self._run(lambda: stateful.run_state_machine_as_test(seeded, settings=self._settings()))

    @property
    def over(self) -> bool:
        """Whether the time is over: what is left of an example is then passed over."""
        return time.monotonic() > self._end

    def stop(self) -> None:
        """Try no more examples."""
        self._end = 0.0

    @contextlib.contextmanager
    def one(self) -> Generator[None]:
        """One example: its steps begin here."""
        self.begin()
        with self.trying():
            yield

    def begin(self) -> None:
        """Forget the steps of the example before."""
        self._tried += 1
        self.testbed.steps[:] = self._setup
        self.testbed.forget_delegate_calls()

    @contextlib.contextmanager
    def trying(self) -> Generator[None]:
        """A part of an example that may be impossible here."""
        try:
            yield
        except Blocked as reason:
            self._blocked = str(reason)

    def expect(
        self,
        requirement: str,
        condition: object,
        *,
        expected: str,
        actual: str,
        diff: list[str] | None = None,
    ) -> None:
        """As `Testbed.expect`, but the example ends here and is shrunk."""
        if not condition:
            self.fail(requirement, expected=expected, actual=actual, diff=diff)

    def fail(
        self, requirement: str, *, expected: str, actual: str, diff: list[str] | None = None
    ) -> NoReturn:
        """End the example with what it has shown."""
        if not self._found:
            self._end = min(self._end, time.monotonic()) + self.seconds / 2
        steps = self.testbed.steps[len(self._setup) :]
        found = _Found(requirement, expected, actual, diff or [], steps)
        known = self._found.get(requirement)
        if known is not None:
            found.times = known.times + 1
            if known.size < found.size:
                known.times, found = found.times, known
        self._found[requirement] = found
        raise Failure(requirement)

    def _run(self, test: Callable[[], None]) -> None:
        errors = importlib.import_module("hypothesis.errors")
        self._setup = list(self.testbed.steps)
        self._end = time.monotonic() + self.seconds
        with contextlib.suppress(Failure, errors.Flaky):
            test()
        self.testbed.steps[:] = self._setup
        self._conclude()

    def _conclude(self) -> None:
        testbed = self.testbed
        if not self._found:
            if self._blocked:
                testbed.block(self._blocked)
            testbed.note("note", f"{self._tried} generated examples, and no failure")
            return
        # Hypothesis repeats what it reports, unless there was no time left.
        certain = [each for each in self._found.values() if each.times > 1 or self.over]
        found = min(certain or self._found.values(), key=lambda each: each.size)
        testbed.steps += found.steps
        if not certain:
            testbed.note("note", f"seen once and not again: {found.requirement}: {found.actual}")
            return
        failures = sum(each.times for each in self._found.values())
        testbed.note("note", f"the smallest of {failures} failing examples")
        testbed.expect(
            found.requirement,
            condition=False,
            expected=found.expected,
            actual=found.actual,
            diff=found.diff,
        )

    def _settings(self) -> Settings:
        hypothesis = _hypothesis()
        chosen: Settings = hypothesis.settings(
            max_examples=self.count,
            stateful_step_count=self.steps,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            suppress_health_check=list(hypothesis.HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=hypothesis.Verbosity.quiet,
        )
        return chosen


def prepare() -> None:
    """Let Hypothesis keep its files where the state oracle does not look."""
    configuration = importlib.import_module("hypothesis.configuration")
    configuration.set_hypothesis_home_dir(f"{BASE}/hypothesis")


def _hypothesis() -> Any:
    return importlib.import_module("hypothesis")
