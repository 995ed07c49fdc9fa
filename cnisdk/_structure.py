"""JSON values to Python types, strictly: "no" is not True and "12" is not 12.

What a configuration usually holds is read here; cattrs, whose import costs a fifth of an IPAM
plugin's call, reads the rest (dataclasses, paths, dates).
"""

from __future__ import annotations

import enum
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache, partial
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from cnisdk._document import Repetitive
from cnisdk._problems import Problem, Problems, expected, shown
from cnisdk._result import Dns
from cnisdk._scalars import ADDRESSES, HOOKS, UNIONS, Hook, anything, read_dns, refuse


_NONE = type(None)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,30}")
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


def hook_for(annotation: Any) -> Hook:
    """How a value of this type is read.

    Raises:
        TypeError: nobody knows.
    """
    special = HOOKS.get(annotation) if isinstance(annotation, type) else None
    if special is not None:
        return special
    if annotation in {Any, object}:
        return anything
    for fits, make in _FACTORIES:
        if fits(annotation):
            return make(annotation)
    return _by_cattrs(annotation)


def register(fits: Callable[[Any], bool], make: Callable[[Any], Hook]) -> None:
    """Add a way to read types, before those that are here."""
    _FACTORIES.insert(0, (fits, make))


# ---- unions and choices -------------------------------------------------------------------------


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def _union(annotation: Any) -> Hook:
    members = get_args(annotation)
    optional = _NONE in members
    others = [each for each in members if each is not _NONE]
    if others == [Dns]:
        inner: Hook = read_dns  # {} is "no DNS settings"
    elif frozenset(others) in UNIONS:
        inner = UNIONS[frozenset(others)]
    elif len(others) == 1:
        inner = hook_for(others[0])
    else:
        inner = partial(_first_that_fits, [hook_for(each) for each in others])
    # Go decodes "" to "no address".
    absent = (None, "") if ADDRESSES.issuperset(others) else (None,)

    def hook(value: Any) -> Any:
        return None if optional and value in absent else inner(value)

    return hook


def _first_that_fits(hooks: Sequence[Hook], value: Any) -> Any:
    wanted: list[str] = []
    for hook in hooks:
        try:
            return hook(value)
        except Problems as failure:
            (first, *others) = failure.problems
            message, refused, _ = first.message.removeprefix("expected ").rpartition(", got ")
            if others or first.path or not refused:
                raise  # The value is of this kind, and has a defect of its own.
            wanted.append(message)
    raise refuse(" or ".join(wanted), value)


def _is_choice(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, enum.Enum)
    return get_origin(annotation) is Literal


def _choice(annotation: Any) -> Hook:
    literal = get_origin(annotation) is Literal
    # By type too: True is not 1.
    choices: dict[tuple[object, Any], Any] = {}
    for each in get_args(annotation) if literal else annotation:
        value = each if literal else each.value
        choices[type(value), value] = each
    wanted = " or ".join(shown(value) for _, value in choices)
    kinds = {kind for kind, _ in choices}

    def hook(value: Any) -> Any:
        kind = cast("type[object]", type(value))
        if kind not in kinds:
            raise refuse(wanted, value)
        if (kind, value) not in choices:
            raise Problems([Problem("", expected(wanted, value))])
        return choices[kind, value]

    return hook


# ---- lists and objects --------------------------------------------------------------------------

_SEQUENCES: Final[dict[Any, Callable[[list[Any]], Any]]] = {
    list: list, tuple: tuple, Sequence: tuple, set: set, frozenset: frozenset,
    AbstractSet: frozenset,
}  # fmt: skip


def _is_sequence(annotation: Any) -> bool:
    return (get_origin(annotation) or annotation) in _SEQUENCES


def _sequence(annotation: Any) -> Hook:
    build = _SEQUENCES[get_origin(annotation) or annotation]
    arguments = get_args(annotation) or (Any,)
    each = hook_for(arguments[0])
    if build is tuple and len(arguments) > 1 and arguments[1] is not Ellipsis:
        return _fixed([hook_for(argument) for argument in arguments])

    def hook(value: Any) -> Any:
        if not isinstance(value, list):
            raise refuse("a list", value)
        items = cast("list[object]", value)
        return build(_collected((f"[{i}]", each, item) for i, item in enumerate(items)))

    return hook


def _fixed(hooks: list[Hook]) -> Hook:
    def hook(value: Any) -> Any:
        items = cast("list[object]", value) if isinstance(value, list) else []
        if len(items) != len(hooks):
            raise refuse(f"a list of {len(hooks)}", value)
        return tuple(_collected((f"[{i}]", hooks[i], item) for i, item in enumerate(items)))

    return hook


def _is_mapping(annotation: Any) -> bool:
    return (get_origin(annotation) or annotation) in {dict, Mapping}


def _mapping(annotation: Any) -> Hook:
    key_type, value_type = get_args(annotation) or (str, Any)
    each = hook_for(value_type)

    def hook(value: Any) -> Any:
        if not isinstance(value, dict):
            raise refuse("an object", value)
        items = cast("dict[str, object]", value)
        keys = _collected((name, partial(from_text, annotation=key_type), name) for name in items)
        values = _collected((n, each, v) for n, v in items.items())
        read = dict(zip(keys, values, strict=True))
        if isinstance(value, Repetitive):
            return value.with_values(read)
        return read

    return hook


def _collected(steps: Iterable[tuple[str, Hook, Any]]) -> list[Any]:
    """The values of all steps, or the defects of all."""
    items: list[Any] = []
    problems: list[Problem] = []
    for path, hook, value in steps:
        try:
            items.append(hook(value))
        except Problems as failure:
            problems += failure.below(path)
    if problems:
        raise Problems(problems)
    return items


# ---- the rest -----------------------------------------------------------------------------------


def _is_renamed(annotation: Any) -> bool:
    return hasattr(annotation, "__supertype__") or get_origin(annotation) is Annotated


def _renamed(annotation: Any) -> Hook:
    """NewType and Annotated."""
    return hook_for(getattr(annotation, "__supertype__", None) or get_args(annotation)[0])


_FACTORIES: Final[list[tuple[Callable[[Any], bool], Callable[[Any], Hook]]]] = [
    (_is_union, _union),
    (_is_choice, _choice),
    (_is_sequence, _sequence),
    (_is_mapping, _mapping),
    (_is_renamed, _renamed),
]


def _by_cattrs(annotation: Any) -> Hook:
    from cattrs.errors import StructureHandlerNotFoundError

    try:
        structure = _converter().get_structure_hook(annotation)
    except StructureHandlerNotFoundError:
        raise TypeError(f"cannot be read from JSON as {annotation}") from None

    def hook(value: Any) -> Any:
        try:
            return structure(value, annotation)
        except Problems:
            raise
        except Exception as failure:  # whatever a class makes of a value it was not made for
            message = expected(getattr(annotation, "__name__", str(annotation)), value)
            raise Problems([Problem("", f"{message}: {failure}")]) from failure

    return hook


@cache
def _converter() -> Any:
    from cattrs import Converter

    structure = Converter(detailed_validation=False)
    for kind, hook in HOOKS.items():
        structure.register_structure_hook(kind, partial(_ignoring_type, hook))
    for fits, make in reversed(_FACTORIES):
        structure.register_structure_hook_factory(fits, _cattrs_factory(make))
    return structure


def _ignoring_type(hook: Hook, value: Any, _: Any) -> Any:
    return hook(value)


def _cattrs_factory(make: Callable[[Any], Hook]) -> Callable[[Any], Any]:
    return lambda annotation: partial(_ignoring_type, make(annotation))


def from_text(text: str, annotation: Any) -> Any:
    """CNI_ARGS are text whatever the field's type; lists, numbers and booleans are read from it."""
    if _is_sequence(annotation):
        items = [part.strip() for part in text.split(",")]
        return hook_for(annotation)([part for part in items if part])
    kinds = set(get_args(annotation) or (annotation,))
    if bool in kinds and text.lower() in {"1", "true", "0", "false"}:
        return text.lower() in {"1", "true"}
    for kind, form in ((int, _WHOLE_NUMBER), (float, _NUMBER)):
        if kind in kinds and form.fullmatch(text):
            return hook_for(annotation)(kind(text))
    return hook_for(annotation)(text)
