"""From a JSON object to a configuration class: strict types, JSON paths in errors.

cattrs chooses the hook for a type; the hooks here refuse what cattrs would coerce ("no" to True,
"12" to 12), match keys regardless of case as the Go library does, and collect every problem with
its path in the operator's spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import attrs

from cnisdk import errors
from cnisdk._config import STRICT, IpamConf, source_of
from cnisdk._problems import Problem, Problems, as_error, expected, shown
from cnisdk._structure import converter, from_text, hook_for


_T = TypeVar("_T")

PROTOCOL_KEYS = frozenset(
    each.lower()
    for each in (
        "cniVersion", "cniVersions", "name", "type", "args", "capabilities", "runtimeConfig",
        "prevResult", "ipam", "dns", "disableCheck", "disableGC", "loadOnlyInlinedPlugins",
        "timeoutSeconds", "logFile", "logLevel",
    )
)  # fmt: skip


@attrs.frozen
class Sources:
    """Everything besides its own JSON object that may fill a configuration's fields."""

    cni_args: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Parsed CNI_ARGS."""
    args_cni: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    """``args.cni`` of the configuration."""
    runtime_config: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
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
    values, problems = _read_fields(cls, body, sources)
    if not problems:
        try:
            return cls(**values)
        except (TypeError, ValueError) as failure:
            problems = _failed_validators(cls, values) or [Problem("", str(failure))]
    raise as_error(Problems(problems).below(path))


def decode_leniently(
    cls: type[_T], body: object, *, path: str = "", sources: Sources | None = None
) -> tuple[_T | None, list[Problem]]:
    """Read a configuration for DEL and GC: a defective value is replaced by its default.

    Returns:
        The configuration, or None when a required key is missing or defective; and the defects.
    """
    values, problems = _read_fields(cls, body, sources)
    for failed in _failed_validators(cls, values):
        problems.append(failed)
        for field in attrs.fields(cast("Any", cls)):
            if field.default is not attrs.NOTHING and _spelling(field) == failed.path:
                values.pop(field.name, None)
    problems = Problems(problems).below(path)
    try:
        return cls(**values), problems
    except (TypeError, ValueError) as failure:
        if not problems:
            problems.append(Problem(path, str(failure)))
        return None, problems


# ---- one class ----------------------------------------------------------------------------------


def _spelling(field: attrs.Attribute[Any]) -> str:
    source = source_of(field)
    if source.key is not None:
        return source.key
    return f"runtimeConfig.{source.capability}" if source.capability else f"args.cni.{source.arg}"


def _read_fields(
    cls: type, body: object, sources: Sources | None
) -> tuple[dict[str, Any], list[Problem]]:
    if not isinstance(body, Mapping):
        return {}, [Problem("", expected("an object", body), errors.DecodingFailure)]
    given = cast("Mapping[str, Any]", body)
    folded: dict[str, tuple[str, Any]] = {}
    for name, value in given.items():
        # An exact match is preferred by the caller; among the others the later one wins, as in Go.
        folded[name.lower()] = (name, value)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    known: set[str] = set()
    for field, hook in _fields(cls):
        source = source_of(field)
        found: list[tuple[str, Any, bool]] = []
        if source.key is not None:
            known.add(source.key.lower())
            if source.key in given:
                found.append((source.key, given[source.key], False))
            elif source.key.lower() in folded:
                found.append((*folded[source.key.lower()], False))
        if sources is not None:
            found += _outer(source.arg, source.capability, sources)
        found = [each for each in found if each[1] is not None]
        if found:
            spelling, value, is_text = found[-1]
            try:
                values[field.name] = from_text(value, field.type) if is_text else hook(value)
            except Problems as failure:
                problems += failure.below(spelling)
        elif field.default is attrs.NOTHING:
            problems.append(Problem(_spelling(field), "required, but not given"))
    if getattr(cls, STRICT, False):
        problems += [
            Problem(name, f"unsupported field with value {shown(value)}", errors.UnsupportedField)
            for name, value in given.items()
            if name.lower() not in known | PROTOCOL_KEYS and not name.startswith("cni.dev/")
        ]
    return values, problems


def _outer(arg: str, capability: str, sources: Sources) -> list[tuple[str, Any, bool]]:
    found: list[tuple[str, Any, bool]] = []
    if arg:
        if arg in sources.cni_args:
            found.append((f"CNI_ARGS {arg}", sources.cni_args[arg], True))
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


def _failed_validators(cls: type, values: Mapping[str, Any]) -> list[Problem]:
    """attrs stops at the first failing validator and does not say whose it was."""
    problems: list[Problem] = []
    for field in attrs.fields(cast("Any", cls)):
        if field.validator is None or field.name not in values:
            continue
        try:
            # Validators name the field in their message; it should be the operator's name for it.
            spelled = field.evolve(name=_spelling(field))
            field.validator(None, spelled, values[field.name])
        except (TypeError, ValueError) as failure:
            message = str(failure.args[0]) if failure.args else str(failure)
            problems.append(Problem(_spelling(field), message))
    return problems


@cache
def _fields(cls: type) -> list[tuple[attrs.Attribute[Any], Callable[[Any], Any]]]:
    resolved = attrs.resolve_types(cast("Any", cls))
    return [(field, hook_for(field.type)) for field in attrs.fields(resolved)]


# ---- classes within classes ---------------------------------------------------------------------


def _is_config(annotation: Any) -> bool:
    return isinstance(annotation, type) and attrs.has(annotation)


def _config(annotation: Any) -> Callable[[Any, Any], Any]:
    return lambda value, _: _structure_config(annotation, value)


def _structure_config(cls: type[_T], value: Any) -> _T:
    values, problems = _read_fields(cls, value, None)
    if not problems:
        try:
            return cls(**values)
        except (TypeError, ValueError) as failure:
            problems = _failed_validators(cls, values) or [Problem("", str(failure))]
    raise Problems(problems)


def _ipam(value: Any, _: Any) -> IpamConf | None:
    ipam = _structure_config(IpamConf, value)
    return ipam if ipam.type else None


converter().register_structure_hook(IpamConf | None, _ipam)
converter().register_structure_hook_factory(_is_config, _config)
