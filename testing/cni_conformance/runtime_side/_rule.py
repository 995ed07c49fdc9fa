"""What a rule is: a generator of what it looked at, each with what is wrong about it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen

from cni_conformance.runtime_side._call import Call
from cni_conformance.runtime_side._recording import Recording


Findings = Iterator[tuple[Call, str]]
"""Calls that were looked at, each with a violation in a sentence; an empty one when all is well."""


@frozen
class Rule:
    """One rule for runtimes.

    Attributes:
        id: Of its text in `rules.toml`.
        look: Yields what it looked at.
        otherwise: Why it is skipped when there was nothing to look at.
    """

    id: str
    look: Callable[[Recording], Findings]
    otherwise: str


_rules: dict[str, Rule] = {}


def rule(
    id: str, *, otherwise: str
) -> Callable[[Callable[[Recording], Findings]], Callable[[Recording], Findings]]:
    """Make a generator a rule.

    Args:
        id: Of its text in `rules.toml`.
        otherwise: Why it is skipped when it looks at nothing.
    """

    def register(look: Callable[[Recording], Findings]) -> Callable[[Recording], Findings]:
        if id in _rules:
            raise ValueError(f"two rules have the id {id}")
        _rules[id] = Rule(id, look, otherwise)
        return look

    return register


def registered() -> dict[str, Rule]:
    """The rules of the modules that have been imported, by id."""
    return _rules
