"""What a plugin's exit status and output mean, whether it ran as a process or in this one."""

from __future__ import annotations

import json
import signal
from typing import Any, NamedTuple, cast

from cnisdk import errors, versions


class Completed(NamedTuple):
    """What a plugin left behind."""

    stdout: bytes
    """Everything it printed."""
    returncode: int
    """Exit status; negative: the signal it died of."""
    stderr_tail: bytes = b""
    """The end of what it wrote to stderr."""


def interpret(
    completed: Completed, *, plugin_type: str, verb: str, version: str | None, wants_result: bool
) -> dict[str, Any]:
    """The document a plugin answered with; the same for a plugin run by exec or in this process.

    Args:
        completed: What it left behind.
        plugin_type: Its type, for messages.
        verb: What it was asked.
        version: The configuration's cniVersion, put into a result that has none; None leaves it out.
        wants_result: Whether the verb has a result (ADD, VERSION). The output of one that has not
            means nothing.

    Returns:
        The result; {} when none is wanted.

    Raises:
        errors.DelegateError: the plugin's own error unchanged, or a description of how it failed.
    """
    if completed.returncode != 0:
        raise _failure(completed, f'plugin "{plugin_type}" failed ({verb})', plugin_type)
    if not wants_result:
        return {}
    document, problem = _result(completed.stdout)
    if problem:
        raise errors.DelegateError(
            f'plugin "{plugin_type}" {problem} ({verb})',
            code=errors.DecodingFailure.code,
            details=_described(completed),
            delegate=plugin_type,
        )
    own = document.get("cniVersion")
    if version is not None and not (isinstance(own, str) and own):
        document["cniVersion"] = version or versions.OLDEST
    return document


def _result(stdout: bytes) -> tuple[dict[str, Any], str]:
    """The JSON object on stdout, or what is wrong with it."""
    if not stdout.strip():
        return {}, "succeeded but printed no result"
    try:
        document = strict_json(stdout)
    except (ValueError, RecursionError) as failure:
        return {}, f"printed a result that is not JSON ({failure})"
    if document is None:
        return {}, ""  # as in Go, where null leaves a result as it was: empty
    if not isinstance(document, dict):
        return {}, f"printed a {type(document).__name__} as its result, not a JSON object"
    return cast("dict[str, Any]", document), ""


def _failure(completed: Completed, what: str, plugin_type: str) -> errors.DelegateError:
    """W-LIB-7: an error object unchanged; anything else with all there is to know of it."""
    error = _error_object(completed.stdout)
    msg, details, code = error.get("msg"), error.get("details"), error.get("code")
    msg = msg if isinstance(msg, str) else ""
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    if msg and code is not None and completed.returncode > 0:
        details = details if isinstance(details, str) else ""
        failure = errors.DelegateError(msg, code=code, details=details, delegate=plugin_type)
        if completed.stderr_tail:
            failure.add_note(last_words(completed.stderr_tail))
        return failure
    if completed.returncode < 0:
        reason = f"died of {_signal_name(-completed.returncode)}"
    elif completed.stdout.strip():
        reason = f"exit status {completed.returncode} without a CNI error object"
    else:
        reason = f"exit status {completed.returncode} without a message"
    return errors.DelegateError(
        f"{what}: {reason}" + (f": {msg}" if msg else ""),
        code=code or errors.InternalError.code,
        details=_described(completed),
        delegate=plugin_type,
    )


def _error_object(stdout: bytes) -> dict[str, Any]:
    """The keys of an error object in lower case, as the Go library matches them; {} when none."""
    document, _ = _result(stdout)
    return {key.lower(): value for key, value in document.items()}


def strict_json(content: bytes) -> Any:
    """Read JSON as its specification has it; Python's own reader also takes NaN and Infinity.

    Raises:
        ValueError: not JSON; says where.
        RecursionError: nested too deep.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    def finite(text: str) -> float:
        value = float(text)
        if value in {float("inf"), float("-inf")}:
            refuse(text)
        return value

    return json.loads(content, parse_constant=refuse, parse_float=finite)


def _signal_name(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def _described(completed: Completed) -> str:
    """What little such a plugin left, for the details of the error."""
    printed = completed.stdout.strip()
    shown = printed[:200].decode(errors="replace") + ("..." if len(printed) > 200 else "")
    parts = [f"stdout: {shown!r}" if printed else "", last_words(completed.stderr_tail)]
    return "; ".join(part for part in parts if part)


def last_words(stderr_tail: bytes) -> str:
    """The end of stderr for a message; "" when there was none."""
    text = " ".join(stderr_tail.decode(errors="replace").split())
    return f"stderr: {text}" if text else ""
