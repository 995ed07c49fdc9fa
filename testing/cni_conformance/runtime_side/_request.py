"""Rules about the request configuration that reaches a plugin, and the results in it."""

from __future__ import annotations

import json
import math
from typing import Any, cast

from cni_conformance._versions import VERSIONS, at_least, has_command
from cni_conformance.runtime_side._call import WITH_ATTACHMENT, Call, Json, Operation
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side._rule import Findings, rule


# Keys of a plugin configuration which a runtime writes anew or leaves out; `type` has a rule of its own.
_NOT_PASSED = {"type", "cniVersion", "name", "capabilities", "runtimeConfig", "prevResult", "args"}
_EXACT = 2**53
"""Up to here every integer is a floating-point number of 64 bits as well."""
_NO_REQUEST = "no request configuration was recorded"
VALID = "cni.dev/valid-attachments"


@rule("runtime/request/1", otherwise=_NO_REQUEST)
def version_is_the_highest(seen: Recording) -> Findings:
    """Of those the runtime claims to know."""
    for call, request in seen.requests():
        given = request.get("cniVersion")
        expected = seen.version
        problem = f"cniVersion is {given!r}, the highest is {expected!r}."
        yield call, "" if given == expected else problem


@rule("runtime/request/2", otherwise=_NO_REQUEST)
def name_is_that_of_the_network(seen: Recording) -> Findings:
    """Plugin configurations have none of their own."""
    for call, request in seen.requests():
        given = request.get("name")
        yield call, "" if given == seen.network else f"name is {given!r}, not {seen.network!r}."


@rule("runtime/request/3", otherwise=_NO_REQUEST)
def other_keys_are_unchanged(seen: Recording) -> Findings:
    """Large integers have a rule of their own."""
    for call, request in seen.requests():
        wrong = [
            f"{key} is {_said(request, key)}, not {_json(value)}"
            for key, value in _passed(seen.configuration_of(call)).items()
            if key not in request or not _same(request[key], value, exact=False)
        ]
        yield call, f"{'; '.join(wrong)}." if wrong else ""


@rule("runtime/request/4", otherwise="the configuration has no integer beyond 2^53")
def large_integers_are_exact(seen: Recording) -> Findings:
    """A runtime that decodes numbers to floating-point ones alters them."""
    for call, request in seen.requests():
        passed = _passed(seen.configuration_of(call))
        large = {key: value for key, value in passed.items() if _is_large(value)}
        if not large:
            continue
        wrong = [
            f"{key} is {_said(request, key)}, not {_json(value)}"
            for key, value in large.items()
            # What differs otherwise too is reported by the rule above.
            if _same(request.get(key), value, exact=False)
            and not _same(request.get(key), value, exact=True)
        ]
        yield call, f"{'; '.join(wrong)}." if wrong else ""


@rule("runtime/request/5", otherwise="the configuration has no key that begins with cni.dev/")
def reserved_keys_are_not_passed(seen: Recording) -> Findings:
    """The runtime makes them itself."""
    for call, request in seen.requests():
        own = seen.configuration_of(call)
        made = {VALID} if call.command == "GC" else set[str]()  # by the runtime itself
        reserved = [key for key in own if key.startswith("cni.dev/") and key not in made]
        if reserved:
            passed = [key for key in reserved if key in request and request[key] == own[key]]
            yield call, f"It was given {', '.join(passed)} of the configuration." if passed else ""


@rule("runtime/request/6", otherwise="no ADD, DEL or CHECK was recorded")
def capabilities_are_not_passed(seen: Recording) -> Findings:
    """They speak to the runtime; the plugin gets runtimeConfig."""
    for call, request in seen.requests(*WITH_ATTACHMENT):
        given = "capabilities" in request
        yield call, f"capabilities is {_said(request, 'capabilities')}." if given else ""


@rule("runtime/request/7", otherwise="no ADD, DEL or CHECK was recorded")
def runtime_config_has_declared_capabilities_alone(seen: Recording) -> Findings:
    """One that is declared with false is not supported."""
    for call, request in seen.requests(*WITH_ATTACHMENT):
        given = request.get("runtimeConfig", {})
        if not isinstance(given, dict):
            yield call, f"runtimeConfig is no object: {_json(given)}."
            continue
        more = sorted(set(cast("Json", given)) - _declared(seen.configuration_of(call)))
        yield call, f"runtimeConfig has {', '.join(more)}, not declared." if more else ""


@rule("runtime/request/8", otherwise="no two plugins declare a capability that was passed to one")
def runtime_config_has_all_declared_capabilities(seen: Recording) -> Findings:
    """What one plugin is given, the runtime had, and so owes the others that declare it."""
    for operation in seen.operations_on(*WITH_ATTACHMENT):
        given = {name for call in operation.calls for name in _runtime_config(call)}
        for call in operation.calls:
            declared = _declared(seen.configuration_of(call)) & given
            missing = sorted(declared - _runtime_config(call).keys())
            shared = any(
                name in _runtime_config(other)
                for other in operation.calls
                if other is not call
                for name in declared
            )
            if shared:
                problem = f"runtimeConfig lacks {', '.join(missing)}, which another plugin got."
                yield call, problem if missing else ""


@rule("runtime/request/9", otherwise="no VERSION was recorded")
def version_command_names_a_version(seen: Recording) -> Findings:
    """The only key VERSION needs."""
    for call in seen.of("VERSION"):
        given = (call.request or {}).get("cniVersion")
        yield call, "" if given in VERSIONS else f"cniVersion is {given!r}."


# -- prevResult --------------------------------------------------------------------------------------


@rule("runtime/result/1", otherwise="no ADD of the network was recorded")
def first_add_has_no_previous_result(seen: Recording) -> Findings:
    """There is no previous plugin."""
    for operation in _alone(seen, "ADD"):
        call = operation.calls[0]
        request = call.request or {}
        given = "prevResult" in request
        yield call, f"prevResult is {_said(request, 'prevResult')}." if given else ""


@rule("runtime/result/2", otherwise="no ADD of a second plugin was recorded")
def later_add_has_the_result_before(seen: Recording) -> Findings:
    """That of the plugin before it in the chain."""
    for operation in _alone(seen, "ADD"):
        for before, call in zip(operation.calls, operation.calls[1:], strict=False):
            if before.result is not None and call.request is not None:
                yield call, _difference(call.request, before.result)


@rule("runtime/result/3", otherwise="no CHECK after a complete ADD was recorded")
def check_has_the_result_of_add(seen: Recording) -> Findings:
    """The last plugin's, for all of them."""
    for operation in _alone(seen, "CHECK"):
        added = seen.last_add(operation)
        if added is not None and seen.was_added(added) and added.result is not None:
            for call in operation.calls:
                if call.request is not None:
                    yield call, _difference(call.request, added.result)


@rule("runtime/result/4", otherwise="no DEL after a complete ADD was recorded (from 0.4.0 on)")
def delete_has_the_result_of_add(seen: Recording) -> Findings:
    """Once everything is deleted, a runtime may forget the result."""
    for operation in _alone(seen, "DEL"):
        added = seen.last_add(operation)
        if added is None or not seen.was_added(added) or added.result is None:
            continue
        between = seen.since(added, operation)
        if any(each.command == "DEL" and each.succeeded for each in between):
            continue
        for call in operation.calls:
            request = call.request
            if request is not None and at_least(_version(request), "0.4.0"):
                yield call, _difference(request, added.result)


# -- GC and versions ---------------------------------------------------------------------------------


@rule("runtime/gc/1", otherwise="no GC was recorded")
def gc_lists_valid_attachments(seen: Recording) -> Findings:
    """An empty list is one too."""
    for call, request in seen.requests("GC"):
        is_well = is_list_of_attachments(request.get(VALID))
        yield call, "" if is_well else f"{VALID} is {_said(request, VALID)}."


@rule("runtime/versions/1", otherwise="no CHECK was recorded")
def check_is_for_versions_that_have_it(seen: Recording) -> Findings:
    """From 0.4.0 on."""
    for call, request in seen.requests("CHECK"):
        yield call, _too_old(request, "CHECK")


@rule("runtime/versions/2", otherwise="no GC was recorded")
def gc_is_for_versions_that_have_it(seen: Recording) -> Findings:
    """From 1.1.0 on."""
    for call, request in seen.requests("GC"):
        yield call, _too_old(request, "GC")


@rule("runtime/versions/3", otherwise="no STATUS was recorded")
def status_is_for_versions_that_have_it(seen: Recording) -> Findings:
    """From 1.1.0 on."""
    for call, request in seen.requests("STATUS"):
        yield call, _too_old(request, "STATUS")


# -- what they share ---------------------------------------------------------------------------------


def _alone(seen: Recording, command: str) -> list[Operation]:
    """Operations whose calls are certainly theirs."""
    return [each for each in seen.operations_on(command) if each.alone]


def _passed(configuration: Json) -> Json:
    return {
        key: value
        for key, value in configuration.items()
        if key not in _NOT_PASSED and not key.startswith("cni.dev/")
    }


def _declared(configuration: Json) -> set[str]:
    declared: Any = configuration.get("capabilities")
    if not isinstance(declared, dict):
        return set()
    return {name for name, supported in cast("Json", declared).items() if supported is True}


def _runtime_config(call: Call) -> Json:
    given: Any = (call.request or {}).get("runtimeConfig")
    return cast("Json", given) if isinstance(given, dict) else {}


def _canonical(value: Any, *, exact: bool) -> Any:
    """A value that can be compared; true is not 1, and large integers may be rounded as floats are."""
    if isinstance(value, dict):
        entries = cast("Json", value).items()
        return {key: _canonical(each, exact=exact) for key, each in entries}
    if isinstance(value, list):
        return [_canonical(each, exact=exact) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value).__name__, value
    return "number", value if exact or abs(value) <= _EXACT else _rounded(value)


def _rounded(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _same(value: Any, other: Any, *, exact: bool) -> bool:
    return bool(_canonical(value, exact=exact) == _canonical(other, exact=exact))


def _is_large(value: Any) -> bool:
    """Whether rounding changes it."""
    return bool(_canonical(value, exact=True) != _canonical(value, exact=False))


def _difference(request: Json, result: Json) -> str:
    if "prevResult" not in request:
        return "It has no prevResult."
    if _without_empty(request["prevResult"]) == _without_empty(result):
        return ""
    return f"prevResult is {_said(request, 'prevResult')}, the result was {_json(result)}."


def _without_empty(value: Any) -> Any:
    """A result without what is empty: Go writes `dns: {}` where there was none."""
    if isinstance(value, dict):
        entries = {key: _without_empty(each) for key, each in cast("Json", value).items()}
        return {key: each for key, each in entries.items() if each not in (None, "", [], {})}
    if isinstance(value, list):
        return [_without_empty(each) for each in value]
    return value


def is_list_of_attachments(value: Any) -> bool:
    """Whether it is what GC needs under `cni.dev/valid-attachments`."""
    return isinstance(value, list) and all(_is_attachment(each) for each in value)


def _is_attachment(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    names = [cast("Json", value).get(key) for key in ("containerID", "ifname")]
    return all(isinstance(name, str) and name for name in names)


def _version(request: Json) -> str:
    version = request.get("cniVersion")
    return version if version in VERSIONS else VERSIONS[0]


def _too_old(request: Json, command: str) -> str:
    version = _version(request)
    return "" if has_command(version, command) else f"{command} was called with {version}."


def _said(request: Json, key: str) -> str:
    return _json(request[key]) if key in request else "missing"


def _json(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 600 else text[:600] + "..."
