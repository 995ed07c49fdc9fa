"""JSON values to Python types, strictly: what cattrs would coerce is refused.

cattrs chooses the hook for a type; the hooks refuse "no" for True and "12" for 12, and say what
was expected and what was given.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast, get_args, get_origin

from cnisdk import errors
from cnisdk._problems import Problem, Problems, expected, shown
from cnisdk._result import Dns, IpAddress, IpInterface, IpNetwork, Route
from cnisdk._result_json import decode_dns, decode_route, parse_cidr


def hook_for(annotation: Any) -> Callable[[Any], Any]:
    structure = converter().get_structure_hook(annotation)

    def hook(value: Any) -> Any:
        try:
            return structure(value, annotation)
        except Problems:
            raise
        except (TypeError, ValueError, LookupError) as failure:
            raise Problems([Problem("", f"{failure}: {shown(value)}")]) from failure

    return hook


@cache
def converter() -> Any:
    from cattrs import Converter

    structure = Converter(detailed_validation=False)
    structure.register_structure_hook(str, _exact(str, "a string"))
    structure.register_structure_hook(bool, _exact(bool, "true or false"))
    structure.register_structure_hook(int, _whole_number)
    structure.register_structure_hook(float, _number)
    structure.register_structure_hook(Dns | None, lambda value, _: _dns(value))
    for union in (IpAddress, IpAddress | None):
        structure.register_structure_hook(union, _address)
    for union in (IpInterface, IpInterface | None):
        structure.register_structure_hook(union, _parsed(parse_cidr, "an address in CIDR notation"))
    for union in (IpNetwork, IpNetwork | None):
        structure.register_structure_hook(union, _parsed(_network, "a network in CIDR notation"))
    structure.register_structure_hook(Route, _route)
    structure.register_structure_hook_factory(_is_sequence, _sequence)
    structure.register_structure_hook_factory(_is_mapping, _mapping)
    return structure


def _refuse(wanted: str, value: Any) -> Problems:
    return Problems([Problem("", expected(wanted, value), errors.DecodingFailure)])


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
            raise Problems([Problem("", expected(wanted, value))]) from None

    return structure


def _address(value: Any, wanted: Any) -> Any:
    if value == "" and wanted == IpAddress | None:
        return None  # Go decodes "" to "no address".
    return _parsed(ipaddress.ip_address, "an IP address")(value, wanted)


def _network(text: str) -> IpNetwork:
    return parse_cidr(text).network


def _dns(value: Any) -> Dns | None:
    try:
        return decode_dns(value)
    except errors.CniError as failure:
        path, _, message = failure.msg.partition(": ")
        raise Problems(
            [Problem(path.removeprefix("dns").lstrip("."), message, type(failure))]
        ) from None


def _route(value: Any, _: Any) -> Route:
    try:
        return decode_route(value)
    except errors.CniError as failure:
        path, _, message = failure.msg.partition(": ")
        raise Problems(
            [Problem(path.removeprefix("route").lstrip("."), message, type(failure))]
        ) from None


def _is_sequence(annotation: Any) -> bool:
    return get_origin(annotation) in {list, tuple, Sequence}


def _sequence(annotation: Any) -> Callable[[Any, Any], Any]:
    is_list = get_origin(annotation) is list
    each = hook_for((get_args(annotation) or (Any,))[0])

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise _refuse("a list", value)
        items: list[Any] = []
        problems: list[Problem] = []
        given: list[Any] = value
        for index, item in enumerate(given):
            try:
                items.append(each(item))
            except Problems as failure:
                problems += failure.below(f"[{index}]")
        if problems:
            raise Problems(problems)
        return items if is_list else tuple(items)

    return structure


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) in {dict, Mapping}


def _mapping(annotation: Any) -> Callable[[Any, Any], Any]:
    each = hook_for((get_args(annotation) or (str, Any))[1])

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


def from_text(text: str, annotation: Any) -> Any:
    """CNI_ARGS are text whatever the field's type; numbers and booleans are read from it."""
    kinds = set(get_args(annotation) or (annotation,))
    if bool in kinds and text.lower() in {"1", "true", "0", "false"}:
        return text.lower() in {"1", "true"}
    if int in kinds and text.isascii() and text.lstrip("-").isdigit():
        return int(text)
    return hook_for(annotation)(text)
