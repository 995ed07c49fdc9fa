"""Defects of a configuration, each with its JSON path in the operator's spelling."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from cnisdk import errors


_MOST_SHOWN = 10


class Problem(NamedTuple):
    """One defect of a configuration."""

    path: str
    """JSON path in the operator's spelling, for example ``ipam.ranges[0][1].subnet``."""
    message: str
    """What is wrong, with the value."""
    error: type[errors.CniError] = errors.InvalidConfig
    """The class of error it amounts to."""
    refused: str = ""
    """The text that could not be read, when it was one."""
    wording: str = ""
    """The message to begin with, in place of path and message."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Problems(ValueError):  # raised within the codec only
    """Defects found below one value; paths are relative to it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)

    def below(self, prefix: str) -> list[Problem]:
        """The same defects, seen from the value above."""
        return [each._replace(path=_join(prefix, each.path)) for each in self.problems]


_FROM_OUTSIDE = ("CNI_ARGS ", "args.cni.", "runtimeConfig.")
"""Inputs of an IPAM plugin that stand beside the ``ipam`` section, not in it."""


def _join(prefix: str, path: str) -> str:
    if not prefix or path.startswith(_FROM_OUTSIDE):
        return path
    return prefix + path if not path or path.startswith("[") else f"{prefix}.{path}"


def as_error(problems: Sequence[Problem]) -> errors.CniError:
    """One error for all the defects of a configuration; the first decides the code."""
    first, *others = problems
    also = [f"also {each}" for each in others[:_MOST_SHOWN]]
    if len(others) > _MOST_SHOWN:
        also.append(f"and {len(others) - _MOST_SHOWN} more")
    details = "; ".join(also)
    if first.wording:
        return first.error(first.wording, details=details, hint=str(first))
    return first.error(str(first), details=details)


def shown(value: Any) -> str:
    """A JSON value for a message, cut to a readable length."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} of very deep nesting"
    return text if len(text) <= 80 else text[:77] + "..."


def expected(wanted: str, value: Any) -> str:
    """What was wanted and what was given instead."""
    return f"expected {wanted}, got {shown(value)}"
