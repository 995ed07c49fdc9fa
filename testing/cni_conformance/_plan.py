"""Which cases are carried out, with which versions and configurations, and why the others are not."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from attrs import frozen

from cni_conformance._case import Case, cases
from cni_conformance._facts import Facts
from cni_conformance._outcome import Result, Status
from cni_conformance._profile import Configuration
from cni_conformance._requirements import Requirement, matches, requirements
from cni_conformance._settings import Settings
from cni_conformance._versions import at_least, has_command


@frozen
class Task:
    """A case to carry out.

    Attributes:
        case: Which.
        version: The cniVersion to carry it out with.
        configuration: The one of the profile's to use.
    """

    case: Case
    version: str
    configuration: Configuration


def first_configuration(settings: Settings) -> Configuration:
    """The configuration that says most; without any, an empty one for what needs none."""
    if settings.profile.configurations:
        return settings.profile.configurations[0]
    return Configuration(plugin={"type": os.path.basename(settings.plugin)})


def plan(settings: Settings, facts: Facts) -> tuple[list[Task], list[Result]]:
    """What to carry out, and the results of what is not carried out, each with the reason."""
    tasks: list[Task] = []
    settled: list[Result] = []
    for case in cases().values():
        wanted = [requirements()[name] for name in case.ids if is_selected(settings, name)]
        if not wanted:
            continue
        reason = _why_not(settings, facts, case, wanted)
        versions = [] if reason else _versions(settings, facts, case, wanted)
        if not reason and not versions:
            reason = _why_no_version(settings, facts, case)
        if reason:
            status = Status.NOT_APPLICABLE if reason.startswith("n/a: ") else Status.SKIP
            settled += [
                outcome_of(case, each, status, "", reason=reason.removeprefix("n/a: "))
                for each in wanted
            ]
            continue
        chosen = settings.profile.configurations or (first_configuration(settings),)
        for configuration in chosen if case.configurations == "each" else chosen[:1]:
            tasks += [
                Task(case, version, configuration)
                for version in versions
                if at_least(version, configuration.since)
            ]
    return tasks, settled


def is_selected(settings: Settings, name: str) -> bool:
    """Whether a requirement was chosen with --select."""
    return not settings.select or any(matches(name, pattern) for pattern in settings.select)


def _why_not(settings: Settings, facts: Facts, case: Case, wanted: list[Requirement]) -> str:
    """Why a case is not carried out at all; empty when it is."""
    if facts.missing:
        return facts.missing
    if all(any(matches(each.id, pattern) for pattern in settings.skip) for each in wanted):
        return "left out with --skip"
    for each in wanted:
        for pattern, reason in settings.profile.unsupported.items():
            alone = len(wanted) == 1 and matches(each.id, pattern)
            if alone or pattern == case.name:
                return f"the profile declares it unsupported: {reason}"
    if case.kinds and facts.kind not in case.kinds:
        return f"n/a: is about {', '.join(case.kinds)} plugins; this is of kind {facts.kind}"
    if not any(facts.kind in each.kinds for each in wanted):
        return f"n/a: binds {', '.join(wanted[0].kinds)} plugins; this is of kind {facts.kind}"
    asks_for_versions = case.ids[0].startswith(("spec/1.1.0/VERSION", "spec/1.1.0/version"))
    if not settings.profile.configurations and not asks_for_versions:
        return "needs a network configuration: --config or --profile"
    if case.delegating and not facts.delegates:
        return "n/a: the plugin runs no delegate with this configuration"
    if case.generated and not settings.generated:
        return "left out with --no-generated, as all generated cases"
    if case.generated and importlib.util.find_spec("hypothesis") is None:
        return "needs Hypothesis: pip install 'cnisdk[conformance]'"
    return ""


def _versions(settings: Settings, facts: Facts, case: Case, wanted: list[Requirement]) -> list[str]:
    possible = [
        version
        for version in facts.versions
        if (not settings.versions or version in settings.versions)
        and all(has_command(version, command) for command in case.commands)
        and not (facts.kind == "chained" and version in {"0.1.0", "0.2.0"})
    ]
    bound = [
        [version for version in possible if each.binds(kind=facts.kind, version=version)]
        for each in wanted
    ]
    if case.versions == "newest":
        bound = [versions[-1:] for versions in bound]
    return [version for version in possible if any(version in versions for versions in bound)]


def _why_no_version(settings: Settings, facts: Facts, case: Case) -> str:
    del case
    supported = ", ".join(facts.versions)
    if settings.versions:
        return f"n/a: does not concern the chosen versions; the plugin supports {supported}"
    return f"n/a: does not concern the versions the plugin supports: {supported}"


def outcome_of(
    case: Case,
    requirement: Requirement,
    status: Status,
    version: str,
    *,
    name: str = "",
    **rest: Any,
) -> Result:
    """The result of a case about one of its requirements."""
    return Result(
        requirement=requirement.id,
        level=requirement.level,
        case=name or case.name,
        title=case.title,
        status=status,
        version=version,
        **rest,
    )
