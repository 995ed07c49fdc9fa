"""Reports beside each other: two on the terminal, any number as a page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from attrs import field, frozen
from rich.console import Console
from rich.text import Text

from cni_conformance._outcome import Report, Result, Status
from cni_conformance._requirements import every_requirement
from cni_conformance.report import _file
from cni_conformance.report._words import (
    SEVERITY,
    VIOLATED,
    WORDS,
    by_section,
    family_of,
    name_of,
    printable,
    verdict,
    worst,
)
from cni_conformance.report.html import page, told_requirements


@frozen
class _Row:
    """One requirement in every report.

    Attributes:
        id: The requirement.
        results: Its results, a list for each report; empty where a report does not have it.
    """

    id: str
    results: list[list[Result]] = field(factory=list)

    @property
    def level(self) -> str:
        return next(each.level for results in self.results for each in results)

    @property
    def statuses(self) -> list[Status | None]:
        return [worst(results) if results else None for results in self.results]

    @property
    def violated(self) -> list[bool]:
        """Whether each report has a violation of it."""
        return [bool(_violations(results)) for results in self.results]

    @property
    def disputed(self) -> list[str]:
        """The cases in which one report has a violation, and another has looked and found none."""
        passed = {
            name_of(each)
            for results in self.results
            for each in results
            if each.status is Status.PASS
        }
        return sorted({name for results in self.results for name in _violations(results)} & passed)

    @property
    def differs(self) -> bool:
        """Whether it came out differently; the level of a run and known failures do not matter."""
        outcomes = {Status.FAIL if each in VIOLATED else each for each in self.statuses}
        return len(outcomes) > 1 or bool(self.disputed)


def _violations(results: list[Result]) -> set[str]:
    return {name_of(each) for each in results if each.status in VIOLATED}


def write_html(reports: list[Report], path: str) -> None:
    """Write a page with a column for each report.

    Raises:
        ValueError: There is no report.
        OSError: The file cannot be written; the error names it.
    """
    if not reports:
        raise ValueError("a comparison needs at least one report")
    rows = _rows(reports)
    labels = _labels(reports)
    data = {
        "plugins": [_plugin(label, report) for label, report in zip(labels, reports, strict=True)],
        "requirements": told_requirements(row.id for rows_of in rows.values() for row in rows_of),
        **_matrix(rows),
    }
    title = f"{', '.join(labels)} · CNI conformance"
    text = page(
        title,
        data=data,
        scripts=("dom.js", "comparison.js"),
        plain="\n".join(_plain(labels, rows)),
    )
    _file.write(path, text)


def render(a: Report, b: Report, console: Console) -> int:
    """Print how two reports differ.

    Returns:
        The number of requirements that came out differently.
    """
    label_a, label_b = _labels([a, b])
    rows = [row for section in _rows([a, b]).values() for row in section]
    _print(console, Text(f"A: {printable(label_a)}  {verdict(a)[1]}"))
    _print(console, Text(f"B: {printable(label_b)}  {verdict(b)[1]}"))
    _print_counts(rows, console)
    groups = {
        "Violated by A only": [row for row in rows if row.violated == [True, False]],
        "Violated by B only": [row for row in rows if row.violated == [False, True]],
        "Violated by both": [row for row in rows if all(row.violated)],
        "Otherwise different": [row for row in rows if row.differs and not any(row.violated)],
    }
    for title, members in groups.items():
        if members:
            _print(console, "")
            _print(console, Text(f"{title}: {len(members)}", "bold"))
            for row in members:
                for line in _told(row):
                    _print(console, line)
    differences = sum(row.differs for row in rows)
    _print(console, "")
    _print(console, f"{differences} of {len(rows)} requirements came out differently.")
    return differences


# -- rows ------------------------------------------------------------------------------------------


def _rows(reports: list[Report]) -> dict[str, list[_Row]]:
    """The requirements of all reports, by section."""
    merged = by_section([result for report in reports for result in report.results])
    own = [_by_requirement(report) for report in reports]
    return {
        section: [
            _Row(name, [results.get(name, []) for results in own])
            for name in dict.fromkeys(result.requirement for result in members)
        ]
        for section, members in merged.items()
    }


def _by_requirement(report: Report) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in report.results:
        found.setdefault(result.requirement, []).append(result)
    return found


def _labels(reports: list[Report]) -> list[str]:
    """Names that tell the plugins apart: the file's, with a number where that is not enough."""
    names = [report.plugin.name for report in reports]
    return [
        name if names.count(name) == 1 else f"{name} ({names[:number].count(name) + 1})"
        for number, name in enumerate(names)
    ]


# -- terminal --------------------------------------------------------------------------------------


def _print_counts(rows: list[_Row], console: Console) -> None:
    _print(console, "")
    _print(console, Text(f"{'requirements':<22}{'A':>6}{'B':>6}", "bold"))
    for status in SEVERITY:
        counts = [sum(row.statuses[number] is status for row in rows) for number in (0, 1)]
        if any(counts):
            _print(console, f"{WORDS[status]:<22}{counts[0]:>6}{counts[1]:>6}")


def _told(row: _Row) -> Iterator[Text]:
    statuses = [str(status or "not in the report") for status in row.statuses]
    outcome = f"A {statuses[0]}, B {statuses[1]}"
    yield Text.assemble(f"  {printable(row.id)}", (f"  {row.level}  {outcome}", "dim"))
    requirement = every_requirement().get(row.id)
    if requirement:
        yield Text(f"    {requirement.text}")
    if all(row.violated):
        for label, results in zip("AB", row.results, strict=True):
            cases = ", ".join(name for name in row.disputed if name in _violations(results))
            if cases:
                yield Text(f"    only by {label} in {printable(cases)}")
        return
    for results in row.results:
        told = [each.actual for each in results if each.status in VIOLATED and each.actual]
        if told:
            yield Text(f"    actual: {printable(told[-1]).partition(chr(10))[0]}")


def _print(console: Console, line: str | Text) -> None:
    console.print(line, soft_wrap=not console.is_terminal, highlight=False, markup=False)


# -- page ------------------------------------------------------------------------------------------


def _plugin(label: str, report: Report) -> dict[str, Any]:
    status, sentence = verdict(report)
    return {
        "label": label,
        "kind": report.plugin.kind,
        "versions": report.plugin.versions,
        "level": report.level,
        "verdict": {"status": status, "sentence": sentence},
    }


def _matrix(rows: dict[str, list[_Row]]) -> dict[str, Any]:
    sections: list[dict[str, Any]] = []
    flat: list[dict[str, Any]] = []
    for section, members in rows.items():
        family, topic = family_of(section)
        sections.append(
            {"family": family, "topic": topic, "first": len(flat), "count": len(members)}
        )
        flat += [
            {
                "id": row.id,
                "level": row.level,
                "statuses": row.statuses,
                "details": [_detail(results) for results in row.results],
                "differs": row.differs,
            }
            for row in members
        ]
    return {"sections": sections, "rows": flat}


def _detail(results: list[Result]) -> str:
    """What to say of a cell: what was seen, or why nothing was."""
    if not results:
        return ""
    status = worst(results)
    of_status = [each for each in results if each.status is status]
    return (of_status[-1].actual or of_status[-1].reason)[:300]


def _plain(labels: list[str], rows: dict[str, list[_Row]]) -> Iterator[str]:
    yield "<h1>CNI conformance</h1><p>Filters need JavaScript; this is the table.</p>"
    yield '<div class="scroll"><table><tr><th>Requirement</th>'
    yield from (f"<th>{escape(printable(label))}</th>" for label in labels)
    yield "</tr>"
    for members in rows.values():
        for row in members:
            cells = "".join(f"<td>{status or '-'}</td>" for status in row.statuses)
            yield f"<tr><th>{escape(printable(row.id))}</th>{cells}</tr>"
    yield "</table></div>"
