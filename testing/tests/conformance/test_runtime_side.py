"""The side of runtimes: each rule on good and bad recordings, the recorder as a process, and our own runtime."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import typer
from typer.testing import CliRunner

from cni_conformance._outcome import Result, Status
from cni_conformance._requirements import LEVELS, requirements
from cni_conformance._settings import UsageError
from cni_conformance._versions import VERSIONS, at_least
from cni_conformance.report import html, json_file, junit
from cni_conformance.runtime_side import (
    default_conflist,
    exit_status,
    install,
    read_conflist,
    run,
    runtime_requirements,
)
from cni_conformance.runtime_side import recorder as recorder_module
from cni_conformance.runtime_side._call import Call, read
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side.command import CONTEXT, runtime
from cni_conformance.runtime_side.rules import judge, rules


FIRST, SECOND, THIRD = (f"conformance-{each}" for each in ("first", "second", "third"))
HOST, TARGET = 4026531840, 4026532000
PORTS = {"portMappings": [{"hostPort": 80, "containerPort": 80}]}
VALID = "cni.dev/valid-attachments"
REMOVED = object()
"""In the place of a value: the key is not there."""

ROWS = list(runtime_requirements().values())
JUDGED = {row.id for row in ROWS if not row.untestable}


# -- recordings, as of a runtime that does all well but for what it is told -----------------------


@attrs.define
class Trace:
    """Calls one after the other. `request`, `env` and attributes of `Call` make one different."""

    conflist: dict[str, Any] = attrs.field(factory=default_conflist)
    version: str = "1.1.0"
    fails: set[tuple[str, str]] = attrs.field(factory=set)
    was_ended: bool = False
    calls: list[Call] = attrs.field(factory=list)
    results: dict[str, Any] = attrs.field(factory=dict)

    @property
    def types(self) -> list[str]:
        return [each["type"] for each in self.conflist["plugins"]]

    def call(
        self,
        command: str,
        plugin: str,
        container: str = "c1",
        ifname: str = "eth0",
        *,
        request: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        **changes: Any,
    ) -> Trace:
        attached = command in {"ADD", "DEL", "CHECK"}
        variables = {"CNI_COMMAND": command, "CNI_PATH": "/opt/cni/bin", "PATH": "/bin"}
        if attached:
            variables |= {
                "CNI_CONTAINERID": container,
                "CNI_NETNS": f"/run/netns/{container}",
                "CNI_IFNAME": ifname,
                "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web",
            }
        document = self.request(command, plugin) | (request or {})
        document = {key: value for key, value in document.items() if value is not REMOVED}
        succeeds = (plugin, command) not in self.fails
        adds = command == "ADD" and succeeds
        begin = 10 * len(self.calls) + 10
        call = Call(
            number=len(self.calls) + 1,
            plugin=plugin,
            command=command,
            env={**variables, **(env or {})},
            stdin=json.dumps(document),
            started=begin,
            ended=begin + 5,
            netns=HOST,
            parent_netns=HOST,
            target={"exists": True, "is_netns": True, "inode": TARGET} if attached else {},
            descriptors={"0": "pipe:[1]", "1": "pipe:[2]", "2": "/dev/null"},
            answer=json.dumps(self.answer(plugin, document)) if adds else "",
            exit_code=0 if succeeds else 1,
        )
        self.calls.append(attrs.evolve(call, **changes))
        return self

    def request(self, command: str, plugin: str) -> dict[str, Any]:
        own = next((each for each in self.conflist["plugins"] if each["type"] == plugin), {})
        left_out = {"capabilities", "cni.dev/conformance"}
        document = {key: value for key, value in own.items() if key not in left_out}
        document |= {"cniVersion": self.version, "name": self.conflist["name"]}
        if command in {"ADD", "DEL", "CHECK"} and "capabilities" in own:
            document["runtimeConfig"] = PORTS
        return document

    def answer(self, plugin: str, document: dict[str, Any]) -> dict[str, Any]:
        ips = [{"address": "198.18.0.2/16", "interface": 0}]
        interfaces = [{"name": "eth0", "sandbox": "/run/netns/c1"}, {"name": plugin}]
        return {"cniVersion": self.version, "interfaces": interfaces, "ips": ips}

    def chain(self, command: str, plugins: list[str], *attachment: str, **changes: Any) -> Trace:
        key = "/".join(attachment)
        given = changes.pop("request", {})
        for number, plugin in enumerate(plugins):
            is_first = command == "ADD" and number == 0
            known = {} if is_first or key not in self.results else {"prevResult": self.results[key]}
            self.call(command, plugin, *attachment, request=known | given, **changes)
            call = self.calls[-1]
            if command == "ADD" and call.succeeded:
                self.results[key] = json.loads(call.answer)
        return self

    def add(self, *attachment: str, **changes: Any) -> Trace:
        return self.chain("ADD", self.types, *attachment, **changes)

    def check(self, *attachment: str, **changes: Any) -> Trace:
        return self.chain("CHECK", self.types, *attachment, **changes)

    def delete(self, *attachment: str, **changes: Any) -> Trace:
        return self.chain("DEL", self.types[::-1], *attachment, **changes)

    def gc(self, *valid: str, plugins: list[str] | None = None, **changes: Any) -> Trace:
        entries = [{"containerID": each, "ifname": "eth0"} for each in valid]
        request = {VALID: entries} | changes.pop("request", {})
        for plugin in plugins or self.types:
            self.call("GC", plugin, request=request, **changes)
        return self

    def status(self, **changes: Any) -> Trace:
        for plugin in self.types:
            self.call("STATUS", plugin, **changes)
        return self

    def edited(self, number: int, **keys: Any) -> Trace:
        """The request of one call changed afterwards."""
        document = {**json.loads(self.calls[number].stdin), **keys}
        document = {key: value for key, value in document.items() if value is not REMOVED}
        self.calls[number] = attrs.evolve(self.calls[number], stdin=json.dumps(document))
        return self

    def moved(self, first: int, by: int) -> Trace:
        """The calls from one on happened at another time."""
        for number, call in enumerate(self.calls):
            if number >= first:
                times = {"started": call.started + by, "ended": call.ended and call.ended + by}
                self.calls[number] = attrs.evolve(call, **times)
        self.calls.sort(key=lambda call: call.started)
        return self

    def mended(self) -> Trace:
        """Nothing fails from now on."""
        self.fails = set()
        return self

    def judged(self, spec_version: str = "1.1.0") -> dict[str, Result]:
        seen = Recording(
            calls=self.calls,
            conflist=self.conflist,
            spec_version=spec_version,
            was_ended=self.was_ended,
        )
        return {result.requirement: result for result in judge(seen, "field")}


def of(version: str) -> Trace:
    """For a configuration of one version."""
    return Trace(default_conflist("1.0.0") | {"cniVersion": version}, version)


def without_check_and_gc() -> Trace:
    return Trace(default_conflist(disable_check=True, disable_gc=True))


def failing(*plugins: str, command: str = "ADD") -> Trace:
    return Trace(fails={(plugin, command) for plugin in plugins})


def half_added(*, was_ended: bool = False) -> Trace:
    """The second plugin fails at ADD."""
    trace = failing(SECOND).chain("ADD", [FIRST, SECOND])
    trace.results.clear()
    trace.was_ended = was_ended
    return trace


TWICE = {"name": "n", "cniVersion": "1.1.0", "plugins": [{"type": "a"}, {"type": "a"}]}


def by_turns(*traces: Trace) -> Trace:
    """A call of each, then the next of each; none at the same time."""
    calls = [call for each in zip(*(trace.calls for trace in traces), strict=True) for call in each]
    moved = [
        attrs.evolve(call, number=number, started=10 * number, ended=10 * number + 5)
        for number, call in enumerate(calls, start=1)
    ]
    return attrs.evolve(traces[0], calls=moved)


def named(results: dict[str, Result], status: Status) -> set[str]:
    return {name for name, result in results.items() if result.status is status}


# -- the rules ------------------------------------------------------------------------------------

GOOD: dict[str, Callable[[], Trace]] = {
    "a whole life": lambda: (
        Trace().call("VERSION", FIRST).status().add().check().gc("c1").delete().gc().delete()
    ),
    "an ADD that fails": lambda: half_added().delete(),
    "an ADD that fails, once more": lambda: attrs.evolve(half_added().delete(), fails=set()).add(),
    "an ADD that is given up": lambda: Trace().chain("ADD", [FIRST, SECOND]).delete(),
    "a network without CHECK and GC": lambda: without_check_and_gc().add().delete(),
    "DEL when the namespace is gone": lambda: (
        Trace()
        .add()
        .delete(env={"CNI_NETNS": ""}, target={"exists": False, "is_netns": False, "inode": None})
    ),
    "a second DEL without a result": lambda: (
        Trace().add().delete().delete(request={"prevResult": REMOVED})
    ),
    "DEL of what nobody knows": lambda: Trace().delete(),
    "DEL that ends at a failure, and again": lambda: (
        failing(SECOND, command="DEL").add().chain("DEL", [THIRD, SECOND]).delete()
    ),
    "DEL that goes on after a failure": lambda: failing(SECOND, command="DEL").add().delete(),
    "DEL without a result below 0.4.0": lambda: (
        of("0.3.1").add().delete(request={"prevResult": REMOVED})
    ),
    "CHECK that ends at a failure": lambda: (
        failing(FIRST, command="CHECK").add().chain("CHECK", [FIRST])
    ),
    "GC that goes on after a failure": lambda: failing(FIRST, command="GC").gc(),
    "what Go makes of a result": lambda: (
        Trace()
        .add()
        .edited(
            1,
            prevResult={
                "cniVersion": "1.1.0",
                "interfaces": [
                    {"name": "eth0", "sandbox": "/run/netns/c1"},
                    {"name": FIRST, "mac": ""},
                ],
                "ips": [{"interface": 0, "address": "198.18.0.2/16"}],
                "dns": {},
                "routes": None,
            },
        )
    ),
    "two containers side by side": lambda: Trace().add("c1").add("c2").moved(3, -28),
    "two attachments one after the other": lambda: Trace().add("c1", "eth0").add("c1", "eth1"),
    "a network of the runtime's own": lambda: (
        Trace()
        .call("ADD", "loopback", "c1", "lo", request={"type": "loopback", "name": "lo"})
        .add()
    ),
    "a plugin twice in the list": lambda: Trace(TWICE).add().check().delete(),
    "arguments with a semicolon at the end": lambda: Trace().add(env={"CNI_ARGS": "A=1;"}),
    "arguments with an empty value": lambda: Trace().add(env={"CNI_ARGS": "A=;B=x=y"}),
    "a namespace that cannot be seen": lambda: Trace().add(
        target={"exists": None, "is_netns": None, "inode": None}
    ),
    "a caller that cannot be seen": lambda: Trace().add(parent_netns=None),
    "a domain that is not the caller's": lambda: Trace().add(parent_netns=7),
    "empty variables at GC": lambda: Trace().gc(env={"CNI_CONTAINERID": "", "CNI_NETNS": ""}),
    "a call that was ended": lambda: (
        Trace().chain("ADD", [FIRST], ended=None, exit_code=None).delete()
    ),
    "arguments in another order": lambda: (
        Trace().add().delete(env={"CNI_ARGS": "K8S_POD_NAME=web;IgnoreUnknown=1"})
    ),
    "GC and STATUS by turns": lambda: by_turns(Trace().gc(), Trace().status()),
    "a plugin twice in the list, and a DEL that fails": lambda: (
        Trace(TWICE, fails={("a", "DEL")}).add().chain("DEL", ["a"]).mended().delete()
    ),
    "a list that still has what could not be deleted": lambda: (
        failing(SECOND, command="DEL").add().chain("DEL", [THIRD, SECOND]).gc("c1").delete()
    ),
    "a list that has what was added anew": lambda: Trace().add().delete().add().gc("c1"),
    "a number beyond all floats": lambda: Trace(
        default_conflist() | {"plugins": [{"type": FIRST, "n": 10**400}]}
    ).add(),
    "a life cut short in ADD": lambda: Trace(was_ended=True).chain("ADD", [FIRST, SECOND]),
    "a life cut short in DEL": lambda: Trace(was_ended=True).add().chain("DEL", [THIRD]),
    "a life cut short after an ADD that failed": lambda: half_added(was_ended=True),
    "an empty runtimeConfig": lambda: Trace().add(request={"runtimeConfig": {}}),
    "a number written otherwise": lambda: Trace(
        default_conflist() | {"plugins": [{"type": FIRST, "n": 1.0}]}
    ).add(request={"n": 1}),
}

OTHER = {"cniVersion": "1.1.0", "ips": []}

# The rule, and what violates it alone.
BAD: list[tuple[str, str, Callable[[], Trace]]] = [
    ("parameters/1", "lower case", lambda: Trace().call("add", FIRST)),
    ("parameters/1", "none", lambda: Trace().call("", FIRST)),
    ("parameters/2", "no id", lambda: Trace().add("")),
    ("parameters/2", "no netns", lambda: Trace().add(env={"CNI_NETNS": ""}, target={})),
    ("parameters/2", "no ifname", lambda: Trace().add("c1", "")),
    ("parameters/3", "no id", lambda: Trace().delete("")),
    ("parameters/3", "no ifname", lambda: Trace().delete("c1", "")),
    ("parameters/4", "no netns", lambda: Trace().add().check(env={"CNI_NETNS": ""})),
    ("parameters/5", "id", lambda: Trace().gc(env={"CNI_CONTAINERID": "c1"})),
    ("parameters/6", "netns", lambda: Trace().status(env={"CNI_NETNS": "/run/netns/x"})),
    ("parameters/7", "begins with a hyphen", lambda: Trace().add("-c1")),
    ("parameters/7", "slash", lambda: Trace().add("a/b").delete("a/b")),
    ("parameters/7", "line feed", lambda: Trace().add("c1\n")),
    ("parameters/8", "slash", lambda: Trace().add("c1", "eth/0")),
    ("parameters/8", "long", lambda: Trace().add("c1", "sixteen-letters-")),
    ("parameters/8", "dots", lambda: Trace().add("c1", "..")),
    ("parameters/9", "no pair", lambda: Trace().add(env={"CNI_ARGS": "web"})),
    ("parameters/9", "commas", lambda: Trace().add(env={"CNI_ARGS": "A=1;,B"})),
    ("parameters/10", "elsewhere", lambda: Trace().add(in_path=False)),
    ("parameters/10", "elsewhere at STATUS", lambda: Trace().status(in_path=False)),
    ("execution/1", "another type", lambda: Trace().add().edited(1, type=FIRST)),
    ("execution/2", "in the container", lambda: Trace().add(netns=TARGET)),
    ("execution/2", "elsewhere", lambda: Trace().status().add(netns=7)),
    ("execution/3", "not closed", lambda: Trace().add(stdin_closed=False)),
    ("execution/3", "nothing", lambda: Trace().status(stdin="")),
    ("execution/3", "half", lambda: Trace().status(stdin='{"cniVersion":')),
    ("execution/3", "a list", lambda: Trace().status(stdin="[]")),
    ("execution/4", "a socket", lambda: Trace().status(descriptors={"2": "x", "7": "socket:[9]"})),
    ("request/1", "the first", lambda: Trace(version="1.0.0").add().delete()),
    ("request/1", "the lowest", lambda: Trace(version="0.4.0").add().check()),
    ("request/1", "missing", lambda: Trace().add(request={"cniVersion": REMOVED})),
    ("request/2", "missing", lambda: Trace().add(request={"name": REMOVED})),
    ("request/2", "another", lambda: Trace().status(request={"name": "x"})),
    ("request/3", "missing", lambda: Trace().add().edited(0, nothing=REMOVED)),
    ("request/3", "true is 1", lambda: Trace().add().edited(0, unknown=unknown(flags=1))),
    ("request/3", "null left out", lambda: Trace().add().edited(0, unknown=unknown(nested=[]))),
    ("request/3", "case", lambda: Trace().add().edited(2, CAMELcase="x")),
    ("request/3", "empty left out", lambda: Trace().add().edited(2, ipam=REMOVED)),
    ("request/4", "rounded", lambda: Trace().add().edited(0, large=[2**53, 2**64])),
    ("request/4", "nested", lambda: Trace().add().edited(1, deeper={"large": {"still": -(2**53)}})),
    ("request/5", "as it stood", lambda: Trace().add().edited(0, **cni_dev())),
    (
        "request/5",
        "attachments of the file",
        lambda: Trace(default_conflist() | {"plugins": [{"type": FIRST, VALID: []}]}).add(
            request={VALID: []}
        ),
    ),
    ("request/6", "as it stood", lambda: Trace().add(request={"capabilities": {"mac": True}})),
    ("request/7", "not declared", lambda: Trace().add().edited(0, runtimeConfig={**PORTS, "x": 1})),
    ("request/7", "false", lambda: Trace().add().edited(0, runtimeConfig={**PORTS, "aliases": 1})),
    ("request/7", "a list", lambda: Trace().add(request={"runtimeConfig": []})),
    ("request/8", "forgotten", lambda: Trace().add().edited(1, runtimeConfig=REMOVED)),
    (
        "request/9",
        "missing",
        lambda: Trace().call("VERSION", FIRST, request={"cniVersion": REMOVED}),
    ),
    ("result/1", "a stale one", lambda: Trace().add().edited(0, prevResult=OTHER)),
    ("result/1", "null", lambda: Trace().add().edited(0, prevResult=None)),
    ("result/2", "another", lambda: Trace().add().edited(1, prevResult=OTHER)),
    ("result/2", "missing", lambda: Trace().add().edited(2, prevResult=REMOVED)),
    ("result/2", "the first one's", lambda: stale(Trace().add(), 2)),
    ("result/3", "missing", lambda: Trace().add().check(request={"prevResult": REMOVED})),
    ("result/3", "the first one's", lambda: stale(Trace().add().check(), 3)),
    ("result/4", "missing", lambda: Trace().add().delete(request={"prevResult": REMOVED})),
    ("result/4", "the first one's", lambda: stale(Trace().add().delete(), 4)),
    ("lifecycle/1", "missing", lambda: Trace().add(target={"exists": False})),
    ("lifecycle/1", "a file", lambda: Trace().add(target={"exists": True, "is_netns": False})),
    (
        "lifecycle/2",
        "its own",
        lambda: Trace().add(target={"exists": True, "is_netns": True, "inode": HOST}),
    ),
    ("lifecycle/3", "two attachments", lambda: Trace().add("c1").add("c1", "eth1").moved(3, -28)),
    ("lifecycle/3", "between calls", lambda: Trace().add("c1").add("c1", "eth1").moved(3, -23)),
    ("lifecycle/3", "one attachment", lambda: Trace().add("c1").delete("c1").moved(3, -12)),
    ("lifecycle/4", "in the midst of ADD", lambda: Trace().add().gc("c1").moved(3, -23)),
    ("lifecycle/4", "ADD before its end", lambda: Trace().gc().add().moved(3, -12)),
    ("lifecycle/5", "never", half_added),
    ("lifecycle/5", "GC in its place", lambda: half_added().gc()),
    ("lifecycle/5", "never, and more after it", lambda: half_added(was_ended=True).mended().add()),
    (
        "lifecycle/5",
        "only after another",
        lambda: half_added().chain("ADD", [FIRST, SECOND]).delete(),
    ),
    ("lifecycle/6", "twice", lambda: Trace().add().add().delete()),
    ("lifecycle/7", "before ADD", lambda: Trace().check()),
    ("lifecycle/7", "after DEL", lambda: Trace().add().delete().check()),
    ("lifecycle/7", "after a failed ADD", lambda: half_added().check().delete()),
    ("lifecycle/8", "left off", lambda: Trace().add("c1").add("c2").gc("c2")),
    ("chain/1", "backwards", lambda: Trace().chain("ADD", [THIRD, SECOND, FIRST])),
    ("chain/1", "not to the end", lambda: Trace().chain("ADD", [FIRST, SECOND])),
    ("chain/1", "one left out", lambda: Trace().chain("ADD", [FIRST, THIRD])),
    ("chain/2", "went on", lambda: failing(SECOND).add().chain("DEL", [THIRD, SECOND, FIRST])),
    ("chain/3", "forwards", lambda: Trace().add().chain("DEL", [FIRST, SECOND, THIRD])),
    ("chain/3", "not to the end", lambda: Trace().add().chain("DEL", [THIRD, SECOND])),
    ("chain/4", "backwards", lambda: Trace().add().chain("CHECK", [THIRD, SECOND, FIRST])),
    ("chain/4", "not to the end", lambda: Trace().add().chain("CHECK", [FIRST])),
    (
        "chain/5",
        "ended at a failure",
        lambda: failing(SECOND, command="GC").gc(plugins=[FIRST, SECOND]),
    ),
    ("attachment/1", "netns", lambda: Trace().add().check(env={"CNI_NETNS": "/run/netns/x"})),
    ("attachment/1", "arguments", lambda: Trace().add().check(env={"CNI_ARGS": ""})),
    ("attachment/1", "runtimeConfig", lambda: Trace().add().check(request={"runtimeConfig": {}})),
    ("attachment/2", "arguments", lambda: Trace().add().delete(env={"CNI_ARGS": "A=1"})),
    ("attachment/2", "netns", lambda: Trace().add().delete(env={"CNI_NETNS": "/run/netns/x"})),
    ("configuration/1", "CHECK", lambda: without_check_and_gc().add().check()),
    ("configuration/2", "GC", lambda: without_check_and_gc().gc()),
    ("gc/1", "missing", lambda: Trace().gc(request={VALID: REMOVED})),
    ("gc/1", "null", lambda: Trace().gc(request={VALID: None})),
    ("gc/1", "no strings", lambda: Trace().add().gc(request={VALID: [{"containerID": 1}]})),
    ("gc/2", "deleted", lambda: Trace().add().delete().gc("c1")),
    ("gc/1", "half", lambda: Trace().gc(request={VALID: [{"containerID": "c1"}]})),
    ("versions/1", "0.3.1", lambda: of("0.3.1").add().check()),
    ("versions/2", "1.0.0", lambda: of("1.0.0").gc()),
    ("versions/3", "1.0.0", lambda: of("1.0.0").status()),
]


def unknown(**changes: Any) -> dict[str, Any]:
    return default_conflist()["plugins"][0]["unknown"] | changes


def cni_dev() -> dict[str, Any]:
    key = "cni.dev/conformance"
    return {key: default_conflist()["plugins"][0][key]}


def stale(trace: Trace, number: int) -> Trace:
    return trace.edited(number, prevResult=json.loads(trace.calls[0].answer))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_recording_violates_nothing(name: str) -> None:
    results = GOOD[name]().judged()

    wrong = {
        name: result.actual for name, result in results.items() if result.status is Status.FAIL
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("rule", "make"), [pytest.param(rule, make, id=f"{rule}-{what}") for rule, what, make in BAD]
)
def test_a_bad_recording_violates_its_rule_alone(rule: str, make: Callable[[], Trace]) -> None:
    trace = make()

    results = trace.judged()

    assert named(results, Status.FAIL) == {f"runtime/{rule}"}
    result = results[f"runtime/{rule}"]
    assert re.match(r"Call \d+, ", result.actual)
    assert result.expected == runtime_requirements()[result.requirement].text
    assert [step.kind for step in result.steps].count("plugin") == len(trace.calls)


def test_every_rule_has_a_good_recording_and_a_bad_one() -> None:
    good = {name for make in GOOD.values() for name in named(make().judged(), Status.PASS)}

    assert good == JUDGED
    assert {f"runtime/{rule}" for rule, _, _ in BAD} == JUDGED


def test_without_recordings_every_rule_is_skipped_with_a_reason() -> None:
    results = Trace().judged()

    assert named(results, Status.SKIP) == JUDGED
    assert all(result.reason for result in results.values())


def test_violations_below_the_level_are_warnings() -> None:
    trace = Trace().add("c1", "eth/0")
    seen = Recording(calls=trace.calls, conflist=trace.conflist)

    results = {each.requirement: each.status for each in judge(seen, "must")}

    assert results["runtime/parameters/8"] is Status.WARN


def test_a_runtime_is_not_held_to_a_later_version_than_it_claims() -> None:
    trace = Trace(version="1.0.0").add().delete()

    results = trace.judged("1.0.0")

    assert named(results, Status.FAIL) == set()
    assert results["runtime/request/1"].status is Status.PASS
    assert results["runtime/gc/1"].status is Status.NOT_APPLICABLE


def test_the_transcript_says_after_which_call_a_rule_was_violated() -> None:
    steps = Trace().add().edited(1, prevResult=OTHER).judged()["runtime/result/2"].steps

    assert [each.kind for each in steps] == ["plugin", "plugin", "note", "plugin"]
    assert steps[2].title == "runtime/result/2 is violated by call 2"


def test_of_the_environment_only_cnis_part_is_shown() -> None:
    trace = Trace().add(env={"TOKEN": "secret", "CNI_CONFORMANCE_BIN": "/x"}, in_path=False)

    (step, *_) = trace.judged()["runtime/parameters/10"].steps

    assert not {"TOKEN", "CNI_CONFORMANCE_BIN"} & step.env.keys()
    assert step.env["CNI_CONTAINERID"] == "c1"


# -- their texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_is_well_formed(row: Any) -> None:
    assert re.fullmatch(r"runtime/[a-z]+/[1-9]\d*", row.id)
    assert row.level in LEVELS
    assert row.since in VERSIONS
    assert (row.id in rules()) == (not row.untestable)
    for name in ("text", "why", "how", "fix"):
        text = getattr(row, name)
        assert len(text) > 10, name
        assert text[-1] == ".", name
    heading, _, quoted = row.clause.partition(': "')
    assert heading
    assert 3 <= len(quoted.split()) <= 6
    assert row.url.startswith(
        "https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#"
    )


def test_ids_are_counted_from_one_and_are_not_those_of_plugins() -> None:
    sections: dict[str, list[int]] = {}
    for row in ROWS:
        section, _, number = row.id.rpartition("/")
        sections.setdefault(section, []).append(int(number))

    assert sections == {name: list(range(1, len(n) + 1)) for name, n in sections.items()}
    assert not {row.id for row in ROWS} & requirements().keys()
    assert set(rules()) == JUDGED


if SPEC := os.environ.get("CNI_SPEC"):

    def test_clauses_can_be_found() -> None:
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", Path(str(SPEC)).read_text("utf-8"))
        plain = " ".join(re.sub(r"[`*_\[\]]", "", text).split()).lower()
        anchors = {
            re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)", Path(str(SPEC)).read_text("utf-8"), re.MULTILINE)
        }
        for row in ROWS:
            quoted = row.clause.partition(': "')[2][:-1].replace("`", "").replace("_", "").lower()
            assert quoted in plain, row.id
            assert re.sub(r"-1$", "", row.url.partition("#")[2]) in anchors, row.id


# -- the recorder ---------------------------------------------------------------------------------


@attrs.frozen
class Recorder:
    """Recording plugins in a directory, called as by a runtime."""

    base: Path

    def __call__(
        self, command: str, config: dict[str, Any], plugin: str = FIRST, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.base / "bin" / plugin],
            input=json.dumps(config),
            env={"CNI_COMMAND": command, "CNI_PATH": f"/nowhere:{self.base}/bin", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def script(self, script: dict[str, Any]) -> None:
        (self.base / "record/script.json").write_text(json.dumps(script))

    def calls(self) -> list[Call]:
        return read(str(self.base / "record"))


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    base = tmp_path / "it's here"
    for name in ("bin", "record"):
        (base / name).mkdir(parents=True)
    install(str(base / "bin"), [FIRST, SECOND], str(base / "record"))
    return Recorder(base)


ATTACHMENT = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/proc/self/ns/net", "CNI_IFNAME": "eth0"}


def test_a_call_is_written_down_although_its_environment_is_clean(recorder: Recorder) -> None:
    config = {"cniVersion": "1.1.0", "name": "n", "type": FIRST, "text": "ü\ud800"}

    done = recorder("ADD", config, **ATTACHMENT)

    assert done.returncode == 0
    (call,) = recorder.calls()
    assert (call.plugin, call.command, call.number) == (FIRST, "ADD", 1)
    assert call.request == config
    assert call.stdin_closed
    assert call.in_path
    assert call.parent == os.getpid()
    assert call.netns == call.parent_netns == os.stat("/proc/self/ns/net").st_ino
    assert call.target == {"exists": True, "is_netns": True, "inode": call.netns}
    assert call.env["CNI_CONTAINERID"] == "c1"
    assert set(call.descriptors) == {"0", "1", "2"}
    assert call.ended is not None
    assert call.started < call.ended
    assert call.answer == done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_add_answers_in_the_version_and_passes_the_result_on(
    recorder: Recorder, version: str
) -> None:
    first = json.loads(recorder("ADD", {"cniVersion": version}, **ATTACHMENT).stdout)
    config = {"cniVersion": version, "prevResult": first}
    second = json.loads(recorder("ADD", config, SECOND, **ATTACHMENT).stdout)

    assert first["cniVersion"] == second["cniVersion"] == version
    assert ("ip4" in first) == (not at_least(version, "0.3.0"))
    assert ("mtu" in json.dumps(first)) == (version == "1.1.0")
    assert [call.result for call in recorder.calls()] == [first, second]
    assert first != second
    assert second["dns"]["search"] == [*first["dns"]["search"], f"{SECOND}.example"]
    assert {key: second[key] for key in first if key not in {"dns", "interfaces"}} == {
        key: first[key] for key in first if key not in {"dns", "interfaces"}
    }


@pytest.mark.parametrize("command", ["DEL", "CHECK", "GC", "STATUS"])
def test_other_commands_succeed_silently(recorder: Recorder, command: str) -> None:
    done = recorder(command, {"cniVersion": "1.1.0"})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version_is_answered(recorder: Recorder) -> None:
    answer = json.loads(recorder("VERSION", {"cniVersion": "1.0.0"}).stdout)

    assert answer == {"cniVersion": "1.0.0", "supportedVersions": list(VERSIONS)}


@pytest.mark.parametrize(
    ("command", "config", "code"), [("add", {}, 4), ("ADD", {"cniVersion": "9.0.0"}, 1)]
)
def test_what_is_no_request_is_recorded_and_refused(
    recorder: Recorder, command: str, config: dict[str, Any], code: int
) -> None:
    done = recorder(command, config)

    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == code
    assert [call.command for call in recorder.calls()] == [command]


def test_failures_are_scripted_for_a_plugin_and_a_command(recorder: Recorder) -> None:
    recorder.script({SECOND: {"ADD": {"code": 11}}})
    config = {"cniVersion": "1.1.0"}

    codes = [
        recorder(command, config, plugin).returncode
        for plugin, command in ((FIRST, "ADD"), (SECOND, "ADD"), (SECOND, "DEL"))
    ]

    assert codes == [0, 1, 0]
    assert json.loads(recorder.calls()[1].answer)["code"] == 11


def test_standard_input_that_stays_open_is_noticed(recorder: Recorder) -> None:
    recorder.script({"patience": 0.2})
    with subprocess.Popen(
        [recorder.base / "bin" / FIRST],
        env={"CNI_COMMAND": "STATUS"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"cniVersion": "1.1.0"}')
        process.stdin.flush()
        assert process.wait(60) == 0

    (call,) = recorder.calls()
    assert (call.stdin_closed, call.request) == (False, {"cniVersion": "1.1.0"})


def test_descriptors_left_open_and_a_missing_namespace_are_noticed(recorder: Recorder) -> None:
    left = os.open("/dev/null", os.O_RDONLY)
    try:
        subprocess.run(
            [recorder.base / "bin" / FIRST],
            env={"CNI_COMMAND": "DEL", "CNI_NETNS": "/nowhere", "CNI_PATH": "/usr/bin"},
            stdin=subprocess.DEVNULL,
            pass_fds=[left],
            check=True,
        )
    finally:
        os.close(left)

    (call,) = recorder.calls()
    assert call.descriptors[str(left)] == "/dev/null"
    assert not call.in_path
    assert call.target == {"exists": False, "is_netns": False, "inode": None}


def test_a_namespace_that_may_not_be_seen_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = runpy.run_path(str(Path(recorder_module.__file__)))
    denied = os.strerror(errno.EACCES)

    def stat(path: str) -> os.stat_result:
        raise PermissionError(errno.EACCES, denied, path)

    monkeypatch.setattr("os.stat", stat)

    assert program["_target_of"]("/proc/1/ns/net")["exists"] is None


# -- a run ----------------------------------------------------------------------------------------

STATUS_OF_FIRST = [
    "sh",
    "-c",
    """printf '%s' "$1" | CNI_COMMAND=STATUS "$CNI_CONFORMANCE_BIN/conformance-first" """,
    "sh",
]


def status_request(**changes: Any) -> str:
    return json.dumps(Trace().request("STATUS", FIRST) | changes)


def test_a_run_gives_places_to_the_command() -> None:
    words = ["{bin}", "{conf}", "{conflist}", "{record}"]
    script = 'echo "$@" $CNI_PATH $NETCONFPATH; ls {bin}; cat {conflist}'

    found = run(["sh", "-c", script, "sh", *words])

    first, *rest = found.stdout.splitlines()
    programs, conf, conflist, record, cni_path, netconfpath = first.split()
    assert (cni_path, netconfpath) == (programs, conf)
    assert conflist == f"{conf}/10-conformance.conflist"
    assert os.path.dirname(record) == os.path.dirname(programs)
    assert rest[:4] == [FIRST, SECOND, THIRD, "loopback"]
    assert json.loads("".join(rest[4:])) == default_conflist()
    assert not os.path.exists(os.path.dirname(programs))


def test_a_good_run_is_judged_good_and_can_be_written(tmp_path: Path) -> None:
    found = run([*STATUS_OF_FIRST, status_request()], name="shell", level="field")

    assert found.problem == ""
    assert found.exit_status == 0
    assert found.report.plugin.kind == "runtime"
    assert found.report.plugin.name == "shell"
    for writer in (html, junit, json_file):
        writer.write(found.report, str(tmp_path / "report"))
        assert (tmp_path / "report").stat().st_size > 1000
    assert json_file.read(str(tmp_path / "report")) == found.report


def test_a_bad_run_is_judged_bad() -> None:
    found = run([*STATUS_OF_FIRST, status_request(name="x")])

    assert found.exit_status == 1
    assert [each.requirement for each in found.report.of_status(Status.FAIL)] == [
        "runtime/request/2"
    ]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["true"], "called none of the recording plugins"),
        (["/nowhere/runtime"], "could not be run"),
        (["/etc/passwd"], "could not be run"),
    ],
)
def test_a_run_without_records_is_no_verdict(command: list[str], problem: str) -> None:
    found = run(command)

    assert problem in found.problem
    assert found.exit_status == exit_status(found.report) == 3
    assert found.report.results == []
    assert problem in found.report.not_observed["calls of plugins"]


def test_a_command_that_does_not_end_is_ended_and_judged() -> None:
    request = status_request()
    script = f"{STATUS_OF_FIRST[2]}; sleep 1000 & wait"

    found = run(["sh", "-c", script, "sh", request], timeout=2.0)

    assert found.exit_code is None
    assert "did not end" in found.report.not_observed["command"]
    assert len(found.calls) == 1


def test_calls_in_the_background_are_waited_for() -> None:
    script = f"(sleep 0.2; {STATUS_OF_FIRST[2]}) > /dev/null 2>&1 &"

    found = run(["sh", "-c", script, "sh", status_request()], linger=3.0)

    assert len(found.calls) == 1


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        "{}",
        '{"plugins": []}',
        '{"type": "bridge"}',
        '{"plugins": [{"type": "a/b"}]}',
        '{"plugins": [{}]}',
        '{"plugins": [{"type": "a"}], "cniVersion": "9"}',
        '{"plugins": [{"type": "a"}], "cniVersions": "1.0.0"}',
        '{"plugins": [{"type": "a"}], "cniVersions": [1]}',
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "net.conflist"
    path.write_text(content)

    with pytest.raises(UsageError):
        read_conflist(str(path))


# -- the command line -----------------------------------------------------------------------------


@pytest.fixture
def cli() -> Callable[..., Any]:
    app = typer.Typer()
    app.command(context_settings=CONTEXT)(runtime)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_command_line_judges(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    done = cli("--verbose", f"--report=json={path}", *STATUS_OF_FIRST, status_request())

    assert done.exit_code == 0
    assert "runtime/request/1" in done.stdout
    assert json_file.read(str(path)).plugin.kind == "runtime"


def test_command_line_tells_of_violations(cli: Callable[..., Any]) -> None:
    done = cli(*STATUS_OF_FIRST, status_request(name="x"))

    assert done.exit_code == 1
    assert "FAIL  runtime/request/2" in done.stdout
    assert "name is 'x', not 'conformance'." in done.stdout


def test_command_line_scripts_failures(cli: Callable[..., Any]) -> None:
    done = cli("--verbose", f"--fail={FIRST}:STATUS:50", *STATUS_OF_FIRST, status_request())

    assert '"code": 50' in done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["true"], 3),
        (["/nowhere/runtime"], 3),
        ([], 2),
        (["--conflist=/nowhere", "true"], 2),
        (["--fail=x", "true"], 2),
        (["--fail=x:ADD:y", "true"], 2),
        (["--slow=x:ADD", "true"], 2),
        (["--spec-version=9", "true"], 2),
        (["--report=pdf=x", "true"], 2),
    ],
)
def test_command_line_has_a_status_for_every_end(
    cli: Callable[..., Any], words: list[str], status: int
) -> None:
    done = cli(*words)

    assert done.exit_code == status
    assert done.stderr


# -- our own runtime ------------------------------------------------------------------------------

OPTIONS = "--conf-dir $NETCONFPATH --cni-path $CNI_PATH --cache-dir /run/cache"
LIFE = f"""
cnisdk() {{ verb=$1; shift; {sys.executable} -I -m cnisdk "$verb" conformance "$@" {OPTIONS}; }}
mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add blue || exit 77
"""
GIVEN = """--args A=b --capability-args '{"portMappings": [{"hostPort": 80, "containerPort": 80}], "x": 1}'"""


def ours(steps: str, **options: Any) -> Any:
    """Run our command line as runtime, in namespaces of its own."""
    found = run(["unshare", "-nm", "sh", "-c", LIFE + steps], level="field", **options)
    if found.exit_code in {1, 77} and not found.calls:
        pytest.skip(f"cannot make namespaces and mounts: {found.stderr}")
    return found


def statuses(found: Any) -> dict[str, Status]:
    return {result.requirement: result.status for result in found.report.results}


@pytest.mark.kernel
def test_our_runtime_keeps_every_rule_through_a_whole_life() -> None:
    found = ours(
        f"cnisdk status && cnisdk add blue {GIVEN} && cnisdk check blue && cnisdk gc --stale"
        " && cnisdk del blue && cnisdk gc --everything"
    )

    assert found.exit_code == 0, found.stderr
    assert found.exit_status == 0
    skipped = {name for name, status in statuses(found).items() if status is not Status.PASS}
    assert skipped == {
        "runtime/request/9",
        "runtime/lifecycle/5",
        "runtime/chain/2",
        "runtime/configuration/1",
        "runtime/configuration/2",
    }


@pytest.mark.kernel
def test_our_runtime_deletes_what_it_failed_to_add() -> None:
    found = ours("cnisdk add blue", script={SECOND: {"ADD": {"code": 11}}})

    assert found.exit_code != 0
    assert found.report.of_status(Status.FAIL) == []
    assert statuses(found)["runtime/lifecycle/5"] is Status.PASS
    assert statuses(found)["runtime/chain/2"] is Status.PASS


@pytest.mark.kernel
@pytest.mark.parametrize("version", VERSIONS)
def test_our_runtime_keeps_to_every_version(version: str) -> None:
    script = f"cnisdk add blue {GIVEN}; cnisdk check blue; cnisdk gc --stale; cnisdk status; cnisdk del blue"

    found = ours(script, conflist=default_conflist("1.0.0") | {"cniVersion": version})

    assert {each.requirement: each.actual for each in found.report.of_status(Status.FAIL)} == {}
    assert ("CHECK" in {call.command for call in found.calls}) == at_least(version, "0.4.0")


@pytest.mark.kernel
def test_our_runtime_respects_what_the_network_wishes() -> None:
    conflist = default_conflist(disable_check=True, disable_gc=True)

    found = ours(
        "cnisdk add blue && cnisdk check blue && cnisdk gc --stale && cnisdk del blue",
        conflist=conflist,
    )

    assert found.exit_code == 0, found.stderr
    assert statuses(found)["runtime/configuration/1"] is Status.PASS
    assert statuses(found)["runtime/configuration/2"] is Status.PASS


@pytest.mark.kernel
def test_our_runtime_does_one_thing_at_a_time() -> None:
    slow = {name: {"ADD": {"sleep": 0.1}} for name in (FIRST, SECOND, THIRD)}

    found = ours(
        "for n in 0 1 2; do cnisdk add blue --ifname eth$n & done; cnisdk gc --valid x & wait",
        script=slow,
    )

    assert statuses(found)["runtime/lifecycle/3"] is Status.PASS
    assert statuses(found)["runtime/lifecycle/4"] is Status.PASS


# -- runtimes of Debian ---------------------------------------------------------------------------

RUNTIMES = Path(__file__).parents[1] / "interop/runtimes"
LIBCNI = {"runtime/request/4", "runtime/request/5", "runtime/request/6"}
"""What the Go library of 2022 does not keep: numbers, keys of cni.dev/, capabilities."""
# Where a container is added and deleted there is something to say about these.
SEEN = {
    "runtime/parameters/2",
    "runtime/parameters/3",
    "runtime/execution/2",
    "runtime/request/1",
    "runtime/request/3",
    "runtime/result/1",
    "runtime/result/2",
    "runtime/result/4",
    "runtime/lifecycle/1",
    "runtime/lifecycle/2",
    "runtime/chain/1",
    "runtime/chain/3",
}


@attrs.frozen
class Debian:
    """A node on which recording plugins are installed."""

    node: Any
    image: bytes
    record: str
    conflist: dict[str, Any]

    def judged(self) -> dict[str, Status]:
        seen = Recording(calls=read(self.record), conflist=self.conflist, spec_version="1.0.0")
        return {each.requirement: each.status for each in judge(seen, "field")}


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Debian]:
    monkeypatch.syspath_prepend(RUNTIMES)
    runtime_node = importlib.import_module("runtime_node")
    busybox_image = importlib.import_module("busybox_image")
    busybox = shutil.which("busybox", path=runtime_node.PATH)
    if os.geteuid() != 0 or busybox is None or not busybox_image.is_static(Path(busybox)):
        pytest.skip("needs root and the Debian package busybox-static")
    conflist = default_conflist("1.0.0")
    for name in ("bin", "record"):
        (tmp_path / name).mkdir()
    types = [each["type"] for each in conflist["plugins"]]
    install(str(tmp_path / "bin"), [*types, "loopback"], str(tmp_path / "record"))
    try:
        node = runtime_node.Node(tmp_path / "bin")
    except runtime_node.CannotMakeNode as failure:
        pytest.skip(f"cannot make namespaces and mounts: {failure}")
    node.write(f"{runtime_node.CONF_DIR}/10-conformance.conflist", conflist)
    image = busybox_image.archive(Path(busybox))
    yield Debian(node, image, str(tmp_path / "record"), conflist)
    node.close()


def need(*programs: str) -> None:
    for each in programs:
        if shutil.which(each, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs {each}")


def assert_nothing_but_the_known(found: dict[str, Status], known: set[str] = LIBCNI) -> None:
    assert {name for name, status in found.items() if status is Status.FAIL} <= known
    assert {name for name, status in found.items() if status is Status.PASS} >= SEEN


@pytest.mark.interop
def test_podman_is_judged(debian: Debian) -> None:
    need("podman", "conmon", "runc")
    podman = importlib.import_module("podman").Podman(debian.node)
    if podman("info", "--format={{.Host.NetworkBackend}}").strip() != "cni":
        pytest.skip("this podman has no CNI backend")
    podman.load(debian.image)

    podman.run("--rm", "--network=conformance", "-p", "8089:80", "IMAGE", "cat", "/etc/passwd")

    found = debian.judged()
    assert_nothing_but_the_known(found)
    assert found["runtime/request/8"] is Status.PASS
    assert found["runtime/request/9"] is Status.PASS


@pytest.mark.interop
def test_ctr_is_judged(debian: Debian) -> None:
    need("containerd", "ctr", "runc")
    containerd = importlib.import_module("containerd").Containerd(debian.node, debian.image)

    containerd.run("c1", "cat", "/etc/passwd")

    assert_nothing_but_the_known(debian.judged())


@pytest.mark.interop
def test_containerds_service_for_kubelet_is_judged(debian: Debian) -> None:
    need("containerd", "ctr", "runc")
    containerd = importlib.import_module("containerd").Containerd(debian.node, debian.image)
    config = importlib.import_module("cri").pod_config(
        "web", f"/{debian.node.name}", port_mapping=(8089, 80)
    )
    cri = containerd.cri()
    try:
        pod = cri.run_pod(config)
        cri.stop_pod(pod)
        cri.remove_pod(pod)
    finally:
        cri.close()

    # It attaches lo and eth0 side by side.
    assert_nothing_but_the_known(debian.judged(), LIBCNI | {"runtime/lifecycle/3"})
    assert "loopback" in {call.plugin for call in read(debian.record)}
