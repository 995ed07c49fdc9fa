"""From a checked call to its handler: decode the configuration, run the handler, forward to the delegate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from cnisdk import errors
from cnisdk._codec import Sources, decode, decode_leniently
from cnisdk._config import NetConf
from cnisdk._ipam import BY_INTERFACE, Delegate
from cnisdk._names import Attachment
from cnisdk._operations import Add, ChainedAdd, Check, Del, Gc, Status
from cnisdk._problems import Problem, as_error, expected
from cnisdk._result import Result
from cnisdk._result_json import decode as decode_result
from cnisdk._result_json import encode


if TYPE_CHECKING:
    from cnisdk._call import Call
    from cnisdk._runtime import PluginSpec

VALID_ATTACHMENTS = "cni.dev/valid-attachments"
ATTACHMENTS = "cni.dev/attachments"
"""What libcni sends along for readers of a draft of the specification."""

_Step = Callable[[], object]


def dispatch(spec: PluginSpec, call: Call) -> bytes:
    """Run one verb.

    Returns:
        What goes to stdout: the result of ADD, nothing for the other verbs.
    """
    match call.verb:
        case "ADD":
            return _add(spec, call)
        case "DEL":
            _delete(spec, call)
        case "CHECK":
            _check(spec, call)
        case "GC":
            _gc(spec, call)
        case _:
            _status(spec, call)
    return b""


def _add(spec: PluginSpec, call: Call) -> bytes:
    config, network = _configuration(spec, call)
    previous = _prev_result(call, spec, required=spec.kind == "chained")
    operation: Add[Any] = Add(call, config, network, previous)
    if spec.kind == "chained":
        operation = ChainedAdd[Any](call, config, network, previous)
    if spec.kind != "ipam":
        _ = operation.netns  # opened, and refused if it is no namespace, before author code runs
    result: object = _handler(spec, "ADD")(operation)
    if not isinstance(result, Result):
        raise errors.InternalError(
            f"{spec.name}: the ADD handler returned {type(result).__name__}, not a cnisdk.Result",
            details="end the handler with return result.build()",
        )
    if spec.kind == "ipam" and result.interfaces:
        raise errors.InternalError(
            f"{spec.name}: an IPAM result must not contain interfaces",
            details='CNI SPEC section 5, "Delegated plugins (IPAM)"',
        )
    call.deadline.check()
    return json.dumps(encode(result, call.version), indent=4).encode()


def _delete(spec: PluginSpec, call: Call) -> None:
    config, network, defect = _lenient_configuration(spec, call)
    operation: Del[Any] = Del(call, config, network, _kept_result(call), defect=defect)
    steps: list[_Step] = [lambda: _handler(spec, "DEL")(operation)]
    if spec.kind == "interface":
        steps.append(lambda: operation.host.remove_owned(operation.attachment))
        steps = _with_ipam(operation, network, steps, Delegate.delete)
    _run_all(f"{spec.name} DEL", steps)


def _check(spec: PluginSpec, call: Call) -> None:
    config, network = _configuration(spec, call)
    # SPEC section 2, CHECK: "The plugin must consult the prevResult".
    previous = _prev_result(call, spec, required=True)
    operation: Check[Any] = Check(call, config, network, cast("Result", previous))
    if spec.kind != "ipam":
        _ = operation.netns
    if "CHECK" in spec.handlers:
        spec.handlers["CHECK"](operation)
    if spec.kind == "interface" and network.ipam is not None:
        operation.ipam.check()


def _gc(spec: PluginSpec, call: Call) -> None:
    valid = valid_attachments(call.document, call.network_name)
    config, network, defect = _lenient_configuration(spec, call)
    operation: Gc[Any] = Gc(call, config, network, valid, defect=defect)
    steps: list[_Step] = []
    if "GC" in spec.handlers:
        steps.append(lambda: spec.handlers["GC"](operation))
    if spec.kind == "interface":
        steps.append(lambda: operation.host.retain_owned(call.network_name, valid))
        steps = _with_ipam(operation, network, steps, Delegate.gc)
    _run_all(f"{spec.name} GC", steps)


def _status(spec: PluginSpec, call: Call) -> None:
    config, network = _configuration(spec, call)
    operation: Status[Any] = Status(call, config, network)
    if spec.kind == "interface" and network.ipam is not None:
        operation.ipam.status()
    if "STATUS" in spec.handlers:
        spec.handlers["STATUS"](operation)


def _handler(spec: PluginSpec, verb: str) -> Callable[[Any], object]:
    handler = spec.handlers.get(verb)
    if handler is None:
        raise errors.InternalError(
            f"{spec.name} has no handler for {verb}",
            details="mark methods with @on.add and @on.delete",
        )
    return handler


def _with_ipam(
    operation: Del[Any] | Gc[Any],
    network: NetConf,
    steps: list[_Step],
    verb: Callable[[Delegate], object],
) -> list[_Step]:
    """The steps with the delegate's: last, or first where what it sends goes out by the interface."""
    if network.ipam is None:
        return steps

    def delegate() -> None:
        verb(operation.ipam)

    return [delegate, *steps] if network.ipam.type in BY_INTERFACE else [*steps, delegate]


def _run_all(what: str, steps: Iterable[_Step]) -> None:
    """Run every step, whatever another one raises: DEL and GC remove as much as they can.

    Raises:
        BaseException: the one error, or one that holds them all under the first one's code.
    """
    failures: list[BaseException] = []
    for step in steps:
        try:
            step()
        except (Exception, SystemExit) as failure:  # noqa: BLE001  # whatever it is
            failures.append(failure)
    if not failures:
        return
    if len(failures) == 1:
        raise failures[0]
    codes = [each.code for each in failures if isinstance(each, errors.CniError)]
    raise errors.DelegateError(
        f"{what}: {len(failures)} errors: " + "; ".join(map(str, failures)),
        code=codes[0] if codes else errors.InternalError.code,
    ) from failures[0]


# ---- configuration ------------------------------------------------------------------------------


def _sources(call: Call, problems: list[Problem]) -> Sources:
    folded = {key.lower(): value for key, value in call.document.items()}
    args = _object(folded.get("args"), "args", problems)
    cni = {key.lower(): value for key, value in args.items()}.get("cni")
    return Sources(
        cni_args=call.args,
        args_cni=_object(cni, "args.cni", problems),
        runtime_config=_object(folded.get("runtimeconfig"), "runtimeConfig", problems),
    )


def _object(value: object, path: str, problems: list[Problem]) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.append(Problem(path, expected("an object", value), errors.DecodingFailure))
        return {}
    return cast("dict[str, Any]", value)


def _section(spec: PluginSpec, call: Call) -> tuple[object, str]:
    """The part of the document that is this plugin's configuration."""
    if spec.kind != "ipam":
        return call.document, ""
    return {key.lower(): value for key, value in call.document.items()}.get("ipam"), "ipam"


def _configuration(spec: PluginSpec, call: Call) -> tuple[Any, NetConf]:
    problems: list[Problem] = []
    sources = _sources(call, problems)
    if problems:
        raise as_error(problems)
    section, path = _section(spec, call)
    if path and section is None:
        raise errors.InvalidConfig(
            "IPAM config missing 'ipam' key", hint=f'network "{call.network_name}"'
        )
    config: Any = decode(spec.config_class, section, path=path, sources=sources)
    if not path:
        return config, cast("NetConf", config)
    return config, decode(NetConf, call.document)


def _lenient_configuration(
    spec: PluginSpec, call: Call
) -> tuple[Any, NetConf, errors.CniError | None]:
    problems: list[Problem] = []
    sources = _sources(call, problems)
    section, path = _section(spec, call)
    config: Any
    config, found = decode_leniently(spec.config_class, section or {}, path=path, sources=sources)
    network: NetConf | None = config
    if path or config is None:
        network, _ = decode_leniently(NetConf, call.document)
    for problem in problems + found:
        call.log.warning(f"{call.verb} goes on with a default", problem=str(problem))
    defect = as_error(found) if config is None else None
    return config, cast("NetConf", network), defect


# ---- prevResult and attachments -----------------------------------------------------------------


def _raw_prev_result(call: Call) -> object:
    return {key.lower(): value for key, value in call.document.items()}.get("prevresult")


def _prev_result(call: Call, spec: PluginSpec, *, required: bool) -> Result | None:
    raw = _raw_prev_result(call)
    if raw is None:
        if required:
            raise errors.InvalidConfig(
                f"{spec.name} {call.verb}: required prevResult missing",
                details="a chained plugin cannot be the first of a network's plugins"
                if call.verb == "ADD"
                else "the runtime must send the result of ADD (SPEC section 3)",
            )
        return None
    return decode_result(raw, call.version)


def _kept_result(call: Call) -> Result | None:
    """prevResult for DEL: absent, null, {} and garbage are all the same (cni#1055)."""
    raw = _raw_prev_result(call)
    if not raw:
        return None
    try:
        return decode_result(raw, call.version)
    except errors.CniError as defect:
        call.log.warning("DEL goes on without prevResult", problem=str(defect))
        return None


def valid_attachments(document: Mapping[str, Any], network: str) -> frozenset[Attachment]:
    """The attachments GC must keep; null is the empty list, as CRI-O sends it.

    Raises:
        errors.InvalidConfig: the key is missing: that must not mean "remove everything" (code 7).
        errors.DecodingFailure: it is not a list of objects with containerID and ifname (code 6).
    """
    key = VALID_ATTACHMENTS if VALID_ATTACHMENTS in document else ATTACHMENTS
    if key not in document:
        raise errors.InvalidConfig(
            f'GC: required key "{VALID_ATTACHMENTS}" missing',
            details="without the list of valid attachments nothing is removed; "
            "an empty list removes everything of the network",
        )
    given: object = document[key]
    if given is None:
        return frozenset()
    if not isinstance(given, list):
        raise errors.DecodingFailure(f"{key}: {expected('a list', given)}")
    entries = cast("list[object]", given)
    return frozenset(
        _attachment(entry, f"{key}[{index}]", network) for index, entry in enumerate(entries)
    )


def _attachment(entry: object, path: str, network: str) -> Attachment:
    if not isinstance(entry, dict):
        raise errors.DecodingFailure(f"{path}: {expected('an object', entry)}")
    folded = {key.lower(): value for key, value in cast("dict[str, object]", entry).items()}
    container_id, ifname = folded.get("containerid"), folded.get("ifname")
    if not isinstance(container_id, str) or not isinstance(ifname, str):
        raise errors.DecodingFailure(
            f"{path}: {expected('containerID and ifname as strings', entry)}"
        )
    return Attachment(network, container_id, ifname)
