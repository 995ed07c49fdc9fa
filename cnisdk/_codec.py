"""From a JSON object to a configuration class: strict types, JSON paths in errors.

cattrs chooses the hook for a type; the hooks here refuse what cattrs would coerce ("no" to True,
"12" to 12), match keys regardless of case as the Go library does, and collect every problem with
its path in the operator's spelling.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs

from cnisdk import errors
from cnisdk._config import STRICT, IpamConf, camel_case, source_of
from cnisdk._result import Dns, IpAddress, IpInterface, IpNetwork, Route
from cnisdk._result_json import parse_cidr


_T = TypeVar("_T")
_MISSING: Any = object()

PROTOCOL_KEYS = frozenset(
    each.lower()
    for each in (
        "cniVersion", "cniVersions", "name", "type", "args", "capabilities", "runtimeConfig",
        "prevResult", "ipam", "dns", "disableCheck", "disableGC", "loadOnlyInlinedPlugins",
        "timeoutSeconds", "logFile", "logLevel",
    )
)  # fmt: skip


@attrs.frozen
class Problem:
    """One defect of a configuration."""

    path: str
    """JSON path in the operator's spelling, for example ``ipam.ranges[0][1].subnet``."""
    message: str
    """What is wrong, with the value."""
    error: type[errors.CniError] = errors.InvalidConfig
    """The class of error it amounts to."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Problems(ValueError):  # noqa: N818  # raised within the codec only
    """Defects found below one value; paths are relative to it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)

    def below(self, prefix: str) -> list[Problem]:
        """The same defects, seen from the value above."""
        return [attrs.evolve(each, path=_join(prefix, each.path)) for each in self.problems]


def _join(prefix: str, path: str) -> str:
    return prefix + path if not path or path.startswith("[") else f"{prefix}.{path}"


@attrs.frozen
class Sources:
    """Everything besides its own JSON object that may fill a configuration's fields."""

    cni_args: Mapping[str, str] = attrs.field(factory=dict)
    """Parsed CNI_ARGS."""
    args_cni: Mapping[str, Any] = attrs.field(factory=dict)
    """``args.cni`` of the configuration."""
    runtime_config: Mapping[str, Any] = attrs.field(factory=dict)
    """``runtimeConfig`` of the configuration."""


def decode(
    cls: type[_T], body: object, *, path: str = "", sources: Sources | None = None
) -> _T:
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
    raise _as_error(Problems(problems).below(path))


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


def as_error(problems: Sequence[Problem]) -> errors.CniError:
    """One error for all the defects of a configuration; the first decides the code."""
    return _as_error(problems)


def _as_error(problems: Sequence[Problem]) -> errors.CniError:
    first, *others = problems
    return first.error(
        str(first), details="; ".join(f"also {each}" for each in others)
    )


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
        return {}, [Problem("", _expected("an object", body), errors.DecodingFailure)]
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
                values[field.name] = _from_text(value, field.type) if is_text else hook(value)
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
    return [(field, _hook(field.type)) for field in attrs.fields(resolved)]


# ---- hooks --------------------------------------------------------------------------------------


def _hook(annotation: Any) -> Callable[[Any], Any]:
    structure = _converter().get_structure_hook(annotation)

    def hook(value: Any) -> Any:
        try:
            return structure(value, annotation)
        except Problems:
            raise
        except (TypeError, ValueError, LookupError) as failure:
            raise Problems([Problem("", f"{failure}: {shown(value)}")]) from failure

    return hook


@cache
def _converter() -> Any:
    from cattrs import Converter

    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(str, _exact(str, "a string"))
    converter.register_structure_hook(bool, _exact(bool, "true or false"))
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(Dns | None, lambda value, _: _dns(value))
    converter.register_structure_hook(IpamConf | None, lambda value, _: _ipam(value))
    for union in (IpAddress, IpAddress | None):
        converter.register_structure_hook(union, _address)
    for union in (IpInterface, IpInterface | None):
        converter.register_structure_hook(union, _parsed(parse_cidr, "an address in CIDR notation"))
    for union in (IpNetwork, IpNetwork | None):
        converter.register_structure_hook(union, _parsed(_network, "a network in CIDR notation"))
    converter.register_structure_hook(Route, _route)
    converter.register_structure_hook_factory(_is_sequence, _sequence)
    converter.register_structure_hook_factory(_is_mapping, _mapping)
    converter.register_structure_hook_factory(_is_config, _config)
    return converter


def shown(value: Any) -> str:
    """A JSON value for a message, cut to a readable length."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _expected(wanted: str, value: Any) -> str:
    return f"expected {wanted}, got {shown(value)}"


def _refuse(wanted: str, value: Any) -> Problems:
    return Problems([Problem("", _expected(wanted, value), errors.DecodingFailure)])


def _exact(kind: type, wanted: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise _refuse(wanted, value)
        return value

    return structure


def _whole_number(value: Any, _: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise _refuse("a whole number", value)
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refuse("a number", value)
    return float(value)


def _parsed(parse: Callable[[str], Any], wanted: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, str):
            raise _refuse(wanted, value)
        try:
            return parse(value)
        except ValueError:
            raise Problems([Problem("", _expected(wanted, value))]) from None

    return structure


def _address(value: Any, wanted: Any) -> Any:
    if value == "" and wanted == IpAddress | None:
        return None  # Go decodes "" to "no address".
    return _parsed(ipaddress.ip_address, "an IP address")(value, wanted)


def _network(text: str) -> IpNetwork:
    return parse_cidr(text).network


def _dns(value: Any) -> Dns | None:
    from cnisdk._result_json import decode_dns

    try:
        return decode_dns(value)
    except errors.CniError as failure:
        path, _, message = failure.msg.partition(": ")
        raise Problems(
            [Problem(path.removeprefix("dns").lstrip("."), message, type(failure))]
        ) from None


def _route(value: Any, _: Any) -> Route:
    from cnisdk._result_json import decode_route

    try:
        return decode_route(value)
    except errors.CniError as failure:
        path, _, message = failure.msg.partition(": ")
        raise Problems(
            [Problem(path.removeprefix("route").lstrip("."), message, type(failure))]
        ) from None


def _ipam(value: Any) -> IpamConf | None:
    ipam = cast("IpamConf", _structure_config(IpamConf, value))
    return ipam if ipam.type else None


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


def _is_sequence(annotation: Any) -> bool:
    return get_origin(annotation) in {list, tuple, Sequence}


def _sequence(annotation: Any) -> Callable[[Any, Any], Any]:
    build = list if get_origin(annotation) is list else tuple
    each = _hook((get_args(annotation) or (Any,))[0])

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise _refuse("a list", value)
        items: list[Any] = []
        problems: list[Problem] = []
        for index, item in enumerate(cast("list[Any]", value)):
            try:
                items.append(each(item))
            except Problems as failure:
                problems += failure.below(f"[{index}]")
        if problems:
            raise Problems(problems)
        return build(items)

    return structure


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) in {dict, Mapping}


def _mapping(annotation: Any) -> Callable[[Any, Any], Any]:
    each = _hook((get_args(annotation) or (str, Any))[1])

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise _refuse("an object", value)
        items: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, item in cast("dict[str, Any]", value).items():
            try:
                items[name] = each(item)
            except Problems as failure:
                problems += failure.below(name)
        if problems:
            raise Problems(problems)
        return items

    return structure


def _from_text(text: str, annotation: Any) -> Any:
    """CNI_ARGS are text whatever the field's type; numbers and booleans are read from it."""
    kinds = set(get_args(annotation) or (annotation,))
    if bool in kinds and text.lower() in {"1", "true", "0", "false"}:
        return text.lower() in {"1", "true"}
    if int in kinds and text.isascii() and text.lstrip("-").isdigit():
        return int(text)
    return _hook(annotation)(text)


__all__ = ["Problem", "Sources", "camel_case", "decode", "decode_leniently", "shown"]
