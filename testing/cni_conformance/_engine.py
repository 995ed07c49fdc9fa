"""A run: decide which cases apply, carry each out in a process of its own, and write the report."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from cni_conformance import _reproducer, _sandbox, _worker
from cni_conformance._case import Blocked, CaseStopped, CaseTooLong, NotApplicable
from cni_conformance._delegate import FAKE_IPAM, FakeDelegate
from cni_conformance._facts import Facts
from cni_conformance._outcome import PluginUnderTest, Report, Result, Status
from cni_conformance._plan import Task, first_configuration, plan
from cni_conformance._probe import LIMIT_OF_ONE_THAT_HANGS, delegate_key, probe
from cni_conformance._profile import Configuration
from cni_conformance._requirements import requirements
from cni_conformance._settings import Settings
from cni_conformance._testbed import BASE, Testbed
from cni_conformance._verdicts import verdicts
from cni_conformance._versions import NEWEST
from cni_conformance.state import Observer
from cni_conformance.state._state import OBSERVED, not_observed


CASE_LIMIT = 240.0
_LIMIT = 30.0
SUITE_VERSION = "0.1.0"


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


def run(settings: Settings, listener: Listener | None = None) -> Report:
    """Test a plugin.

    Raises:
        HarnessError: Sandboxes cannot be made here, or the first calls went wrong in ours.
    """
    listener = listener or Listener()
    begin = time.monotonic()
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    settings = with_delegates(settings)
    facts, limits = find_out(settings)
    plugin = _plugin(settings, facts)
    tasks, results = plan(settings, facts)
    listener.started(len(tasks), plugin, settings.profile.name)
    if results:
        listener.case_done(results)
    crew = _worker.Crew(jobs=settings.jobs, limit=CASE_LIMIT)
    for task, outcome in crew.run(works(settings, facts, tasks)):
        done = verdicts(settings, facts, task, outcome)
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


def with_delegates(settings: Settings) -> Settings:
    """Put the fake delegate where a configuration names one that is not installed."""
    profile = settings.profile
    key = profile.delegate
    if not key and profile.configurations:
        key = delegate_key(profile.configurations[0])
        is_itself = os.path.basename(settings.plugin) == _type_in(profile.configurations[0], key)
        if is_itself or profile.kind == "ipam":
            key = ""
    folders = (*settings.cni_path, os.path.dirname(settings.plugin))
    configurations = tuple(
        _with_found_delegate(each, key, folders) for each in profile.configurations
    )
    return attrs.evolve(
        settings, profile=attrs.evolve(profile, delegate=key, configurations=configurations)
    )


def _type_in(configuration: Configuration, key: str) -> str:
    section = configuration.plugin.get(key, "")
    return str(section.get("type", "")) if isinstance(section, dict) else str(section)


def _with_found_delegate(
    configuration: Configuration, key: str, folders: tuple[str, ...]
) -> Configuration:
    wanted = _type_in(configuration, key)
    found = any(os.access(os.path.join(folder, wanted), os.X_OK) for folder in folders)
    if not wanted or wanted == FAKE_IPAM or found:
        return configuration
    section = configuration.plugin[key]
    named = {**section, "type": FAKE_IPAM} if isinstance(section, dict) else FAKE_IPAM
    plugin = {**configuration.plugin, key: named}
    return attrs.evolve(configuration, plugin=plugin)


def find_out(settings: Settings) -> tuple[Facts, dict[str, str]]:
    """What the first calls tell of the plugin, and what could not be made private, with reasons.

    Raises:
        HarnessError: Sandboxes cannot be made here, or the first calls went wrong in ours.
    """
    configuration = first_configuration(settings)

    def work() -> dict[str, Any]:
        try:
            testbed = testbed_for(
                settings, Facts(kind=settings.profile.kind), NEWEST, configuration
            )
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


# -- one case ------------------------------------------------------------------------------------


def works(
    settings: Settings, facts: Facts, tasks: list[Task]
) -> Iterator[tuple[Task, Callable[[], Any]]]:
    """Tasks, each with the function that carries it out, for a crew."""
    for task in tasks:
        yield task, functools.partial(_carry_out, settings, facts, task)


def _carry_out(settings: Settings, facts: Facts, task: Task) -> dict[str, Any]:
    """Runs in a process of its own."""
    begin = time.monotonic()
    outcome: dict[str, Any] = {"blocked": "", "not_applicable": "", "stopped": False}
    testbed = testbed_for(settings, facts, task.version, task.configuration)
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
    except CaseTooLong as reason:
        waited = sum(step.seconds for step in testbed.steps if step.kind == "plugin")
        if waited < CASE_LIMIT / 2:
            raise
        outcome["blocked"] = f"{reason}, {waited:.0f} s of it waiting for the plugin"
    signal.alarm(0)
    outcome["violations"] = [attrs.asdict(each) for each in testbed.violations]
    outcome["steps"] = [attrs.asdict(each) for each in testbed.steps]
    outcome["reproducer"] = _reproducer.script(testbed, task.case) if testbed.violations else ""
    outcome["seconds"] = round(time.monotonic() - begin, 3)
    return outcome


def _too_long(number: int, frame: object) -> None:
    del number, frame
    raise CaseTooLong(f"the case took longer than {CASE_LIMIT - 10:.0f} s")


def testbed_for(
    settings: Settings, facts: Facts, version: str, configuration: Configuration
) -> Testbed:
    """Move this process into a sandbox, with all that a case works with."""
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
        limit=LIMIT_OF_ONE_THAT_HANGS if facts.hangs else _LIMIT,
    )
    testbed.command("ip", "link", "set", "lo", "up")
    for line in settings.profile.setup:
        testbed.shell(line)
    return testbed
