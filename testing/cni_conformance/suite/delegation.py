"""Section 4: running another plugin for a part of the work."""

from __future__ import annotations

import json
import os
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._delegate import FAKE_IPAM
from cni_conformance._interfaces import has_interface
from cni_conformance._testbed import Testbed


_MARK = "CONFORMANCE_MARK"


@case("spec/1.1.0/delegation/1", delegating=True)
def delegate_is_searched_in_order(testbed: Testbed) -> None:
    """The delegate is the first of its name in the directories of CNI_PATH, in their order."""
    testbed.use_fake_ipam()
    _succeeds(testbed)
    first, empty = f"{testbed.delegate.base}/first", f"{testbed.delegate.base}/empty"
    for folder in (first, empty):
        os.makedirs(folder)
    witness = f"{testbed.delegate.base}/witness"
    program = f"{testbed.delegate.bin}/{FAKE_IPAM}"
    with open(f"{first}/{FAKE_IPAM}", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\n: >{witness}\nexec {program} "$@"\n')
    os.chmod(f"{first}/{FAKE_IPAM}", 0o755)
    later = [testbed.delegate.bin, *testbed.cni_path]
    attachment = testbed.attachment("ordered")
    call = attachment.add(env={"CNI_PATH": os.pathsep.join([empty, first, *later])})
    testbed.expect(
        "spec/1.1.0/delegation/1",
        call.ok and os.path.exists(witness),
        expected=f"the plugin runs {first}/{FAKE_IPAM}, the first of its name in CNI_PATH",
        actual="another one was run" if call.ok else call,
    )


@case("spec/1.1.0/delegation/1", delegating=True)
def delegate_is_found_beside_empty_elements(testbed: Testbed) -> None:
    """An empty element of CNI_PATH, as a colon too many makes it, hides no directory."""
    testbed.use_fake_ipam()
    _succeeds(testbed)
    folders = [testbed.delegate.bin, *testbed.cni_path]
    absent = f"{testbed.delegate.base}/absent"
    for number, elements in enumerate((["", *folders], [absent, "", *folders], [*folders, ""])):
        path = os.pathsep.join(elements)
        call = testbed.attachment(f"empty{number}").add(env={"CNI_PATH": path})
        testbed.expect(
            "spec/1.1.0/delegation/1",
            call.ok,
            expected=f"ADD finds {FAKE_IPAM} by a CNI_PATH with an empty element: {path}",
            actual=call,
        )


@case("spec/1.1.0/delegation/2", "spec/1.1.0/delegation/3", delegating=True, versions="each")
def delegate_gets_what_the_plugin_got(testbed: Testbed) -> None:
    """The delegate has the environment and the complete configuration of the plugin."""
    testbed.use_fake_ipam()
    attachment = testbed.attachment()
    extra = {_MARK: "42", "CNI_ARGS": "IgnoreUnknown=1;MARK=42"}
    custom = {"conformanceMark": {"nested": [1, 2, {"big": 9007199254740993}]}}
    attachment.config = custom
    call = attachment.add(env=extra)
    if not call.ok:
        attachment.config = {}
        call = attachment.add(env=extra)
    received = testbed.delegate.calls("ADD")
    if not call.ok or not received:
        testbed.block(f"needs an ADD that calls the delegate; {call.describe()}")
    _expect_environment(testbed, call.env, received[-1].env)
    _expect_configuration(testbed, "ADD", json.loads(call.stdin), received[-1].config)
    for run in (attachment.check, attachment.delete):  # with the result of ADD as prevResult
        call = run(env=extra)
        received = testbed.delegate.calls(call.command)
        if call.ok and received:  # delegation/6 and 7 speak of that
            _expect_environment(testbed, call.env, received[-1].env)
            sent = json.loads(call.stdin)
            _expect_configuration(testbed, call.command, sent, received[-1].config)


def _expect_environment(testbed: Testbed, sent: dict[str, str], got: dict[str, str]) -> None:
    wrong = sorted(name for name, value in sent.items() if got.get(name) != value)
    testbed.expect(
        "spec/1.1.0/delegation/2",
        not wrong,
        expected="the delegate receives all environment variables the plugin received",
        actual="; ".join(
            f"{name} was {sent[name]!r}, the delegate got {got.get(name)!r}" for name in wrong
        ),
    )


def _expect_configuration(
    testbed: Testbed, command: str, sent: dict[str, object], got: object
) -> None:
    received = got if isinstance(got, dict) else {}
    wrong = sorted(name for name, value in sent.items() if received.get(name) != value)
    testbed.expect(
        "spec/1.1.0/delegation/3",
        not wrong,
        expected=f"in {command} the delegate receives the complete configuration the plugin received",
        actual=f"missing or different for the delegate: {', '.join(wrong)}; it got {json.dumps(got)[:400]}",
    )


@case("spec/1.1.0/delegation/4", "spec/1.1.0/delegation/11", delegating=True)
def error_of_the_delegate_is_an_error(testbed: Testbed) -> None:
    """ADD fails when the delegate exits with another code than 0, whatever it printed."""
    testbed.use_fake_ipam()
    _succeeds(testbed)
    for code in (142, 256):  # the second is no exit status: of that the system keeps eight bits
        testbed.script_delegate("ADD", error={"code": code, "msg": "no address left"})
        call = testbed.attachment(f"code{code}").add()
        testbed.require(
            "spec/1.1.0/delegation/11",
            not call.ok,
            expected=f"ADD fails when ADD of the delegate fails with code {code}",
            actual=call,
        )
    testbed.script_delegate("ADD", exit=3)
    call = testbed.attachment("exits").add()
    testbed.expect(
        "spec/1.1.0/delegation/4",
        not call.ok,
        expected="ADD fails when the delegate prints a result but exits with 3",
        actual=call,
    )


@case("spec/1.1.0/delegation/13", delegating=True)
def delegate_without_a_result(testbed: Testbed) -> None:
    """ADD fails when the delegate succeeds without printing a result."""
    testbed.use_fake_ipam()
    _succeeds(testbed)
    testbed.script_delegate("ADD", stdout="", exit=0)
    call = testbed.attachment("silent").add()
    testbed.expect(
        "spec/1.1.0/delegation/13",
        not call.ok,
        expected="ADD fails when the delegate exits with 0 but prints no result",
        actual=call,
    )


@case("spec/1.1.0/delegation/5", delegating=True)
def standard_error_of_the_delegate_comes_out(testbed: Testbed) -> None:
    """What the delegate writes to standard error is on the plugin's."""
    testbed.use_fake_ipam()
    _succeeds(testbed)
    testbed.script_delegate("ADD", stderr="conformance: looking for an address\n")
    call = testbed.attachment("loud").add()
    if not call.ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    testbed.expect(
        "spec/1.1.0/delegation/5",
        b"conformance: looking for an address" in call.stderr,
        expected="the line the delegate wrote to standard error comes out on the plugin's",
        actual=f"standard error of the plugin: {call.stderr.decode('utf-8', 'replace')!r}",
    )


@case("spec/1.1.0/delegation/6", "spec/1.1.0/delegation/7", delegating=True)
def delegate_is_run_for_each_command(testbed: Testbed) -> None:
    """DEL and CHECK call the delegate as well."""
    testbed.use_fake_ipam()
    attachment = testbed.attached()
    calls = [
        ("spec/1.1.0/delegation/7", attachment.check),
        ("spec/1.1.0/delegation/6", attachment.delete),
    ]
    for name, run in calls:
        testbed.forget_delegate_calls()
        call = run()
        if not call.ok:
            continue  # CHECK/6 and DEL/1 speak of that
        testbed.expect(
            name,
            call.command in testbed.delegate.commands(),
            expected=f"{call.command} calls {call.command} of the delegate",
            actual=f"calls of the delegate: {', '.join(testbed.delegate.commands()) or 'none'}",
        )


@case("spec/1.1.0/delegation/8", "field/del/10", delegating=True)
def error_of_the_delegate_in_other_commands(testbed: Testbed) -> None:
    """DEL fails when the delegate does, after cleaning up."""
    testbed.use_fake_ipam()
    if not testbed.attached("plain").delete().ok or "DEL" not in testbed.delegate.commands():
        testbed.block("needs a DEL that calls the delegate, see spec/1.1.0/delegation/6")
    makes_interface = testbed.kind == "interface" and testbed.profile.ifname != "lo"
    failures: dict[str, dict[str, Any]] = {
        "exits with 3 and says nothing": {"stdout": "", "exit": 3},
        "prints an error": {"error": {"code": 142, "msg": "database unreachable"}},
    }
    for number, (what, behaviour) in enumerate(failures.items()):
        attachment = testbed.attached(f"failing{number}")
        testbed.script_delegate("DEL", **behaviour)
        call = attachment.delete()
        testbed.expect(
            "spec/1.1.0/delegation/8",
            not call.ok,
            expected=f"DEL fails when DEL of the delegate {what}",
            actual=call,
        )
        if makes_interface:
            testbed.expect(
                "field/del/10",
                not has_interface(attachment),
                expected=f"{attachment.ifname} is gone although DEL of the delegate failed",
                actual=f"the container still has it; {call.describe()}",
            )
    if makes_interface:
        _expect_removed_without_the_program(testbed)


def _expect_removed_without_the_program(testbed: Testbed) -> None:
    """Somebody has uninstalled the delegate while containers were there."""
    attachment = testbed.attached("uninstalled")
    os.unlink(f"{testbed.delegate.bin}/{FAKE_IPAM}")
    call = attachment.delete()
    testbed.expect(
        "field/del/10",
        not has_interface(attachment),
        expected=f"{attachment.ifname} is gone although the delegate is not installed any more",
        actual=f"the container still has it; {call.describe()}",
    )


@case("spec/1.1.0/delegation/9", "spec/1.1.0/delegation/11", delegating=True)
def delegate_is_undone_after_a_failure(testbed: Testbed) -> None:
    """After the delegate has failed in ADD, the plugin calls its DEL."""
    testbed.use_fake_ipam()
    _succeeds(testbed)
    testbed.forget_delegate_calls()
    testbed.script_delegate("ADD", error={"code": 142, "msg": "no address left"})
    call = testbed.attachment("refused").add()
    if call.ok:
        testbed.block("needs an ADD that fails when the delegate does")
    testbed.expect(
        "spec/1.1.0/delegation/9",
        testbed.delegate.commands()[-1:] == ["DEL"],
        expected="the delegate is called with ADD, which fails, and then with DEL",
        actual=f"the delegate was called with {', '.join(testbed.delegate.commands()) or 'nothing'}",
    )
    testbed.script_delegate("DEL", error={"code": 143, "msg": "database unreachable"})
    call = testbed.attachment("twice").add()
    told = call.stdout + call.stderr
    testbed.expect(
        "spec/1.1.0/delegation/11",
        not call.ok and b"no address left" in told,
        expected='the plugin still says "no address left", why ADD of the delegate failed, when the DEL '
        "that undoes it fails too",
        actual=call,
    )


@case("spec/1.1.0/delegation/10", kinds=["ipam"], versions="each")
def ipam_returns_an_address(testbed: Testbed) -> None:
    """The result of an IPAM plugin has an address."""
    attachment = testbed.attached()
    testbed.expect(
        "spec/1.1.0/delegation/10",
        _results.addresses(attachment.result or {}),
        expected="the result of an IPAM plugin names at least one address",
        actual=f"the result is {json.dumps(attachment.result)}",
    )


def _succeeds(testbed: Testbed) -> None:
    testbed.attached("plain").delete()
