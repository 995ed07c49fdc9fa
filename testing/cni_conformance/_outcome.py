"""What a run says: one `Report`, the results of its cases, and the steps each case took.

This is what is printed, written to files, compared and replayed. The JSON form is the attributes as
they are named here (`report.schema.json`).
"""

from __future__ import annotations

import enum
from typing import Any

from attrs import field, frozen


SCHEMA_VERSION = 1


class Status(enum.StrEnum):
    """What became of one requirement in one case."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    """Failed, at or above the chosen level."""
    WARN = "warn"
    """Failed, below the chosen level."""
    KNOWN = "known"
    """Failed, and listed in the file of known failures."""
    SKIP = "skip"
    """Not tested; the reason says why."""
    NOT_APPLICABLE = "n/a"
    """Does not bind this plugin: its kind or its versions."""
    ERROR = "error"
    """The harness itself failed."""
    INFO = "info"
    """A measurement; never fails."""


@frozen(kw_only=True)
class Step:
    """One thing a case did, in order.

    Attributes:
        kind: `plugin` for a call of the plugin under test, `setup` for a command of the harness,
            `note` for a remark or a state difference.
        title: One line, such as `ADD c1 eth0`.
        argv: The command.
        env: The complete environment of a plugin call.
        stdin: What the command read.
        stdout: What it printed, decoded with replacement characters, cut after 100,000 characters.
        stderr: The same of standard error.
        exit_code: The exit status; None when it was ended by a signal or by the time limit.
        ended_by: The signal's name or `timeout`, else empty.
        seconds: How long it took.
        max_rss: The largest resident size in bytes.
        delegate_calls: Calls that reached the fake delegate: command, environment, stdin, answer.
        diff: State that changed, as lines of a unified difference.
    """

    kind: str
    title: str
    argv: list[str] = field(factory=list)
    env: dict[str, str] = field(factory=dict)
    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    ended_by: str = ""
    seconds: float = 0.0
    max_rss: int = 0
    delegate_calls: list[dict[str, Any]] = field(factory=list)
    diff: list[str] = field(factory=list)


@frozen(kw_only=True)
class Result:
    """What one case says about one requirement.

    Attributes:
        requirement: The id, such as `spec/1.1.0/DEL/6`.
        level: must, should, may, field, sec or perf.
        case: The name of the case.
        title: What the case does, one line.
        version: The cniVersion the case ran with; empty where it is of no account.
        status: What became of it.
        reason: Why it was skipped, does not apply or is known; what the harness failed at.
        expected: What the requirement asks for, in this case.
        actual: What was seen instead.
        diff: State that should not have changed (or should have), as lines of a difference.
        steps: What the case did. Results of one case share their steps.
        reproducer: A shell script that does it again; empty unless the case failed.
        seconds: How long the case took.
    """

    requirement: str
    level: str
    case: str
    title: str
    status: Status
    version: str = ""
    reason: str = ""
    expected: str = ""
    actual: str = ""
    diff: list[str] = field(factory=list)
    steps: list[Step] = field(factory=list)
    reproducer: str = ""
    seconds: float = 0.0


@frozen(kw_only=True)
class PluginUnderTest:
    """The executable a report is about.

    Attributes:
        path: Where it lies.
        name: The name of its file.
        sha256: Of the file's content.
        kind: interface, chained, ipam or meta.
        versions: The spec versions it says it supports.
        about: The first line it prints when called without a command, if any.
    """

    path: str
    name: str
    sha256: str
    kind: str
    versions: list[str] = field(factory=list)
    about: str = ""


@frozen(kw_only=True)
class Report:
    """One run of the suite.

    Attributes:
        schema: The version of this format.
        suite_version: The version of the suite.
        spec_version: The newest version of the specification it knows.
        plugin: What was tested.
        profile: The name of the profile; empty without one.
        config: The network configuration, as given.
        level: The chosen level.
        seed: The seed of generated cases.
        rootless: Whether the run was in a user namespace.
        kernel: The kernel's release.
        started: When it began, ISO 8601 in UTC.
        seconds: How long it took.
        observed: The parts of the state that were watched.
        not_observed: The parts that could not be, each with the reason.
        command: The arguments of the command line, so that the run can be repeated.
        results: Every requirement that was looked at.
    """

    schema: int = SCHEMA_VERSION
    suite_version: str
    spec_version: str
    plugin: PluginUnderTest
    profile: str = ""
    config: dict[str, Any] | None = None
    level: str = "must"
    seed: int = 0
    rootless: bool = False
    kernel: str = ""
    started: str = ""
    seconds: float = 0.0
    observed: list[str] = field(factory=list)
    not_observed: dict[str, str] = field(factory=dict)
    command: list[str] = field(factory=list)
    results: list[Result] = field(factory=list)

    def of_status(self, *statuses: Status) -> list[Result]:
        """The results with one of the given statuses."""
        return [result for result in self.results if result.status in statuses]
