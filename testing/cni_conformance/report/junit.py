"""Reports as JUnit's XML, which every CI system reads: a test suite for each section.

That format knows no warnings. What failed without counting as failure is skipped in it, with a
message that says so; it stays visible and breaks no build.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from cni_conformance._outcome import Report, Result, Status, Step
from cni_conformance._requirements import every_requirement
from cni_conformance.report import _file
from cni_conformance.report._words import by_section, name_of, outcome_of, printable


_SKIPPED = {
    Status.SKIP: "skipped",
    Status.NOT_APPLICABLE: "not applicable",
    Status.WARN: "warning",
    Status.KNOWN: "known failure",
}
_QUIET = {Status.PASS, Status.INFO, Status.NOT_APPLICABLE}


def write(report: Report, path: str) -> None:
    """Write a report.

    Raises:
        OSError: The file cannot be written; the error names it.
    """
    root = ET.Element("testsuites", name=printable(f"cni-conformance {report.plugin.name}"))
    timed: set[tuple[str, str]] = set()
    for section, results in by_section(report.results).items():
        suite = ET.SubElement(root, "testsuite", name=printable(section))
        _add_properties(suite, report)
        seconds = 0.0
        for result in results:
            # The results of one case share its time; it is given once, so that sums are right.
            key = (result.case, result.version)
            taken = 0.0 if key in timed else result.seconds
            timed.add(key)
            seconds += taken
            suite.append(_testcase(result, taken))
        suite.attrib.update(_counts(results), time=f"{seconds:.3f}")
        if report.started:
            suite.set("timestamp", printable(report.started.removesuffix("+00:00")))
    root.attrib.update(_counts(report.results), time=f"{report.seconds:.3f}")
    ET.indent(root)
    _file.write(
        path, '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"
    )


def _counts(results: list[Result]) -> dict[str, str]:
    statuses = [result.status for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(statuses.count(Status.FAIL)),
        "errors": str(statuses.count(Status.ERROR)),
        "skipped": str(sum(statuses.count(status) for status in _SKIPPED)),
    }


def _add_properties(suite: ET.Element, report: Report) -> None:
    plugin = report.plugin
    properties = ET.SubElement(suite, "properties")
    for name, value in {
        "plugin": plugin.path,
        "sha256": plugin.sha256,
        "kind": plugin.kind,
        "versions": " ".join(plugin.versions),
        "level": report.level,
        "profile": report.profile,
        "seed": str(report.seed),
        "suite": report.suite_version,
        "kernel": report.kernel,
    }.items():
        ET.SubElement(properties, "property", name=name, value=printable(value))


def _testcase(result: Result, seconds: float) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=printable(result.requirement.rpartition("/")[0]),
        name=printable(f"{result.requirement} {name_of(result)}"),
        time=f"{seconds:.3f}",
    )
    if result.status is Status.FAIL:
        message = printable(result.actual or result.expected).partition("\n")[0]
        failure = ET.SubElement(case, "failure", message=message, type=printable(result.level))
        failure.text = printable("\n".join(_account(result)))
    elif result.status is Status.ERROR:
        error = ET.SubElement(case, "error", message=printable(result.reason), type="suite")
        error.text = printable(result.reason)
    elif result.status in _SKIPPED:
        what = _SKIPPED[result.status]
        why = "; ".join(filter(None, [result.reason, result.actual])).partition("\n")[0]
        ET.SubElement(case, "skipped", type=what, message=printable(f"{what}: {why}"))
    said = "" if result.status in _QUIET else "\n".join(_transcript(result))
    if result.status is Status.INFO:
        said = result.actual or result.reason
    if said:
        ET.SubElement(case, "system-out").text = printable(said)
    return case


def _account(result: Result) -> Iterator[str]:
    """All that is known of a failure."""
    requirement = every_requirement().get(result.requirement)
    if requirement:
        yield requirement.text
        yield f"{requirement.clause} <{requirement.url}>" if requirement.url else requirement.clause
    yield f"level: {result.level}"
    yield f"expected: {result.expected}"
    yield f"actual: {result.actual}"
    if result.diff:
        yield from ["difference:", *result.diff]
    if requirement and requirement.fix:
        yield f"what usually mends it: {requirement.fix}"
    if result.reproducer:
        yield from ["", "script that does it again:", "", result.reproducer]


def _transcript(result: Result) -> Iterator[str]:
    for number, step in enumerate(result.steps, start=1):
        yield from _of_step(number, step)


def _of_step(number: int, step: Step) -> Iterator[str]:
    end = outcome_of(step)
    took = f", {step.seconds:.3f} s" if step.seconds else ""
    yield f"[{number}] {step.title}" + (f" ({end}{took})" if end else "")
    if step.kind == "plugin":
        yield f"    {' '.join(step.argv)}"
        yield from (f"    {key}={value}" for key, value in sorted(step.env.items()))
    for name in ("stdin", "stdout", "stderr"):
        text: str = getattr(step, name)
        if text.strip():
            yield f"    {name}:"
            yield from (f"      {line}" for line in text.rstrip("\n").split("\n"))
    for call in step.delegate_calls:
        yield f"    delegate called: {call.get('command', '')} {call.get('stdin', '')}"
    yield from (f"    {line}" for line in step.diff)
