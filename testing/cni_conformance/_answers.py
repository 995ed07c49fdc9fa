"""What is wrong with the way a call ended, whatever it was asked."""

from __future__ import annotations

from typing import Any

from cni_conformance._invocation import Invocation
from cni_conformance._testbed import Testbed
from cni_conformance.suite.error import DEFINED_CODES


Json = dict[str, Any]

_CRASHES = (b"Traceback (most recent call last)", b"panic: ", b"goroutine ", b"Segmentation fault")


def silent_id(testbed: Testbed) -> str:
    """What it means when a plugin says nothing: a crash, or that it never prints an error."""
    call = testbed.attachment("no-id").add(env={"CNI_CONTAINERID": None})
    if call.ok or call.stdout.strip():
        return "field/output/2"
    return "spec/1.1.0/errors/3"


def problem_of(call: Invocation, silent: str) -> tuple[str, str] | None:
    """What is wrong with the way a call ended, and the requirement that says so."""
    if call.ended_by:
        return "field/output/2", f"{call.command} ends by itself, with a result or an error"
    document = call.document
    if call.ok:
        return _problem_of_result(call, document)
    if not call.stdout.strip():
        crashed = any(sign in call.stderr for sign in _CRASHES)
        name = "field/output/2" if crashed else silent
        return name, f"{call.command} that fails prints an error object on standard output"
    if not isinstance(document, dict):
        return "spec/1.1.0/result/1", "standard output holds one JSON object and nothing else"
    code, message = call.result.get("code"), call.result.get("msg")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        return "spec/1.1.0/error/2", "the error has a numeric `code` and a `msg`"
    if not message:
        return "spec/1.1.0/error/2", "the `msg` of the error says something"
    if code not in DEFINED_CODES and code < 100:
        return (
            "spec/1.1.0/error/3",
            "codes from 1 to 99 are the specification's; a plugin's own are 100 and above",
        )
    return None


def _problem_of_result(call: Invocation, document: Any) -> tuple[str, str] | None:
    if call.command != "ADD":
        return None
    if not call.stdout.strip():
        return "spec/1.1.0/ADD/2", "an ADD that succeeds prints a result"
    if not isinstance(document, dict):
        return "spec/1.1.0/result/1", "standard output holds one JSON object and nothing else"
    if "code" in document and "msg" in document:
        return "spec/1.1.0/errors/2", "the exit status is not 0 when an error is printed"
    return None
