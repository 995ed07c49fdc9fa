"""Decorators that mark a plugin's handlers: ``@on.add``, ``@on.delete``, ``@on.check``, ``@on.gc``, ``@on.status``.

A marker only sets an attribute on the function; the class is validated when it is created.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar


if TYPE_CHECKING:
    from cnisdk._operations import Add, Check, Del, Gc, Status
    from cnisdk._result import Result

VERB: Final = "__cni_verb__"
"""Function attribute that holds the verb a handler serves."""

_S = TypeVar("_S")
_Add = TypeVar("_Add", bound="Add[Any]")
_Del = TypeVar("_Del", bound="Del[Any]")
_Check = TypeVar("_Check", bound="Check[Any]")
_Gc = TypeVar("_Gc", bound="Gc[Any]")
_Status = TypeVar("_Status", bound="Status[Any]")
_F = TypeVar("_F", bound=Callable[..., object])


def add(handler: Callable[[_S, _Add], Result], /) -> Callable[[_S, _Add], Result]:
    """Mark the handler of ADD: it takes a `cnisdk.Add` and returns the `cnisdk.Result`."""
    return _mark(handler, "ADD")


def delete(handler: Callable[[_S, _Del], None], /) -> Callable[[_S, _Del], None]:
    """Mark the handler of DEL: it takes a `cnisdk.Del` and undoes what ADD did, as far as it is there."""
    return _mark(handler, "DEL")


def check(handler: Callable[[_S, _Check], None], /) -> Callable[[_S, _Check], None]:
    """Mark the handler of CHECK: it takes a `cnisdk.Check` and raises when something is amiss."""
    return _mark(handler, "CHECK")


def gc(handler: Callable[[_S, _Gc], None], /) -> Callable[[_S, _Gc], None]:
    """Mark the handler of GC: it takes a `cnisdk.Gc` and removes what belongs to no valid attachment."""
    return _mark(handler, "GC")


def status(handler: Callable[[_S, _Status], None], /) -> Callable[[_S, _Status], None]:
    """Mark the handler of STATUS: it takes a `cnisdk.Status` and raises when ADD cannot be served."""
    return _mark(handler, "STATUS")


def _mark(handler: _F, verb: str) -> _F:
    setattr(handler, VERB, verb)
    return handler
