"""Section 5: errors, and the codes that are reserved for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._invocation import Invocation
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command


# SPEC.md, Section 5, Error.
# 8 is not in the table, but libcni has given it to "invalid network namespace".
DEFINED_CODES = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51})
_ABSENT = "conformance-absent"
_ADDRESS = {"address": "192.0.2.77/24"}
_NO_NETNS = "/run/netns/conformance-no-such-namespace"


def _failing_calls(testbed: Testbed) -> list[tuple[str, Invocation]]:
    """Calls that cannot succeed, each with what is wrong with it."""
    attachment = testbed.attachment("errors")
    calls = [
        ("the configuration is not JSON", attachment.add(stdin=b'{"cniVersion": ')),
        ("CNI_COMMAND is FROBNICATE", testbed.call("FROBNICATE", attachment)),
        ("CNI_CONTAINERID is missing", attachment.add(env={"CNI_CONTAINERID": None})),
    ]
    if testbed.kind in {"interface", "meta"}:
        env = {"CNI_NETNS": _NO_NETNS}
        calls.append(("nothing is at the path in CNI_NETNS", attachment.add(env=env)))
    calls.append(("DEL lacks CNI_CONTAINERID", attachment.delete(env={"CNI_CONTAINERID": None})))
    if has_command(testbed.version, "CHECK"):
        calls += _failing_checks(testbed)
    if has_command(testbed.version, "STATUS"):
        patches = [testbed.with_delegate(_ABSENT)] if testbed.facts.delegates else []
        for patch in [*patches, *testbed.profile.invalid[:1]]:
            what = f"STATUS is asked with {json.dumps(patch)}"
            calls.append((what, testbed.call("STATUS", patch=patch)))
    return calls


def _failing_checks(testbed: Testbed) -> list[tuple[str, Invocation]]:
    attachment = testbed.attached("checked")
    calls = [("CHECK lacks CNI_IFNAME", attachment.check(env={"CNI_IFNAME": None}))]
    if testbed.kind != "ipam" and attachment.ifname != "lo":
        words = ["ip", "link", "del", attachment.ifname]
        testbed.command(*words, inside=attachment.netns, check=False)
        calls.append((f"CHECK finds no {attachment.ifname}", attachment.check()))
    attachment.delete()
    if testbed.kind == "ipam":
        what = "CHECK is about a container that was never added"
        attachment = testbed.attachment("stranger")
        attachment.result = _results.in_version({"ips": [_ADDRESS]}, testbed.version)
        calls.append((what, attachment.check()))
    return calls


@case(
    "spec/1.1.0/errors/2",
    "spec/1.1.0/errors/3",
    "spec/1.1.0/error/1",
    "spec/1.1.0/error/2",
    "spec/1.1.0/error/3",
    "spec/1.1.0/result/1",
    "spec/0.4.0/error/1",
    versions="each",
)
def errors_have_their_form(testbed: Testbed) -> None:
    """A call that fails exits with another code than 0 and prints an error result."""
    testbed.attached("works").delete()
    for wrong, call in _failing_calls(testbed):
        if call.ok:
            _expect_failure(testbed, wrong, call)
            continue
        name = "spec/1.1.0/errors/3"
        if testbed.version not in {"1.0.0", "1.1.0"}:
            name = "spec/0.4.0/error/1"
        if not testbed.expect(
            name,
            call.stdout.strip(),
            expected=f"when {wrong}, an error result is printed on standard output",
            actual=call,
        ):
            continue
        if not testbed.expect(
            "spec/1.1.0/result/1",
            isinstance(call.document, dict),
            expected=f"when {wrong}, standard output holds one JSON object and nothing else",
            actual=call,
        ):
            continue
        _expect_form(testbed, wrong, call)


def _expect_failure(testbed: Testbed, wrong: str, call: Invocation) -> None:
    """An exit status of 0 with an error printed is this clause; success alone is another's."""
    testbed.expect(
        "spec/1.1.0/errors/2",
        "code" not in call.result and "FROBNICATE" not in wrong,
        expected=f"the exit status is not 0 when {wrong}",
        actual=call,
    )


def _expect_form(testbed: Testbed, wrong: str, call: Invocation) -> None:
    error = call.result
    code: Any = error.get("code")
    number = isinstance(code, int) and not isinstance(code, bool)
    testbed.expect(
        "spec/1.1.0/error/2",
        number and isinstance(error.get("msg"), str) and error["msg"],
        expected=f"when {wrong}, the error has a numeric `code` and a `msg`",
        actual=f"the error is {json.dumps(error)}",
    )
    if number:
        testbed.expect(
            "spec/1.1.0/error/3",
            code in DEFINED_CODES or code >= 100,
            expected="codes from 1 to 99 are the specification's; a plugin's own are 100 and above",
            actual=f"when {wrong}, the code is {code}",
        )
    # Whoever refuses the command need not have read the configuration.
    if "not JSON" not in wrong and "FROBNICATE" not in wrong:
        testbed.expect(
            "spec/1.1.0/error/1",
            error.get("cniVersion") == testbed.version,
            expected=f"the error has the cniVersion of the request, {testbed.version}",
            actual=f"when {wrong}, the error is {json.dumps(error)}",
        )


@case("spec/1.1.0/error/4", "spec/0.1.0/version/1")
def unknown_versions_are_refused(testbed: Testbed) -> None:
    """A cniVersion the plugin does not list is refused, with code 1."""
    testbed.attached("works").delete()
    for version in ("0.9.9", "99.0.0"):
        attachment = testbed.attachment(f"v{version[:2].strip('.')}")
        call = attachment.add(patch={"cniVersion": version})
        if testbed.expect(
            "spec/0.1.0/version/1",
            not call.ok,
            expected=f"ADD with cniVersion {version} fails: VERSION does not list it",
            actual=call,
        ):
            testbed.expect(
                "spec/1.1.0/error/4",
                call.code == 1 or not call.result,
                expected=f"the error about cniVersion {version} has code 1, incompatible CNI version",
                actual=call,
            )


@case("spec/1.1.0/error/7", "spec/1.1.0/error/11")
def environment_errors_name_the_variable(testbed: Testbed) -> None:
    """An error about a variable has code 4 and names it."""
    testbed.attached("works").delete()
    attachment = testbed.attachment("variables")
    changes: list[tuple[str, str | None]] = [
        ("CNI_CONTAINERID", None),
        ("CNI_IFNAME", None),
        ("CNI_NETNS", None),
        ("CNI_CONTAINERID", "-not/valid"),
        ("CNI_IFNAME", "sixteen-letters0"),
    ]
    if testbed.kind == "ipam":
        changes = [change for change in changes if change[0] != "CNI_NETNS"]
    for variable, value in changes:
        call = attachment.add(env={variable: value})
        if call.ok or not isinstance(call.code, int):
            continue  # ADD/5 and error/2 speak of that
        how = "is missing" if value is None else f"is {value!r}"
        testbed.expect(
            "spec/1.1.0/error/11",
            call.code == 4,
            expected=f"the error has code 4 when {variable} {how}",
            actual=call,
        )
        if call.code == 4:
            testbed.expect(
                "spec/1.1.0/error/7",
                variable in call.message,
                expected=f"the message of an error with code 4 names {variable}, which {how}",
                actual=call,
            )


@case("spec/1.1.0/error/8")
def undecodable_configurations(testbed: Testbed) -> None:
    """A configuration that is not JSON is answered with code 6, an empty one with 5 or 6."""
    testbed.attached("works").delete()
    attachment = testbed.attachment("undecodable")
    for what, stdin in (
        ("cut off", b'{"cniVersion": "1.0.0", "na'),
        ("not JSON", b"bridge: cni0\n"),
        ("empty", b""),
        ("a JSON list", b"[]"),
    ):
        call = attachment.add(stdin=stdin)
        if call.ok or not isinstance(call.code, int):
            continue
        testbed.expect(
            "spec/1.1.0/error/8",
            call.code in {5, 6, 7} if what == "a JSON list" else call.code in {5, 6},
            expected=f"the error has code 6 (or 5) when the configuration is {what}",
            actual=call,
        )


@case("spec/1.1.0/error/9", "spec/1.1.0/error/5")
def invalid_configurations(testbed: Testbed) -> None:
    """What the profile calls an invalid configuration is answered with code 7."""
    testbed.attached("works").delete()
    changes = list(testbed.profile.invalid)
    if not changes:
        testbed.not_applicable("the profile lists no `invalid` configurations")
    for number, change in enumerate(changes):
        call = testbed.attachment(f"invalid{number}").add(patch=change)
        if not testbed.expect(
            "spec/1.1.0/error/9",
            not call.ok,
            expected=f"ADD with {json.dumps(change)} fails: it is not a valid configuration",
            actual=call,
        ):
            continue
        if call.code == 2:
            _expect_unsupported_field(testbed, change, call)
        elif isinstance(call.code, int):
            testbed.expect(
                "spec/1.1.0/error/9",
                call.code in {6, 7},
                expected=f"the error about {json.dumps(change)} has code 7, invalid network configuration",
                actual=call,
            )


@case("spec/1.1.0/error/9")
def invalid_network_names(testbed: Testbed) -> None:
    """A name no network may have is answered with code 7, if it is refused."""
    testbed.attached("works").delete()
    attachment = testbed.attachment("misnamed")
    for name in (None, "-begins-with-a-dash", "has/slash"):
        call = attachment.add(patch={"name": name})
        what = "without a `name`" if name is None else f"with the name {name!r}"
        testbed.expect(
            "spec/1.1.0/error/9",
            call.ok or not isinstance(call.code, int) or call.code in {6, 7},
            expected=f"the error about a configuration {what} has code 7, invalid network configuration",
            actual=call,
        )
        if call.ok:
            attachment.delete(patch={"name": name})


@case("spec/1.1.0/error/5")
def unsupported_fields_are_named(testbed: Testbed) -> None:
    """An error of code 2 names the key and the value that are not supported."""
    attachment = testbed.attached("works")
    attachment.delete()
    change = {"conformanceUnknownKey": "conformance-unknown-value"}
    call = testbed.attachment("unknown-key").add(patch=change)
    if call.code == 2:
        _expect_unsupported_field(testbed, change, call)


def _expect_unsupported_field(
    testbed: Testbed, change: Mapping[str, object], call: Invocation
) -> None:
    for key, value in change.items():
        text = value if isinstance(value, str) else json.dumps(value)
        shown = isinstance(value, dict | list) or text in call.message
        testbed.expect(
            "spec/1.1.0/error/5",
            key in call.message and shown,
            expected=f"the message of an error with code 2 names the key {key} and its value {text}",
            actual=call,
        )


@case("spec/0.4.0/configuration/1")
def unknown_arguments_are_ignored(testbed: Testbed) -> None:
    """What `args` holds and the plugin does not know is ignored."""
    testbed.attached("works").delete()
    args = {"labels": {"conformance": "1"}, "cni": {}}
    call = testbed.attachment("labels").add(patch={"args": args})
    testbed.expect(
        "spec/0.4.0/configuration/1",
        call.ok,
        expected=f"ADD succeeds with `args` it does not know: {json.dumps(args)}",
        actual=call,
    )


@case("spec/0.4.0/operations/1")
def operations_are_supported(testbed: Testbed) -> None:
    """ADD, DEL, CHECK and VERSION are all there."""
    attachment: Attachment = testbed.attached()
    calls = [attachment.check(), attachment.delete(), testbed.call("VERSION")]
    for call in calls:
        testbed.expect(
            "spec/0.4.0/operations/1",
            call.ok or _knows_the_command(call),
            expected=f"the plugin has {call.command}",
            actual=call,
        )


def _knows_the_command(call: Invocation) -> bool:
    """A command that failed for its own reasons is there; CHECK/6 and others speak of the failure."""
    return "CNI_COMMAND" not in call.message and call.command not in call.message
