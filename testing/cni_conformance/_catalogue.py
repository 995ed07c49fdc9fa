"""The requirements for reading: as a table, Markdown or JSON, and one at a time."""

from __future__ import annotations

import difflib
import itertools
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import attrs
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cni_conformance._requirements import KINDS, Requirement, every_requirement, matches
from cni_conformance._versions import NEWEST, VERSIONS


LEVEL_STYLES = {
    "must": "bold red",
    "should": "yellow",
    "may": "green",
    "field": "cyan",
    "sec": "magenta",
    "perf": "blue",
}

_OWNERS = {
    "amazon-ecs-cni-plugins": "aws",
    "amazon-vpc-cni-k8s": "aws",
    "cilium": "cilium",
    "cni": "containernetworking",
    "containerd": "containerd",
    "flannel": "flannel-io",
    "go-cni": "containerd",
    "kubernetes": "kubernetes",
    "nerdctl": "containerd",
    "ocicni": "cri-o",
    "plugins": "containernetworking",
    "podman": "containers",
    "whereabouts": "k8snetworkplumbingwg",
}
"""Who owns the repositories that issues name without an owner."""

_SECTIONS = {
    "configuration": "The network configuration",
    "parameters": "Parameters",
    "errors": "Success and failure",
    "ADD": "ADD",
    "DEL": "DEL",
    "CHECK": "CHECK",
    "STATUS": "STATUS",
    "VERSION": "VERSION",
    "GC": "GC",
    "concurrency": "Concurrency",
    "delegation": "Delegation",
    "result": "The result of ADD",
    "version": "The result of VERSION",
    "error": "Errors",
    "spec": "The specification before {newest}, where it differs",
    "field": "Learned in the field",
    "sec": "Security",
    "perf": "Measurements",
}

_INTRODUCTION = """\
# Requirements

<!-- Written by `python -m cni_conformance list --format md`; change requirements.toml instead. -->

What `cni-conformance` asks of a plugin: {count} requirements, each with an id that keeps its meaning.

- `spec/{newest}/...` come from the [specification](https://github.com/containernetworking/cni/blob/spec-v{newest}/SPEC.md),
  one for each thing it asks of a plugin, in our words; the id links to the section. Ids with an older version
  hold what that version asks and {newest} does not. The level is that of the text: **must**, **should** or **may**.
- `field/...` come from reports of users, and carry links to them; `sec/...` are about attacks.
- `perf/...` are measured and reported, and never fail a run.

A requirement binds some kinds of plugin: **interface** (makes a link in the container), **chained** (adjusts what
another plugin made), **ipam** (hands out addresses for another plugin) and **meta** (has other plugins do all the work).
It binds the versions of the specification given, and a test runs in a version that plugin and requirement share.

`cni-conformance explain ID` says why a requirement matters, how it is tested and what usually mends a plugin.
"""


class UnknownRequirement(KeyError):
    """No requirement has the id; the message names ids that are close."""

    def __init__(self, unknown: str) -> None:
        known = every_requirement()
        self.close = [name for name in known if matches(name, unknown)]
        if not self.close:
            lower = list(dict.fromkeys(name.lower() for name in known))
            near = difflib.get_close_matches(unknown.lower(), lower, n=3)
            self.close = [name for found in near for name in known if name.lower() == found]
        hint = "; did you mean " + ", ".join(self.close) + "?" if self.close else ""
        self.message = f"there is no requirement {unknown}{hint}"
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message  # KeyError would show it in quotes


def issue_url(issue: str) -> str:
    """Where a report such as `plugins#1196`, `CVE-2020-10749` or `GHSA-...` can be read."""
    if issue.startswith("CVE-"):
        return f"https://www.cve.org/CVERecord?id={issue}"
    if issue.startswith("GHSA-"):
        return f"https://github.com/advisories/{issue}"
    repository, _, number = issue.partition("#")
    owner = "" if "/" in repository else _OWNERS[repository] + "/"
    return f"https://github.com/{owner}{repository}/issues/{number}"


def kinds_of(row: Requirement) -> str:
    """The kinds of plugin it binds, in words."""
    return "all" if row.kinds == KINDS else ", ".join(row.kinds)


def versions_of(row: Requirement) -> str:
    """The versions of the specification it binds, in words."""
    if (row.since, row.until) == (VERSIONS[0], NEWEST):
        return "all"
    if row.since == row.until:
        return row.since
    return f"from {row.since}" if row.until == NEWEST else f"{row.since} to {row.until}"


def list_table(console: Console, rows: Sequence[Requirement]) -> None:
    """Print requirements as a table; where nobody looks, one whole line for each."""
    if console.is_terminal:
        console.print(_table(rows))
        return
    cells = [(row.id, row.level, kinds_of(row), versions_of(row), row.text) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    for *columns, text in cells:
        line = [cell.ljust(width) for cell, width in zip(columns, widths, strict=True)]
        console.print(Text("  ".join([*line, text])), soft_wrap=True)


def list_markdown(rows: Iterable[Requirement]) -> str:
    """Requirements as a page of documentation, a table for each section."""
    rows = list(rows)
    lines = [_INTRODUCTION.format(count=len(rows), newest=NEWEST)]
    for title, group in itertools.groupby(rows, key=_title):
        lines += [
            f"## {title}\n",
            "| Requirement | Level | Kinds | Versions | What is asked |",
            "| --- | --- | --- | --- | --- |",
            *map(_markdown_row, group),
            "",
        ]
    return "\n".join(lines)


def list_json(rows: Iterable[Requirement]) -> str:
    """Requirements as a JSON array of objects: the attributes, and a link for each report."""
    documents = [
        {**attrs.asdict(row), "issues": {issue: issue_url(issue) for issue in row.issues}}
        for row in rows
    ]
    return json.dumps(documents, indent=2, ensure_ascii=False)


def explain(id: str, console: Console) -> None:
    """Print all that is known of one requirement.

    Args:
        id: Such as `spec/1.1.0/DEL/6`.
        console: Where to.

    Raises:
        UnknownRequirement: No requirement has this id.
    """
    row = every_requirement().get(id)
    if row is None:
        raise UnknownRequirement(id)
    console.print(Text.assemble((row.id, "bold"), "  ", (row.level, LEVEL_STYLES[row.level])))
    console.print(Text(row.text))
    console.print()
    console.print(Text(f"Kinds: {kinds_of(row)}"))
    console.print(Text(f"Versions: {versions_of(row)}"))
    for title, paragraph, links in _parts(row):
        console.print()
        console.print(Text(title, "bold"))
        indented = textwrap.fill(
            paragraph,
            console.width,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        # Links stay whole, however narrow the terminal.
        console.print(Text("\n".join([*filter(None, [indented]), *links])), soft_wrap=True)


def _parts(row: Requirement) -> Iterator[tuple[str, str, list[str]]]:
    """What `explain` says: a title, a paragraph and links."""
    if row.id.startswith("spec/"):
        yield "Clause", row.clause, [f"  {row.url}"]
    else:
        yield "Subject", row.clause, [] if row.issues else [f"  {row.url}"]
    yield "Why it matters", row.why, []
    if row.untestable:
        yield "Not tested", row.untestable, []
    else:
        yield "How it is tested", row.how, []
    if row.issues:
        links = [f"  {issue}  {issue_url(issue)}" for issue in row.issues]
        yield "Seen in the field", "", links
    yield "What usually mends it", row.fix, []


def _table(rows: Iterable[Requirement]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Requirement", no_wrap=True)
    table.add_column("Level", no_wrap=True)
    table.add_column("Kinds", overflow="fold")
    table.add_column("Versions", overflow="fold")
    table.add_column("What", overflow="fold", ratio=1)
    section = None
    for row in rows:
        if section not in {None, row.section}:
            table.add_section()
        section = row.section
        level = Text(row.level, LEVEL_STYLES[row.level])
        table.add_row(Text(row.id), level, kinds_of(row), versions_of(row), Text(row.text))
    return table


def _title(row: Requirement) -> str:
    family, *rest = row.section.split("/")
    key = rest[1] if family == "spec" and rest[0] == NEWEST else family
    return _SECTIONS[key].format(newest=NEWEST)


def _markdown_row(row: Requirement) -> str:
    text = row.text
    if row.untestable:
        text += f" *Not tested: {row.untestable}*"
    if row.issues:
        text += " " + ", ".join(f"[{issue}]({issue_url(issue)})" for issue in row.issues)
    text = text.replace("|", "\\|")
    cells = (f"[{row.id}]({row.url})", row.level, kinds_of(row), versions_of(row), text)
    return f"| {' | '.join(cells)} |"
