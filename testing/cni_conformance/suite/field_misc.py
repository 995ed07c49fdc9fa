"""What the field has learned about STATUS, CHECK, output, locks and delegates."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import os
import time
from collections.abc import Generator, Iterator
from typing import Any

from cni_conformance._case import case
from cni_conformance._delegate import FAKE_IPAM
from cni_conformance._invocation import Invocation
from cni_conformance._leftovers import STATE_DIRECTORIES, differences, file_path, warm_up
from cni_conformance._testbed import BASE, Attachment, Testbed
from cni_conformance._versions import has_command
from cni_conformance.state import State, _processes


Json = dict[str, Any]

_STATUS_SECONDS = 2.0
_LOCK_SHORT = 2.0
# Runtimes kill a plugin after a minute (cri-o/cri-o#6984).
_LOCK_LONG = 55.0
_ABSENT = "conformance-absent"


# -- STATUS and CHECK ----------------------------------------------------------------------------


@case("field/status/1", commands=["STATUS"])
def status_changes_nothing(testbed: Testbed) -> None:
    """STATUS changes nothing, on a fresh machine and beside an attachment."""
    for when in ("on a fresh machine", "beside an attachment"):
        before = testbed.observe()
        for _ in range(3):
            testbed.call("STATUS")
        changes = differences(before, testbed.observe())
        testbed.require(
            "field/status/1",
            not changes,
            expected=f"three STATUS {when} change nothing",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )
        if when == "on a fresh machine":
            testbed.attached()


@case("field/status/2", commands=["STATUS"])
def status_answers_soon(testbed: Testbed) -> None:
    """STATUS answers within two seconds."""
    fastest = min(testbed.call("STATUS", limit=15).seconds for _ in range(3))
    if fastest > _STATUS_SECONDS:
        start_up = min(testbed.call("VERSION", limit=15).seconds for _ in range(3))
        if start_up > _STATUS_SECONDS / 2:
            testbed.block(f"the machine is too slow or busy: VERSION takes {start_up:.1f} s")
    testbed.expect(
        "field/status/2",
        fastest <= _STATUS_SECONDS,
        expected=f"STATUS ends within {_STATUS_SECONDS:.0f} s",
        actual=f"the fastest of three took {fastest:.1f} s",
    )


@case("field/status/3", commands=["STATUS"])
def status_tells_what_add_would(testbed: Testbed) -> None:
    """STATUS fails for configurations that ADD cannot work with."""
    if not testbed.call("STATUS").ok:
        testbed.block("needs a STATUS that succeeds with the configuration as it is")
    decisive = _hopeless(testbed)
    for what, patch in decisive:
        if testbed.attachment("hopeless").add(patch=patch).ok:
            continue
        call = testbed.call("STATUS", patch=patch)
        testbed.expect(
            "field/status/3",
            not call.ok,
            expected=f"STATUS fails when {what}: ADD does",
            actual=call,
        )
    asked: list[Json] = []
    for patch in testbed.profile.invalid:
        if testbed.attachment("invalid").add(patch=patch).ok:
            continue
        asked.append(patch)
        if not testbed.call("STATUS", patch=patch).ok:
            return
    if not asked and not decisive:
        testbed.not_applicable("no configuration is known with which ADD fails")
    testbed.expect(
        "field/status/3",
        not asked,
        expected="STATUS fails for at least one of the configurations with which ADD fails",
        actual=f"it succeeded with each of {json.dumps(asked)}",
    )


def _hopeless(testbed: Testbed) -> list[tuple[str, Json]]:
    plugin = testbed.configuration.plugin
    found: list[tuple[str, Json]] = []
    if testbed.facts.delegates:
        found.append(("the delegate does not exist", _with_delegate(testbed, _ABSENT)))
    if isinstance(plugin.get("master"), str):
        found.append(("the master link does not exist", {"master": "cfabsent0"}))
    return found


def _with_delegate(testbed: Testbed, name: str) -> Json:
    key = testbed.profile.delegate
    section = testbed.configuration.plugin.get(key)
    return {key: {**(section if isinstance(section, dict) else {}), "type": name}}


@case("field/check/1", commands=["CHECK"])
def check_changes_nothing(testbed: Testbed) -> None:
    """CHECK changes nothing, whether it succeeds or fails."""
    attachment = testbed.attached()
    wrong = copy.deepcopy(attachment.result or {})
    for interface in wrong.get("interfaces", []):
        interface["name"] = "absent0"
    for address in wrong.get("ips", []):
        address["address"] = "2001:db8::7/64" if ":" in address["address"] else "192.0.2.77/24"
    for what, patch in (("", {}), (" with a prevResult that is wrong", {"prevResult": wrong})):
        before = testbed.observe()
        for _ in range(3):
            attachment.check(patch=patch)
        changes = differences(before, testbed.observe())
        testbed.expect(
            "field/check/1",
            not changes,
            expected=f"three CHECKs{what} change nothing",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )


# -- output --------------------------------------------------------------------------------------


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
    if ordinary.ok or not _has_message(ordinary):
        testbed.block(
            "needs an ADD without CNI_IFNAME that is refused with a message, see errors/2"
        )
    target = testbed.attachment("odd")
    for commands, what, text in _crashing(testbed, attachment):
        for command in commands:
            call = testbed.call(command, target, stdin=text)
            testbed.require(
                "field/output/2",
                call.ok or _has_message(call),
                expected=f"{command} with {what} succeeds, or prints an error with a message",
                actual=call,
            )
            if command == "ADD" and call.ok:
                target.delete()


def _has_message(call: Invocation) -> bool:
    message = call.result.get("msg")
    return isinstance(message, str) and bool(message.strip()) and not call.ended_by


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


# -- locks ---------------------------------------------------------------------------------------


@case("field/lock/1")
def locks_held_by_others(testbed: Testbed) -> None:
    """ADD waits for a lock that is held for a short time, and ends when it is held for ever."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    fresh = testbed.observe()
    warm_up(testbed)
    testbed.attached("resident")
    paths = _possible_locks(fresh, testbed.observe())
    if not paths:
        testbed.not_applicable("ADD makes no file in /var/lib, /run and /etc/cni to lock")
    shown = ", ".join(paths)
    short = testbed.attachment("short")
    with _held(paths):
        testbed.note("note", f"from here on another process holds the locks of {shown}")
        running = testbed.start("ADD", short, limit=60)
        time.sleep(_LOCK_SHORT)
    testbed.note("note", "the locks are released")
    call = testbed.finished(running, short)
    testbed.expect(
        "field/lock/1",
        call.ok,
        expected=f"ADD waits for a lock that is held for {_LOCK_SHORT:.0f} s, and succeeds",
        actual=call,
    )
    if call.ok and call.seconds < _LOCK_SHORT:
        return  # it takes none of them
    for_ever = testbed.attachment("long")
    with _held(paths):
        testbed.note("note", f"from here on another process holds the locks of {shown}")
        call = testbed.call("ADD", for_ever, limit=_LOCK_LONG)
    testbed.expect(
        "field/lock/1",
        call.ended_by != "timeout",
        expected=f"ADD ends within {_LOCK_LONG:.0f} s when a lock is never released",
        actual=call,
    )
    testbed.expect(
        "field/lock/1",
        call.ok or call.ended_by or _has_message(call),
        expected="ADD says in an error that it did not get the lock",
        actual=call,
    )


def _possible_locks(fresh: State, later: State) -> list[str]:
    """Files and directories of the plugin: some lock a file, some its directory."""
    lines = fresh.only("file").appeared(later.only("file"))
    paths = [file_path(line) for line in lines if line.split()[3][0] in "-d"]
    return [path for path in paths if path.startswith(STATE_DIRECTORIES)]


@contextlib.contextmanager
def _held(paths: list[str]) -> Generator[None]:
    descriptors: list[int] = []
    try:
        for path in paths:
            directory = path.endswith("/")
            descriptor = os.open(path, (os.O_RDONLY if directory else os.O_RDWR) | os.O_CLOEXEC)
            descriptors.append(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not directory:
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


# -- delegates -----------------------------------------------------------------------------------


@case("field/delegate/1", delegating=True)
def missing_delegate_is_named(testbed: Testbed) -> None:
    """The error about a delegate that does not exist names it and where it was looked for."""
    testbed.attached("plain").delete()
    extra = f"{BASE}/nothing-here"
    os.makedirs(extra)
    folders = [testbed.delegate.bin, extra, *testbed.cni_path]
    call = testbed.attachment("missing").add(
        patch=_with_delegate(testbed, _ABSENT), env={"CNI_PATH": os.pathsep.join(folders)}
    )
    if call.ok:
        testbed.block("needs an ADD that fails when its delegate does not exist")
    missing = [each for each in (_ABSENT, *folders) if each not in call.message]
    testbed.expect(
        "field/delegate/1",
        not missing,
        expected=f"the error names {_ABSENT} and each directory of CNI_PATH",
        actual=f"not in the error: {', '.join(missing)}; it says {call.message!r}",
    )


@case("field/delegate/2", delegating=True)
def broken_delegate_is_named(testbed: Testbed) -> None:
    """A delegate that prints garbage, dies or floods standard error becomes a clear error."""
    testbed.use_fake_ipam()
    testbed.attached("plain").delete()
    broken: dict[str, Json] = {
        "prints what is no JSON": {"stdout": "panic: runtime error {\n"},
        "prints half of a result": {"stdout": '{"cniVersion": "1.0.0", "ips": [{"addr'},
        "is killed by SIGSEGV": {"stdout": "", "signal": 11},
        "floods standard error and exits with 1": {"stdout": "", "flood": 1_048_576, "exit": 1},
    }
    for number, (what, behaviour) in enumerate(broken.items()):
        attachment = testbed.attachment(f"broken{number}")
        testbed.script_delegate("ADD", **behaviour)
        call = attachment.add(limit=20)
        clear = not call.ok and _has_message(call) and FAKE_IPAM in call.message
        testbed.expect(
            "field/delegate/2",
            clear,
            expected=f"when the delegate {what}, ADD fails with an error that names {FAKE_IPAM}",
            actual=call,
        )


# -- interfaces and leases -----------------------------------------------------------------------


@case("field/interface/1", kinds=["interface"])
def host_takes_no_router_advertisements(testbed: Testbed) -> None:
    """The links ADD makes on the host take no IPv6 router advertisements."""
    before = testbed.observe()
    testbed.attached()
    lines = before.appeared(testbed.observe())
    links = [line.split()[3] for line in lines if line.startswith("+ host link: ")]
    if not links:
        testbed.not_applicable("ADD makes no link on the host")
    for link in links:
        if os.path.exists(f"/sys/class/net/{link}/master"):
            continue  # what arrives at a port is received by the bridge
        accepted, off = _ipv6(link, "accept_ra"), _ipv6(link, "disable_ipv6")
        testbed.expect(
            "field/interface/1",
            accepted in {"0", ""} or off == "1",
            expected=f"accept_ra of {link}, which ADD made on the host, is 0, or IPv6 is off there",
            actual=f"accept_ra is {accepted}, disable_ipv6 is {off}",
        )


def _ipv6(link: str, name: str) -> str:
    try:
        with open(f"/proc/sys/net/ipv6/conf/{link}/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""  # this kernel has no IPv6
