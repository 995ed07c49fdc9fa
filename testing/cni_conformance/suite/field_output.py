"""What the field has learned about output, crashes and processes left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from cni_conformance._case import case
from cni_conformance._invocation import Invocation
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command
from cni_conformance.state import _processes


Json = dict[str, Any]


def _all_commands(testbed: Testbed, attachment: Attachment) -> Iterator[Invocation]:
    """Every command the version has, in an order in which all can succeed."""
    yield testbed.call("VERSION")
    if has_command(testbed.version, "STATUS"):
        yield testbed.call("STATUS")
    yield attachment.add()
    if has_command(testbed.version, "CHECK"):
        yield attachment.check()
    if has_command(testbed.version, "GC"):
        yield testbed.gc(attachment)
    yield attachment.delete()


@case("field/output/1")
def silence_on_success(testbed: Testbed) -> None:
    """Nothing is on standard error when a command succeeds."""
    for call in _all_commands(testbed, testbed.attachment()):
        testbed.expect(
            "field/output/1",
            not call.ok or not call.stderr,
            expected=f"standard error of a {call.command} that succeeds is empty",
            actual=f"it is {call.stderr[:400].decode('utf-8', 'replace')!r}",
        )


@case("field/output/2")
def crashes_have_a_message(testbed: Testbed) -> None:
    """Input that makes plugins crash is answered, or refused with a message."""
    attachment = testbed.attached()
    ordinary = testbed.attachment("ordinary").add(env={"CNI_IFNAME": None})
    if ordinary.ok or not ordinary.explains_itself:
        testbed.block(
            "needs an ADD without CNI_IFNAME that is refused with a message, see errors/2"
        )
    target = testbed.attachment("odd")
    for commands, what, text in _crashing(testbed, attachment):
        for command in commands:
            call = testbed.call(command, target, stdin=text)
            testbed.require(
                "field/output/2",
                call.ok or call.explains_itself,
                expected=f"{command} with {what} succeeds, or prints an error with a message",
                actual=call,
            )
            if command == "ADD" and call.ok:
                target.delete()


def _crashing(
    testbed: Testbed, attachment: Attachment
) -> Iterator[tuple[tuple[str, ...], str, bytes]]:
    """Commands, what is odd about the configuration, and the configuration."""
    plugin = testbed.configuration.plugin
    config = testbed.config()
    if attachment.previous is not None:
        config["prevResult"] = attachment.previous
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    own = [key for key in plugin if key != "type"]
    for name, value in {"null": None, "1e300": 1e300, "{}": {}, "200 lists": deep}.items():
        yield ("ADD",), f"{name} for all its keys", _json({**config, **dict.fromkeys(own, value)})
    for key, section in plugin.items():
        if not isinstance(section, dict):
            continue
        inside = [name for name in section if name != "type"]
        for name, value in {"null": None, "[null]": [None], "-1": -1}.items():
            changed = {**section, **dict.fromkeys(inside, value)}
            yield ("ADD",), f"{name} for all keys of `{key}`", _json({**config, key: changed})
    for name, value in {"null": None, "5": 5}.items():
        rest = dict.fromkeys(("prevResult", "runtimeConfig", "args", "dns"), value)
        what = f"{name} for prevResult, runtimeConfig, args and dns"
        yield ("ADD", "DEL"), what, _json({**config, **rest})
    previous: Json
    for previous in (
        {"interfaces": [None], "ips": [None], "routes": [None], "dns": None},
        {"interfaces": None, "ips": [{}]},
        {"interfaces": [], "ips": [{"address": "10.1.1.1/24", "interface": 7}]},
    ):
        whole: Json = {"cniVersion": testbed.version, **previous}
        what = f"prevResult {json.dumps(previous)}"
        yield ("ADD", "DEL"), what, _json({**config, "prevResult": whole})
    without = {key: value for key, value in config.items() if key != "prevResult"}
    yield ("ADD", "DEL"), "no prevResult", _json(without)
    yield ("ADD",), "100,000 open brackets for a configuration", b"[" * 100_000
    yield ("ADD", "DEL"), "null for a configuration", b"null"


def _json(config: Json) -> bytes:
    return json.dumps(config).encode()


@case("field/output/3")
def nothing_runs_on(testbed: Testbed) -> None:
    """No process outlives a call, and none holds its output open."""
    expected = set(_processes.left_behind())  # what the profile has started: a daemon, a server
    for call in _all_commands(testbed, testbed.attachment()):
        _expect_quiet(testbed, call, expected)
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
        testbed.script_delegate("ADD", error={"code": 142, "msg": "no address left"})
        _expect_quiet(testbed, testbed.attachment("refused").add(), expected)


def _expect_quiet(testbed: Testbed, call: Invocation, expected: set[str]) -> None:
    testbed.expect(
        "field/output/3",
        not call.held_open,
        expected=f"standard output and error are closed when {call.command} has ended",
        actual="a process that was left behind holds them open",
    )
    deadline = time.monotonic() + 0.5  # a child that is just ending
    while (left := _left(expected)) and time.monotonic() < deadline:
        time.sleep(0.02)
    testbed.expect(
        "field/output/3",
        not left,
        expected=f"no process is left when {call.command} has ended",
        actual=f"still running: {', '.join(left)}",
    )


def _left(expected: set[str]) -> list[str]:
    return [line for line in _processes.left_behind() if line not in expected]
