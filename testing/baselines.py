"""Write the baselines: what a set of plugins fails, from the JSON reports of their runs.

    cni-conformance run /usr/lib/cni/bridge --level field --report json=bridge.json
    ...
    python testing/baselines.py "Go plugins 1.1.1" 2026-11-26 *.json

The explanations are kept in `docs/reference/baselines/explanations.toml`: a failure without one is an
error, so that nobody publishes what has not been looked at.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from cni_conformance._outcome import Report, Status
from cni_conformance._requirements import requirements
from cni_conformance.report import json_file


FOLDER = Path(__file__).parents[1] / "docs" / "reference" / "baselines"
_FAILED = (Status.FAIL, Status.WARN, Status.KNOWN)


def main() -> None:
    title, date, *paths = sys.argv[1:]
    reports = sorted((json_file.read(path) for path in paths), key=lambda each: each.plugin.name)
    name = title.lower().replace(" ", "-")
    explanations = tomllib.loads((FOLDER / "explanations.toml").read_text("utf-8"))
    (FOLDER / f"{name}.json").write_text(
        json.dumps(document(title, date, reports), indent=2) + "\n", "utf-8"
    )
    (FOLDER / f"{name}.md").write_text(page(title, date, reports, explanations), "utf-8")


def document(title: str, date: str, reports: list[Report]) -> dict[str, Any]:
    return {
        "title": title,
        "date": date,
        "suite": reports[0].suite_version,
        "plugins": {
            each.plugin.name: {
                "sha256": each.plugin.sha256,
                "versions": each.plugin.versions,
                "profile": each.profile,
                "failed": failed(each),
                "passed": sorted(
                    {one.requirement for one in each.of_status(Status.PASS)} - set(failed(each))
                ),
                "skipped": skipped(each),
            }
            for each in reports
        },
    }


def failed(report: Report) -> dict[str, list[str]]:
    """The requirements that are not met, each with the cases and versions that showed it."""
    found: dict[str, list[str]] = {}
    for each in report.of_status(*_FAILED):
        found.setdefault(each.requirement, []).append(f"{each.case} {each.version}".strip())
    return {name: sorted(found[name]) for name in requirements() if name in found}


def skipped(report: Report) -> dict[str, str]:
    tested = {each.requirement for each in report.of_status(Status.PASS, *_FAILED)}
    rows = report.of_status(Status.SKIP)
    return {
        each.requirement: first_line(each.reason) for each in rows if each.requirement not in tested
    }


def first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def page(title: str, date: str, reports: list[Report], explanations: dict[str, Any]) -> str:
    lines = [
        f"# {title}",
        "",
        f"{date}, cni-conformance {reports[0].suite_version}, {kernels(reports)}. Each failure was read in the transcript of its run, and repeated outside the suite by its shell script; where a second call has to strike at one moment, the script may need several tries.",
        "",
        "| plugin | versions | must | should | field, sec | requirements tested |",
        "|---|---|---|---|---|---|",
    ]
    for report in reports:
        names = failed(report)
        levels = [requirements()[each].level for each in names]
        tested = {each.requirement for each in report.of_status(Status.PASS, *_FAILED)}
        counts = [
            levels.count("must"),
            levels.count("should"),
            levels.count("field") + levels.count("sec"),
        ]
        if not tested:
            reason = next((first_line(each.reason) for each in report.of_status(Status.SKIP)), "")
            lines.append(f"| {report.plugin.name} | | | | | not tested: {reason} |")
            continue
        span = f"{report.plugin.versions[0]} to {report.plugin.versions[-1]}"
        shown = " | ".join(map(str, counts))
        lines.append(f"| {report.plugin.name} | {span} | {shown} | {len(tested)} |")
    lines += ["", "## What fails, and why that is so", ""]
    for name, requirement in requirements().items():
        who = [each.plugin.name for each in reports if name in failed(each)]
        if who:
            lines += section(name, requirement, who, reports, explanations)
    return "\n".join(lines).rstrip() + "\n"


def kernels(reports: list[Report]) -> str:
    """On which kernel the plugins ran: the one most ran on, then the others."""
    plugins: dict[str, list[str]] = {}
    for each in reports:
        plugins.setdefault(each.kernel, []).append(each.plugin.name)
    first, *others = sorted(plugins, key=lambda kernel: -len(plugins[kernel]))
    return f"kernel {first}" + "".join(
        f" ({', '.join(plugins[other])}: {other})" for other in others
    )


def section(
    name: str, requirement: Any, who: list[str], reports: list[Report], explanations: dict[str, Any]
) -> list[str]:
    lines = [
        f"### {name}",
        "",
        f"{requirement.text} ({requirement.level}; [{requirement.clause}]({requirement.url}))",
        "",
    ]
    told = explanations.get(name, {})
    groups: dict[str, list[str]] = {}
    for plugin in who:
        text = told.get(plugin) or told.get("all")
        if not text:
            actual = next(
                each.actual
                for report in reports
                if report.plugin.name == plugin
                for each in report.of_status(*_FAILED)
                if each.requirement == name
            )
            raise SystemExit(f"no explanation of {name} for {plugin}: {actual[:300]}")
        groups.setdefault(text, []).append(plugin)
    for text, plugins in groups.items():
        lines += [f"- **{', '.join(plugins)}**: {text}"]
    return [*lines, ""]


if __name__ == "__main__":
    main()
