"""`cni-conformance bench`: what calls cost, and what an IPAM plugin's pool costs as it fills.

A plugin is a process per call, so every figure is cold: from before the process is made to its end.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field
from rich.console import Console
from rich.table import Table

from cni_conformance import _engine, _growth, _worker
from cni_conformance._case import Blocked, NotApplicable
from cni_conformance._facts import Facts
from cni_conformance._invocation import Invocation
from cni_conformance._peak import Peak
from cni_conformance._plan import first_configuration
from cni_conformance._settings import Settings
from cni_conformance._testbed import BASE, VALID_ATTACHMENTS, Attachment, Testbed
from cni_conformance._versions import has_command


Json = dict[str, Any]

VERBS = ("ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION")
_LIMIT = 3600.0
_MEMORY_ROUNDS = 3
_CALL = re.compile(r"^\d+ +(\w+)\(")


@define
class Samples:
    """What was measured of one verb.

    Attributes:
        seconds: How long each call took.
        failed: How many failed.
        error: How the first that failed ended.
        peak: The largest resident size in bytes.
        execs: How many programs one call executes, the plugin and its delegates included.
        syscalls: How many system calls it makes, those of delegates included.
    """

    seconds: list[float] = field(factory=list)
    failed: int = 0
    error: str = ""
    peak: int = 0
    execs: int | None = None
    syscalls: int | None = None

    def row(self) -> Json:
        """As JSON, times in milliseconds."""
        return {
            "calls": len(self.seconds),
            "failed": self.failed,
            "error": self.error,
            **{f"p{share}_ms": percentile(self.seconds, share) for share in (50, 95, 99)},
            "max_rss_bytes": self.peak,
            "execs": self.execs,
            "syscalls": self.syscalls,
        }


def percentile(seconds: list[float], share: int) -> float | None:
    """The smallest value that so many percent of the values do not exceed, in milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)] * 1000, 3)


def run(settings: Settings, console: Console, rounds: int = 30, *, growth: bool = True) -> Json:
    """Measure a plugin, and print tables.

    Args:
        settings: The plugin and its profile.
        console: Where the tables go.
        rounds: How many calls of each verb are timed.
        growth: Whether the pool of an IPAM plugin is filled.

    Returns:
        The figures as JSON.

    Raises:
        HarnessError: Sandboxes cannot be made here, or the plugin's ADD does not succeed.
    """
    settings = _engine.with_delegates(settings)
    facts, _ = _engine.find_out(settings)
    if facts.missing or facts.problem:
        raise _engine.HarnessError(facts.missing or f"ADD does not succeed: {facts.problem}")
    report: Json = {
        "plugin": settings.plugin,
        "profile": settings.profile.name,
        "kind": facts.kind,
        "version": facts.versions[-1],
        "rounds": rounds,
        "verbs": {},
        "growth": [],
        "notes": [],
    }
    with console.status(f"{rounds} rounds of each verb"):
        report.update(_alone(lambda: _measure(settings, facts, rounds)))
    console.print(_table(report))
    if growth and facts.kind == "ipam":
        with console.status("filling the pool"):
            grown = _alone(lambda: _growth.measure(_testbed(settings, facts)))
        report["growth"] = grown["growth"]
        report["notes"] += grown["notes"]
        console.print(_growth.table(report["growth"]))
    for note in report["notes"]:
        console.print(f"- {note}", markup=False, highlight=False)
    return report


def _alone(work: Callable[[], Json]) -> Json:
    """Run a function in a process and sandbox of its own."""
    outcome = next(iter(_worker.Crew(jobs=1, limit=_LIMIT).run(iter([("bench", work)]))))[1]
    if isinstance(outcome, _worker.WorkerError):
        raise _engine.HarnessError(str(outcome))
    if "blocked" in outcome:
        raise _engine.HarnessError(outcome["blocked"])
    figures: dict[str, Any] = outcome
    return figures


def _testbed(settings: Settings, facts: Facts) -> Testbed:
    configuration = first_configuration(settings)
    return _engine.testbed_for(settings, facts, facts.versions[-1], configuration)


def _measure(settings: Settings, facts: Facts, rounds: int) -> Json:
    testbed = _testbed(settings, facts)
    notes: list[str] = []
    try:
        samples = {verb: Samples() for verb in VERBS if has_command(testbed.version, verb)}
        _round(testbed, "warm", {})
        for number in range(rounds):
            _round(testbed, f"r{number}", samples)
        for number in range(_MEMORY_ROUNDS):
            _round(testbed, f"m{number}", samples, watch=True)
        _count(testbed, samples, notes)
    except (Blocked, NotApplicable) as reason:
        return {"blocked": str(reason)}
    missing = [verb for verb in VERBS if verb not in samples]
    if missing:
        notes.append(f"cniVersion {testbed.version} has no {', '.join(missing)}")
    notes += [
        f"{verb}: {each.failed} calls failed, the first: {each.error}"
        for verb, each in samples.items()
        if each.failed
    ]
    return {"verbs": {verb: each.row() for verb, each in samples.items()}, "notes": notes}


def _round(
    testbed: Testbed, label: str, samples: dict[str, Samples], *, watch: bool = False
) -> None:
    """Each verb once, for a container of its own."""
    attachment = testbed.attachment(label)
    for verb in VERBS:
        if not has_command(testbed.version, verb):
            continue
        sample = samples.get(verb, Samples())
        call, seconds, peak = _timed(testbed, verb, attachment, watch=watch)
        if verb == "ADD":
            attachment.result = call.result
        if watch:
            sample.peak = max(sample.peak, peak)
        else:
            sample.seconds.append(seconds)
        if not call.ok:
            sample.failed += 1
            sample.error = sample.error or call.describe()
    attachment.remove_netns()
    testbed.steps.clear()
    testbed.forget_delegate_calls()


def _timed(
    testbed: Testbed, verb: str, attachment: Attachment, *, watch: bool
) -> tuple[Invocation, float, int]:
    of_attachment = attachment if verb in {"ADD", "CHECK", "DEL"} else None
    patch: Json = {VALID_ATTACHMENTS: []} if verb == "GC" else {}
    begin = time.monotonic()
    running = testbed.start(verb, of_attachment, patch=patch)
    if watch:
        with Peak(running.process.pid) as peak:
            return running.finish(), 0.0, peak.bytes
    spawned = running.started - begin
    call = running.finish()
    return call, spawned + call.seconds, 0


def _count(testbed: Testbed, samples: dict[str, Samples], notes: list[str]) -> None:
    """Let strace count, by way of a script in the plugin's place."""
    strace = shutil.which("strace")
    if strace is None:
        notes.append("programs and system calls were not counted: strace is not installed")
        return
    plugin, output = testbed.plugin, f"{BASE}/strace"
    script = f"{BASE}/traced"
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec '{strace}' -f -qq -o '{output}' '{plugin}'\n")
    os.chmod(script, 0o755)
    attachment = testbed.attachment("traced")
    testbed.plugin = script
    try:
        for verb, sample in samples.items():
            call, _, _ = _timed(testbed, verb, attachment, watch=False)
            if verb == "ADD":
                attachment.result = call.result
            lines = _lines(output)
            if not lines:
                notes.append(f"programs and system calls were not counted: {call.describe()}")
                return
            sample.syscalls, sample.execs = counted(lines)
    finally:
        testbed.plugin = plugin


def counted(lines: list[str]) -> tuple[int, int]:
    """System calls and executed programs in the output of `strace -f`."""
    begun = [match[1] for line in lines if (match := _CALL.match(line))]
    failed = [line for line in lines if re.search(r"\bexecve(\(.*| resumed>.*)\) *= -1 ", line)]
    return len(begun), begun.count("execve") - len(failed)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:
        return []
    os.unlink(path)
    return lines


def _table(report: Json) -> Table:
    name = os.path.basename(report["plugin"])
    table = Table(
        title=f"{name}, cniVersion {report['version']}: {report['rounds']} cold calls each"
    )
    table.add_column("verb")
    for column in ("p50 ms", "p95 ms", "p99 ms", "memory MiB", "programs", "system calls"):
        table.add_column(column, justify="right")
    for verb, row in report["verbs"].items():
        times = [_shown(row[f"p{share}_ms"]) for share in (50, 95, 99)]
        memory = f"{row['max_rss_bytes'] / 2**20:.1f}"
        counts = [_shown(row[key]) for key in ("execs", "syscalls")]
        table.add_row(verb + (" (fails)" if row["failed"] else ""), *times, memory, *counts)
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
