"""From a JSON object to a configuration class: strict types, JSON paths in errors.

Keys are matched regardless of case as the Go library does, and every problem is collected with its
path in the operator's spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar, cast

import attrs

from cnisdk import errors
from cnisdk._config import STRICT, IpamConf, source_of
from cnisdk._problems import Problem, Problems, as_error, expected, shown
from cnisdk._scalars import Hook
from cnisdk._structure import from_text, hook_for, register


_T = TypeVar("_T")

PROTOCOL_KEYS = frozenset(
    each.lower()
    for each in (
        "cniVersion", "cniVersions", "name", "type", "args", "capabilities", "runtimeConfig",
        "prevResult", "ipam", "dns", "disableCheck", "disableGC", "loadOnlyInlinedPlugins",
        "timeoutSeconds", "logFile", "logLevel",
    )
)  # fmt: skip


class Sources(NamedTuple):
    """Everything besides its own JSON object that may fill a configuration's fields."""

    cni_args: Callable[[], Mapping[str, str]] = dict
    """Gives the parsed CNI_ARGS; called when a field takes one of them."""
    args_cni: Mapping[str, Any] = MappingProxyType({})
    """``args.cni`` of the configuration."""
    runtime_config: Mapping[str, Any] = MappingProxyType({})
    """``runtimeConfig`` of the configuration."""


def decode(cls: type[_T], body: object, *, path: str = "", sources: Sources | None = None) -> _T:
    """Read a configuration strictly.

    Args:
        cls: A class made by `cnisdk.config`.
        body: The JSON object.
        path: Where the object stands in the document, "" or "ipam".
        sources: Arguments and capabilities.

    Raises:
        errors.DecodingFailure: a value has the wrong JSON type (code 6).
        errors.InvalidConfig: a value fails a validation, or a required key is absent (code 7).
        errors.UnsupportedField: an unknown key in a strict configuration (code 2).
    """
    try:
        return _structured(cls, body, sources)
    except Problems as failure:
        raise as_error(failure.below(path)) from None


def decode_leniently(
    cls: type[_T], body: object, *, path: str = "", sources: Sources | None = None
) -> tuple[_T | None, list[Problem]]:
    """Read a configuration for DEL and GC: a defective value is replaced by its default.

    Returns:
        The configuration, or None when a required key is missing or defective; and the defects.
    """
    values, spellings, problems = _read_fields(cls, body, sources)
    for failed in _failed_fields(cls, values, spellings):
        problems.append(failed)
        for field in attrs.fields(cast("Any", cls)):
            if field.default is not attrs.NOTHING and spellings.get(field.name) == failed.path:
                values.pop(field.name, None)
    problems = Problems(problems).below(path)
    try:
        return cls(**values), problems
    except Exception as failure:  # noqa: BLE001  # whatever an author's class raises: DEL goes on
        if not problems:
            problems += _of_class(failure).below(path)
        return None, problems


# ---- one class ----------------------------------------------------------------------------------


def _structured(cls: type[_T], body: object, sources: Sources | None) -> _T:
    values, spellings, problems = _read_fields(cls, body, sources)
    if problems:
        raise Problems(problems)
    try:
        return cls(**values)
    except (TypeError, ValueError, errors.CniError) as failure:
        failed = _failed_fields(cls, values, spellings)
        raise (Problems(failed) if failed else _of_class(failure)) from None


def _of_class(failure: Exception) -> Problems:
    """The defect behind an error of an author's ``__attrs_post_init__``."""
    if isinstance(failure, errors.CniError) and type(failure).__init__ is errors.CniError.__init__:
        return Problems([Problem("", str(failure), type(failure))])
    return Problems([Problem("", str(failure) or type(failure).__name__)])


def _spelling(field: attrs.Attribute[Any]) -> str:
    source = source_of(field)
    if source.key is not None:
        return source.key
    return f"runtimeConfig.{source.capability}" if source.capability else f"args.cni.{source.arg}"


def _read_fields(
    cls: type, body: object, sources: Sources | None
) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
    """The values by field, where each comes from, and the defects."""
    if not isinstance(body, Mapping):
        return {}, {}, [Problem("", expected("an object", body), errors.DecodingFailure)]
    given = cast("Mapping[str, Any]", body)
    folded: dict[str, tuple[str, Any]] = {}
    for name, value in given.items():
        folded[name.lower()] = (name, value)  # The later one wins, as in Go.
    values: dict[str, Any] = {}
    spellings: dict[str, str] = {}
    problems: list[Problem] = []
    known: set[str] = set()
    for field, hook in _fields(cls):
        source = source_of(field)
        found: list[tuple[str, Any, bool]] = []
        if source.key is not None:
            known.add(source.key.lower())
            if source.key.lower() in folded:
                chosen = folded[source.key.lower()]
                # Structs that Go programs print as configurations have, beside "address", the object
                # they have read from it as "Address".
                if source.key in given and isinstance(chosen[1], dict):
                    exact = given[source.key]
                    chosen = chosen if isinstance(exact, dict) else (source.key, exact)
                found.append((*chosen, False))
        if sources is not None:
            found += _outer(source.arg, source.capability, sources)
        found = [each for each in found if each[1] is not None]
        if found:
            spelling, value, is_text = found[-1]
            spellings[field.name] = spelling
            try:
                values[field.name] = from_text(value, field.type) if is_text else hook(value)
            except Problems as failure:
                problems += _worded(failure.below(spelling), source.refusal)
        elif field.default is attrs.NOTHING:
            problems.append(Problem(_spelling(field), "required, but not given"))
    if getattr(cls, STRICT, False):
        problems += [
            Problem(name, f"unsupported field with value {shown(value)}", errors.UnsupportedField)
            for name, value in given.items()
            if name.lower() not in known | PROTOCOL_KEYS and not name.startswith("cni.dev/")
        ]
    return values, spellings, problems


def _worded(problems: list[Problem], refusal: str) -> list[Problem]:
    """Defects in the words of the field that has its own for what cannot be read."""
    if not refusal:
        return problems
    return [
        each._replace(wording=refusal.format(each.refused)) if each.refused else each
        for each in problems
    ]


def _outer(arg: str, capability: str, sources: Sources) -> list[tuple[str, Any, bool]]:
    found: list[tuple[str, Any, bool]] = []
    if arg:
        found += [
            (f"CNI_ARGS {name}", value, True)
            for name, value in sources.cni_args().items()
            if name.lower() == arg.lower()  # W-LIB-21
        ]
        found += [
            (f"args.cni.{name}", value, False)
            for name, value in sources.args_cni.items()
            if name.lower() == arg.lower()
        ]
    if capability:
        found += [
            (f"runtimeConfig.{name}", value, False)
            for name, value in sources.runtime_config.items()
            if name.lower() == capability.lower()
        ]
    return found


def _failed_fields(
    cls: type, values: Mapping[str, Any], spellings: Mapping[str, str]
) -> list[Problem]:
    """attrs stops at the first field that fails and does not say which it was."""
    problems: list[Problem] = []
    for field in attrs.fields(cast("Any", cls)):
        if field.name not in values:
            continue
        # Validators name the field in their message; it should be the operator's name for it.
        spelling = spellings[field.name]
        spelled = field.evolve(name=spelling)
        try:
            value = values[field.name]
            if field.converter is not None:
                value = field.converter(value)
            if field.validator is not None:
                field.validator(None, spelled, value)
        except errors.CniError as failure:
            problems += _of_class(failure).below(spelling)
        except (ArithmeticError, TypeError, ValueError) as failure:
            problems.append(Problem(spelling, _complaint(failure, spelling)))
        except AttributeError:
            continue  # It looks at the whole instance: the class will say what is wrong.
    return problems


def _complaint(failure: Exception, spelling: str) -> str:
    """What a validator says, in the operator's language where it is one of attrs' own."""
    match failure.args:
        case (_, attrs.Attribute(), options, value):  # attrs.validators.in_
            words = ", ".join(str(each) for each in options if each)
            return f"must be one of {words}, got {shown(value)}"
        case (message, *_):
            return str(message).removeprefix(f"'{spelling}' ")
        case _:
            return type(failure).__name__


@cache
def _fields(cls: type) -> list[tuple[attrs.Attribute[Any], Hook]]:
    try:
        resolved = attrs.resolve_types(cast("Any", cls))
    except NameError as failure:
        raise errors.InternalError(
            f"configuration class {cls.__qualname__}: {failure}",
            details="its annotations are read at run time: import what they name outside of "
            "TYPE_CHECKING, and define nested classes at module level",
        ) from failure
    found: list[tuple[attrs.Attribute[Any], Hook]] = []
    for field in attrs.fields(resolved):
        if not field.init:  # a subclass has no use for it
            continue
        try:
            found.append((field, hook_for(field.type)))
        except TypeError as failure:
            raise errors.InternalError(
                f"configuration class {cls.__qualname__}: field {field.name} {failure}",
                details="choose a type that JSON has a form for",
            ) from failure
    return found


# ---- classes within classes ---------------------------------------------------------------------


def _is_config(annotation: Any) -> bool:
    return isinstance(annotation, type) and attrs.has(annotation)


def _config(annotation: Any) -> Hook:
    return lambda value: _structured(annotation, value, None)


def _is_optional_ipam(annotation: Any) -> bool:
    return bool(annotation == IpamConf | None)


def _optional_ipam(_: Any) -> Hook:
    def hook(value: Any) -> IpamConf | None:
        ipam = _structured(IpamConf, value, None)
        return ipam if ipam.type else None

    return hook


register(_is_config, _config)
register(_is_optional_ipam, _optional_ipam)
