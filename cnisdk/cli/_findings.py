"""What ``cnisdk lint`` finds: a place, a rule, what is wrong, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final, Literal

import attrs

from cnisdk.cli._json import Located, Path, spelled


Severity = Literal["error", "warning"]

RULES: Final = {
    "unreadable": "The file cannot be read.",
    "json": "The file is no JSON document.",
    "shape": "A value has not the JSON type or form it must have.",
    "repeated-key": "A key is given twice in one object; only the last one counts.",
    "writable-by-others": "Others than the owner may write to the file.",
    "name": "The network's name is missing or has characters a name may not have.",
    "version": "cniVersion or cniVersions is missing, unknown or too old for the network.",
    "no-plugins": "The network has no plugin.",
    "wrong-extension": "The runtime reads the file in another way than it is written.",
    "type": "The plugin's type is missing or no file name.",
    "reserved-key": "The runtime makes this key; in a file it has no lasting effect.",
    "overridden-key": "The runtime replaces this key of a plugin by the network's.",
    "value": "The plugin refuses the value.",
    "unknown-key": "The plugin does not know the key.",
    "not-installed": "CNI_PATH has no plugin of this type.",
    "plugin-version": "The plugin does not support the network's cniVersion.",
    "order": "The plugin cannot stand at this place of the list.",
    "ipam": "The IPAM plugin is missing, or not one, or something else is used as one.",
    "capability": "A capability is not enabled, or not known to the plugin.",
    "file-order": "Which file comes first is not what the names suggest.",
    "duplicate-name": "Two files define a network of the same name.",
    "overlapping-subnets": "Two networks hand out the same addresses.",
    "drop-in": "A drop-in directory, or a file of one, is not used.",
}
"""Rule -> what it is about."""


@attrs.frozen(order=True)
class Finding:
    """One thing wrong."""

    file: str
    line: int
    column: int
    path: str
    """JSON path, "" for the file as a whole."""
    severity: Severity
    rule: str
    message: str
    hint: str = ""
    """What to do about it, "" when the message says it."""


@attrs.define
class Sheet:
    """The findings of one file."""

    file: str
    located: Located | None = None
    findings: list[Finding] = attrs.field(factory=list[Finding])

    def error(self, rule: str, path: Path, message: str, hint: str = "") -> None:
        """Note something that keeps the network from working."""
        self._add("error", rule, path, message, hint)

    def warning(self, rule: str, path: Path, message: str, hint: str = "") -> None:
        """Note something that is probably not meant."""
        self._add("warning", rule, path, message, hint)

    def _add(self, severity: Severity, rule: str, path: Path, message: str, hint: str) -> None:
        line, column = self.located.place(path) if self.located else (1, 1)
        self.findings.append(
            Finding(self.file, line, column, spelled(path), severity, rule, message, hint)
        )


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, whatever its case; "" when none is near."""
    words = {each.lower(): each for each in known}
    near = difflib.get_close_matches(given.lower(), words, n=1, cutoff=0.7)
    return f'did you mean "{words[near[0]]}"?' if near else ""
