"""The requirements: what binds a plugin, and where it says so (`requirements.toml`)."""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import tomllib
from typing import Any

from attrs import field, frozen

from cni_conformance._versions import NEWEST, VERSIONS, at_least


LEVELS = ("must", "should", "may", "field", "sec", "perf")
KINDS = ("interface", "chained", "ipam", "meta")

# The levels a run may be held to, and which requirements then count.
COUNTED_LEVELS = {
    "must": frozenset({"must"}),
    "should": frozenset({"must", "should"}),
    "field": frozenset({"must", "should", "may", "field", "sec"}),
}


@frozen(kw_only=True)
class Requirement:
    """One thing asked of a plugin.

    Attributes:
        id: `spec/<version>/<section>/<n>` or `<family>/<topic>/<n>`; never changes its meaning.
        level: must, should, may (RFC 2119), field, sec or perf.
        text: The requirement in a sentence of ours.
        kinds: The kinds of plugin it binds.
        since: The first spec version it binds.
        until: The last one.
        clause: Where the specification says it: the heading and a few words to search for.
        url: A link to that heading.
        why: What goes wrong for users without it.
        how: How it is tested.
        fix: What usually mends it.
        issues: Reports from the field, such as `plugins#1196`.
        untestable: Why no test is possible; empty where there is one.
    """

    id: str
    level: str
    text: str
    kinds: tuple[str, ...] = KINDS
    since: str = VERSIONS[0]
    until: str = NEWEST
    clause: str = ""
    url: str = ""
    why: str = ""
    how: str = ""
    fix: str = ""
    issues: tuple[str, ...] = field(default=())
    untestable: str = ""

    @property
    def section(self) -> str:
        """The id without its number, such as `spec/1.1.0/DEL`."""
        return self.id.rpartition("/")[0]

    def binds(self, *, kind: str, version: str) -> bool:
        """Whether it speaks of a plugin of a kind at a spec version."""
        in_range = at_least(version, self.since) and at_least(self.until, version)
        return kind in self.kinds and in_range


@functools.cache
def requirements() -> dict[str, Requirement]:
    """What binds plugins, by id, in the order of the file."""
    return _read("requirements.toml")


@functools.cache
def runtime_requirements() -> dict[str, Requirement]:
    """What binds runtimes, by id, in the order of the file."""
    return _read("runtime_side/rules.toml", kinds=("runtime",))


def every_requirement() -> dict[str, Requirement]:
    """Both, for whoever explains an id."""
    return {**requirements(), **runtime_requirements()}


def _read(file: str, **common: Any) -> dict[str, Requirement]:
    package = importlib.resources.files("cni_conformance")
    rows = tomllib.loads(package.joinpath(*file.split("/")).read_text("utf-8"))["requirement"]
    for row in rows:
        for key in ("kinds", "issues"):
            if key in row:
                row[key] = tuple(row[key])
    return {row["id"]: Requirement(**row, **common) for row in rows}


def matches(requirement: str, pattern: str) -> bool:
    """Whether an id is meant by an id, the beginning of one (`spec/1.1.0/DEL`) or a glob."""
    pattern = pattern.rstrip("/")
    return any(fnmatch.fnmatchcase(requirement, each) for each in (pattern, pattern + "/*"))
