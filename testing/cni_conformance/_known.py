"""Failures that are known: a TOML file with a reason and a date on which each runs out."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

from attrs import field, frozen

from cni_conformance._requirements import matches


class KnownFailuresError(Exception):
    """The file cannot be used; the message names it and the entry."""


@frozen(kw_only=True)
class KnownFailure:
    """One entry.

    Attributes:
        id: A requirement, or a glob.
        reason: Why it is tolerated.
        expires: The last day on which it is.
        plugin: The name of the executable it is about; empty for any.
        issue: Where it is being worked on.
    """

    id: str
    reason: str
    expires: dt.date
    plugin: str = ""
    issue: str = ""


@frozen
class KnownFailures:
    """The entries of a file; none by default."""

    entries: tuple[KnownFailure, ...] = field(default=())
    today: dt.date = field(factory=dt.date.today)

    def reason(self, requirement: str, plugin: str) -> str:
        """Why a failure is tolerated; empty when it is not."""
        for entry in self.entries:
            about_this = matches(requirement, entry.id) and entry.plugin in {"", plugin}
            if about_this and self.today <= entry.expires:
                issue = f" ({entry.issue})" if entry.issue else ""
                return f"{entry.reason}{issue}; tolerated until {entry.expires}"
        return ""


def load(path: str) -> KnownFailures:
    """Read a file of `[[known]]` tables with `id`, `reason`, `expires`, and maybe `plugin`, `issue`.

    Raises:
        KnownFailuresError: It cannot be read, or an entry is not complete.
    """
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as failure:
        raise KnownFailuresError(f"cannot read {path}: {failure}") from failure
    entries: list[KnownFailure] = []
    for number, row in enumerate(table.get("known", []), start=1):
        missing = [key for key in ("id", "reason", "expires") if not row.get(key)]
        if missing:
            raise KnownFailuresError(f"{path}: entry {number}: {missing[0]!r} is missing")
        expires = row["expires"]
        if isinstance(expires, str):
            try:
                expires = dt.date.fromisoformat(expires)
            except ValueError as failure:
                raise KnownFailuresError(f"{path}: entry {number}: {failure}") from failure
        unknown = sorted(set(row) - {"id", "reason", "expires", "plugin", "issue"})
        if unknown:
            raise KnownFailuresError(f"{path}: entry {number}: unknown key {unknown[0]!r}")
        values: dict[str, Any] = {**row, "expires": expires}
        entries.append(KnownFailure(**values))
    return KnownFailures(tuple(entries))
