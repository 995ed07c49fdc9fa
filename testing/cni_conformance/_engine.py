"""A run: decide which cases apply, carry each out in a process of its own, and write the report."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import importlib.util
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen

from cni_conformance import _reproducer, _sandbox, _worker
from cni_conformance._case import Blocked, Case, CaseStopped, NotApplicable, Violation, cases
from cni_conformance._delegate import FAKE_IPAM, FakeDelegate
from cni_conformance._facts import Facts
from cni_conformance._known import KnownFailures
from cni_conformance._outcome import PluginUnderTest, Report, Result, Status, Step
from cni_conformance._probe import delegate_key, probe
from cni_conformance._profile import Configuration, Profile
from cni_conformance._requirements import COUNTED_LEVELS, Requirement, matches, requirements
from cni_conformance._testbed import BASE, Testbed
from cni_conformance._versions import NEWEST, at_least, has_command
from cni_conformance.state import Observer
from cni_conformance.state._state import OBSERVED, not_observed


CASE_LIMIT = 240.0
SUITE_VERSION = "0.1.0"


@frozen(kw_only=True)
class Settings:
    """What to run.

    Attributes:
        plugin: The path of the executable.
        profile: How to test it.
        cni_path: Directories with other plugins.
        level: must, should or field: what counts as failure.
        versions: Spec versions to test; empty for all.
        select: Ids or globs to run; empty for all.
        skip: Ids or globs to leave out.
        generated: Whether to run generated cases too, which take most of the time.
        seed: For generated cases.
        jobs: How many cases at a time.
        known: Failures that are known.
        command: The arguments of the command line, kept in the report.
    """

    plugin: str
    profile: Profile
    cni_path: tuple[str, ...] = ()
    level: str = "must"
    versions: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    generated: bool = True
    seed: int = 0
    jobs: int = 1
    known: KnownFailures = field(factory=KnownFailures)
    command: tuple[str, ...] = ()


class HarnessError(Exception):
    """The suite itself cannot work here; the message says why."""


class Listener:
    """Is told of the progress of a run; a base that does nothing."""

    def started(self, total: int, plugin: PluginUnderTest, profile: str) -> None:
        """The run begins; so many cases will be carried out."""

    def case_done(self, results: list[Result]) -> None:
        """One case is done."""

    def finished(self, report: Report) -> None:
        """The run is over."""


@frozen
class _Task:
    case: Case
    version: str
    configuration: Configuration


def run(settings: Settings, listener: Listener | None = None) -> Report:
    """Test a plugin.

    Raises:
        HarnessError: Sandboxes cannot be made here, or the first calls went wrong in ours.
    """
    listener = listener or Listener()
    begin = time.monotonic()
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    settings = _with_delegates(settings)
    facts, limits = _probe(settings)
    plugin = _plugin(settings, facts)
    tasks, results = _plan(settings, facts)
    listener.started(len(tasks), plugin, settings.profile.name)
    if results:
        listener.case_done(results)
    crew = _worker.Crew(jobs=settings.jobs, limit=CASE_LIMIT)
    for task, outcome in crew.run(_works(settings, facts, tasks)):
        done = _results(settings, facts, task, outcome)
        results += done
        listener.case_done(done)
    order = {name: number for number, name in enumerate(requirements())}
    results.sort(key=lambda result: (order[result.requirement], result.case, result.version))
    report = Report(
        suite_version=SUITE_VERSION,
        spec_version=NEWEST,
        plugin=plugin,
        profile=settings.profile.name,
        config=_shown_config(settings),
        level=settings.level,
        seed=settings.seed,
        rootless=os.geteuid() != 0,
        kernel=os.uname().release,
        started=started,
        seconds=round(time.monotonic() - begin, 2),
        observed=list(OBSERVED),
        not_observed={**not_observed(), **limits},
        command=list(settings.command),
        results=results,
    )
    listener.finished(report)
    return report


def exit_status(report: Report) -> int:
    """0 nothing failed, 1 something did, 3 the harness itself failed."""
    if report.of_status(Status.ERROR):
        return 3
    return 1 if report.of_status(Status.FAIL) else 0


# -- before the cases ----------------------------------------------------------------------------


def _with_delegates(settings: Settings) -> Settings:
    """Put the fake delegate where a configuration names one that is not installed."""
    profile = settings.profile
    key = profile.delegate
    if not key and profile.configurations:
        key = delegate_key(profile.configurations[0])
        is_itself = os.path.basename(settings.plugin) == _type_in(profile.configurations[0], key)
        if is_itself or profile.kind == "ipam":
            key = ""
    configurations = tuple(
        _with_found_delegate(each, key, settings.cni_path) for each in profile.configurations
    )
    return attrs.evolve(
        settings, profile=attrs.evolve(profile, delegate=key, configurations=configurations)
    )


def _type_in(configuration: Configuration, key: str) -> str:
    section = configuration.plugin.get(key)
    return str(section.get("type", "")) if isinstance(section, dict) else ""


def _with_found_delegate(
    configuration: Configuration, key: str, cni_path: tuple[str, ...]
) -> Configuration:
    wanted = _type_in(configuration, key)
    found = any(os.access(os.path.join(folder, wanted), os.X_OK) for folder in cni_path)
    if not wanted or wanted == FAKE_IPAM or found:
        return configuration
    plugin = {**configuration.plugin, key: {**configuration.plugin[key], "type": FAKE_IPAM}}
    return attrs.evolve(configuration, plugin=plugin)


def _probe(settings: Settings) -> tuple[Facts, dict[str, str]]:
    configuration = _first_configuration(settings)

    def work() -> dict[str, Any]:
        try:
            testbed = _testbed(settings, Facts(kind=settings.profile.kind), NEWEST, configuration)
        except Blocked as blocked:  # a set-up command of the profile
            return {"missing": str(blocked), "limits": {}}
        except _sandbox.SandboxError as failure:
            return {"no sandbox": str(failure)}
        missing = _missing(testbed)
        if missing:
            return {"missing": missing, "limits": testbed.observer.sandbox.limits}
        facts = probe(testbed)
        return {"facts": attrs.asdict(facts), "limits": testbed.observer.sandbox.limits}

    crew = _worker.Crew(jobs=1, limit=CASE_LIMIT)
    outcome = next(iter(crew.run(iter([("probe", work)]))))[1]
    if isinstance(outcome, _worker.WorkerError):
        raise HarnessError(str(outcome))
    if "no sandbox" in outcome:
        raise HarnessError(outcome["no sandbox"])
    if "missing" in outcome:
        return Facts(kind=settings.profile.kind, missing=outcome["missing"]), outcome["limits"]
    facts: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in outcome["facts"].items()
    }
    return Facts(**facts), outcome["limits"]


def _missing(testbed: Testbed) -> str:
    """What this machine lacks for the plugin; empty when nothing."""
    try:
        for line in testbed.profile.requires:
            testbed.shell(line)
    except Blocked as blocked:
        return f"this machine cannot do what the profile requires: {blocked}"
    return ""


def _first_configuration(settings: Settings) -> Configuration:
    if settings.profile.configurations:
        return settings.profile.configurations[0]
    return Configuration(plugin={"type": os.path.basename(settings.plugin)})


def _plugin(settings: Settings, facts: Facts) -> PluginUnderTest:
    content = Path(settings.plugin).read_bytes()
    return PluginUnderTest(
        path=settings.plugin,
        name=os.path.basename(settings.plugin),
        sha256=hashlib.sha256(content).hexdigest(),
        kind=facts.kind,
        versions=list(facts.versions),
    )


def _shown_config(settings: Settings) -> dict[str, Any] | None:
    configurations = settings.profile.configurations
    return configurations[0].plugin if configurations else None


# -- which cases ---------------------------------------------------------------------------------


def _plan(settings: Settings, facts: Facts) -> tuple[list[_Task], list[Result]]:
    tasks: list[_Task] = []
    settled: list[Result] = []
    for case in cases().values():
        wanted = [requirements()[name] for name in case.ids if _is_selected(settings, name)]
        if not wanted:
            continue
        reason = _why_not(settings, facts, case, wanted)
        versions = [] if reason else _versions(settings, facts, case, wanted)
        if not reason and not versions:
            reason = _why_no_version(settings, facts, case)
        if reason:
            status = Status.NOT_APPLICABLE if reason.startswith("n/a: ") else Status.SKIP
            settled += [
                _result(case, each, status, "", reason=reason.removeprefix("n/a: "))
                for each in wanted
            ]
            continue
        chosen = settings.profile.configurations or (_first_configuration(settings),)
        for configuration in chosen if case.configurations == "each" else chosen[:1]:
            tasks += [
                _Task(case, version, configuration)
                for version in versions
                if at_least(version, configuration.since)
            ]
    return tasks, settled


def _is_selected(settings: Settings, name: str) -> bool:
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
        return "left out with --no-generated"
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


# -- one case ------------------------------------------------------------------------------------


def _works(
    settings: Settings, facts: Facts, tasks: list[_Task]
) -> Iterator[tuple[_Task, Callable[[], Any]]]:
    for task in tasks:
        yield task, functools.partial(_carry_out, settings, facts, task)


def _carry_out(settings: Settings, facts: Facts, task: _Task) -> dict[str, Any]:
    """Runs in a process of its own."""
    begin = time.monotonic()
    outcome: dict[str, Any] = {"blocked": "", "not_applicable": "", "stopped": False}
    testbed = _testbed(settings, facts, task.version, task.configuration)
    try:
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(int(CASE_LIMIT) - 10)
        task.case.run(testbed)
    except Blocked as blocked:
        outcome["blocked"] = str(blocked)
    except NotApplicable as reason:
        outcome["not_applicable"] = str(reason)
    except CaseStopped:
        outcome["stopped"] = True
    signal.alarm(0)
    outcome["violations"] = [attrs.asdict(each) for each in testbed.violations]
    outcome["steps"] = [attrs.asdict(each) for each in testbed.steps]
    outcome["reproducer"] = _reproducer.script(testbed, task.case) if testbed.violations else ""
    outcome["seconds"] = round(time.monotonic() - begin, 3)
    return outcome


def _too_long(number: int, frame: object) -> None:
    del number, frame
    raise TimeoutError(f"the case took longer than {CASE_LIMIT - 10:.0f} s")


def _testbed(
    settings: Settings, facts: Facts, version: str, configuration: Configuration
) -> Testbed:
    folder = os.path.dirname(settings.plugin)
    cni_path = [*settings.cni_path, *([folder] if folder not in settings.cni_path else [])]
    sandbox = _sandbox.enter([settings.plugin, *cni_path])
    delegate = FakeDelegate(BASE)
    delegate.install(FAKE_IPAM, makes_interface=facts.kind == "meta")
    testbed = Testbed(
        plugin=settings.plugin,
        profile=settings.profile,
        configuration=configuration,
        kind=facts.kind,
        version=version,
        facts=facts,
        cni_path=cni_path,
        delegate=delegate,
        observer=Observer(sandbox, {BASE, *facts.journals}),
        random=random.Random(settings.seed),
    )
    testbed.command("ip", "link", "set", "lo", "up")
    for line in settings.profile.setup:
        testbed.shell(line)
    return testbed


# -- after a case --------------------------------------------------------------------------------


def _results(settings: Settings, facts: Facts, task: _Task, outcome: Any) -> list[Result]:
    case, version = task.case, task.version
    wanted = [
        requirements()[name]
        for name in case.ids
        if _is_selected(settings, name)
        and requirements()[name].binds(kind=facts.kind, version=version)
    ]
    name = case.name
    if task.configuration.name not in {"default", _first_configuration(settings).name}:
        name += f"[{task.configuration.name}]"
    make = functools.partial(_result, case, version=version, name=name)
    if isinstance(outcome, _worker.WorkerError):
        return [make(each, Status.ERROR, reason=str(outcome)) for each in wanted]
    steps = [Step(**step) for step in outcome["steps"]]
    make = functools.partial(make, steps=steps, seconds=outcome["seconds"])
    violations = {row["requirement"]: Violation(**row) for row in reversed(outcome["violations"])}
    results: list[Result] = []
    for each in wanted:
        violation = violations.get(each.id)
        if violation is not None:
            status, reason = _judge(settings, each, case)
            results.append(
                make(
                    each,
                    status,
                    reason=reason,
                    expected=violation.expected,
                    actual=violation.actual,
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


def _judge(settings: Settings, requirement: Requirement, case: Case) -> tuple[Status, str]:
    known = settings.known.reason(requirement.id, os.path.basename(settings.plugin))
    if known:
        return Status.KNOWN, known
    for pattern, reason in settings.profile.unsupported.items():
        if matches(requirement.id, pattern) or pattern == case.name:
            return Status.SKIP, f"the profile declares it unsupported: {reason}"
    counted = requirement.level in COUNTED_LEVELS[settings.level]
    return (Status.FAIL if counted else Status.WARN), ""


def _result(
    case: Case,
    requirement: Requirement,
    status: Status,
    version: str,
    *,
    name: str = "",
    **rest: Any,
) -> Result:
    return Result(
        requirement=requirement.id,
        level=requirement.level,
        case=name or case.name,
        title=case.title,
        status=status,
        version=version,
        **rest,
    )


def available_jobs() -> int:
    """How many cases at a time suit this machine: one more than it has processors, as some wait."""
    return len(os.sched_getaffinity(0)) + 1
