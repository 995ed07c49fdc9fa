"""The report as one page of HTML that needs nothing else: no network, and little of the browser.

The page holds the report as JSON and builds itself with a script. What a plugin printed is hostile:
it reaches the page inside a JSON string in which no character of HTML is left, and the document only
as text. A content security policy lets nothing run or load but the script and style of this package.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import string
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

import attrs

from cni_conformance._catalogue import issue_url
from cni_conformance._outcome import Report, Result, Status
from cni_conformance._requirements import every_requirement
from cni_conformance.report import _file
from cni_conformance.report._words import (
    SEVERITY,
    VIOLATED,
    WORDS,
    by_section,
    call_in_question,
    family_of,
    name_of,
    printable,
    tally,
    verdict,
)


_SCRIPTS = ("dom.js", "transcript.js", "summary.js", "page.js")


def write(report: Report, path: str) -> None:
    """Write a report.

    Raises:
        OSError: The file cannot be written; the error names it.
    """
    title = f"{report.plugin.name} · CNI conformance"
    text = page(title, data=_data(report), scripts=_SCRIPTS, plain="\n".join(_plain(report)))
    _file.write(path, text)


def page(title: str, *, data: Any, scripts: Iterable[str], plain: str) -> str:
    """A page from the template.

    Args:
        title: The title of the window.
        data: What the scripts work on.
        scripts: Files of this package, put together in this order.
        plain: HTML for browsers that run no scripts.
    """
    script = "".join(_source(name) for name in scripts)
    style = _source("page.css")
    return string.Template(_source("page.html")).substitute(
        title=_text(title),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=_embedded(data),
        noscript=plain,
    )


def told_requirements(ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the page says of requirements, by id."""
    rows = [every_requirement()[name] for name in dict.fromkeys(ids) if name in every_requirement()]
    return {
        row.id: {
            **{key: getattr(row, key) for key in ("text", "clause", "url", "why", "fix")},
            "issues": {issue: issue_url(issue) for issue in row.issues},
        }
        for row in rows
    }


def told_plugin(report: Report) -> dict[str, Any]:
    """A report without its results."""
    kept = attrs.filters.exclude(attrs.fields(Report).results)
    return attrs.asdict(report, filter=kept)


def _source(name: str) -> str:
    return importlib.resources.files("cni_conformance.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """The name of an inline script or style in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(data: Any) -> str:
    """JSON that neither ends its element nor begins another; all beyond ASCII is escaped as well."""
    text = json.dumps(data, separators=(",", ":"))
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&"})


def _data(report: Report) -> dict[str, Any]:
    sections: list[dict[str, Any]] = []
    ordered: list[Result] = []
    for section, members in by_section(report.results).items():
        family, topic = family_of(section)
        sections.append(
            {
                "name": section,
                "family": family,
                "topic": topic,
                "first": len(ordered),
                "count": len(members),
            }
        )
        ordered += members
    transcripts: dict[str, int] = {}
    reproducers: dict[str, int] = {}
    results = [_result(each, transcripts, reproducers) for each in ordered]
    status, sentence = verdict(report)
    return {
        "report": told_plugin(report),
        "verdict": {"status": status, "sentence": sentence},
        "requirements": told_requirements(result.requirement for result in ordered),
        "sections": sections,
        "results": results,
        "cases": [{"steps": json.loads(text)} for text in transcripts],
        "reproducers": list(reproducers),
    }


def _result(
    result: Result, transcripts: dict[str, int], reproducers: dict[str, int]
) -> dict[str, Any]:
    """A result that names its transcript and script by number: results of one case share them."""
    fields = attrs.fields(Result)
    found = attrs.asdict(result, filter=attrs.filters.exclude(fields.steps, fields.reproducer))
    steps = json.dumps([attrs.asdict(step) for step in result.steps])
    found["where"] = transcripts.setdefault(steps, len(transcripts))
    script = result.reproducer
    found["reproducer"] = reproducers.setdefault(script, len(reproducers)) if script else None
    found["call"], found["certain"] = call_in_question(result)
    return found


# -- without scripts -------------------------------------------------------------------------------


def _plain(report: Report) -> Iterator[str]:
    yield f"<h1>{_text(report.plugin.name)}</h1>"
    yield f"<p>{_text(verdict(report)[1])}</p>"
    yield "<p>Transcripts and filters need JavaScript; this is the summary.</p>"
    yield "<ul>"
    counts = tally(report.results)
    for status in SEVERITY:
        if status in counts:
            yield f"<li>{WORDS[status]}: {counts[status]}</li>"
    yield "</ul>"
    for result in report.of_status(Status.ERROR, *VIOLATED):
        requirement = every_requirement().get(result.requirement)
        yield f"<h2>{_text(f'{result.requirement} ({result.status}): {name_of(result)}')}</h2>"
        if requirement:
            yield f"<p>{_text(requirement.text)}</p>"
        for label in ("expected", "actual", "reason"):
            value: str = getattr(result, label)
            if value:
                yield f"<p>{label.capitalize()}: {_text(value)}</p>"
        if result.diff:
            lines = "\n".join(result.diff)
            yield f"<pre>{_text(lines)}</pre>"


def _text(text: str) -> str:
    return escape(printable(text))
