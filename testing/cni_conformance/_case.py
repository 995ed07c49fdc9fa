"""A case: a function that asks a plugin to do something and judges what it sees."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from cni_conformance._requirements import requirements


if TYPE_CHECKING:
    from cni_conformance._testbed import Testbed


class Blocked(Exception):
    """The case cannot be carried out; the message says why. It says nothing about its requirements."""


class NotApplicable(Exception):
    """What the requirement speaks of does not exist for this plugin; the message says why."""


class CaseTooLong(BaseException):
    """The case has used up its time. No `except Exception` on the way may keep it."""


class CaseStopped(Exception):
    """A violation was recorded, and what follows would be of no use."""


@define(kw_only=True)
class Violation:
    """What a plugin did against a requirement.

    Attributes:
        requirement: The id.
        expected: What was asked for.
        actual: What was seen.
        diff: State that differs, as lines of a difference.
    """

    requirement: str
    expected: str
    actual: str
    diff: list[str] = field(factory=list)


@frozen(kw_only=True)
class Case:
    """A function of the suite, with what it speaks about.

    Attributes:
        name: The name of the function.
        title: The first line of its docstring.
        ids: The requirements it can find violated.
        run: The function.
        kinds: The kinds of plugin it can be carried out with; empty for all that are bound.
        commands: Commands a version must have for the case to make sense.
        versions: `newest` for the newest version that applies, `each` for every one.
        delegating: Whether the plugin must be one that runs a delegate.
        configurations: `first`, or `each` of the profile's.
        generated: Whether it needs Hypothesis.
    """

    name: str
    title: str
    ids: tuple[str, ...]
    run: Callable[[Testbed], None]
    kinds: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    versions: str = "newest"
    delegating: bool = False
    configurations: str = "first"
    generated: bool = False


_cases: dict[str, Case] = {}


def case(
    *ids: str,
    kinds: Iterable[str] = (),
    commands: Iterable[str] = (),
    versions: str = "newest",
    delegating: bool = False,
    configurations: str = "first",
    generated: bool = False,
) -> Callable[[Callable[[Testbed], None]], Callable[[Testbed], None]]:
    """Add a function to the suite.

    Args:
        ids: The requirements it can find violated; the function names one with each violation.
        kinds: The kinds of plugin it can be carried out with; empty for all that are bound.
        commands: Commands it calls that not every version has.
        versions: `newest` or `each`.
        delegating: Whether it needs a plugin that runs a delegate.
        configurations: `first` or `each`.
        generated: Whether it needs Hypothesis.
    """

    def register(function: Callable[[Testbed], None]) -> Callable[[Testbed], None]:
        known: dict[str, Any] = dict(requirements())
        unknown = [name for name in ids if name not in known]
        if unknown or function.__name__ in _cases:
            raise LookupError(f"{function.__name__}: unknown {unknown} or defined twice")
        _cases[function.__name__] = Case(
            name=function.__name__,
            title=(function.__doc__ or "").strip().partition("\n")[0],
            ids=ids,
            run=function,
            kinds=tuple(kinds),
            commands=tuple(commands),
            versions=versions,
            delegating=delegating,
            configurations=configurations,
            generated=generated,
        )
        return function

    return register


@functools.cache
def _load() -> None:
    package = importlib.import_module("cni_conformance.suite")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"cni_conformance.suite.{module}")


def cases() -> dict[str, Case]:
    """All cases of the suite by name, in the order of their files."""
    _load()  # one file of them may have been imported by somebody else
    return dict(_cases)
