"""Recordings, as of a runtime that does all well but for what it is told."""

from __future__ import annotations

import json
from typing import Any

import attrs

from cni_conformance._outcome import Result
from cni_conformance.runtime_side import default_conflist
from cni_conformance.runtime_side._call import Call
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side.rules import judge


FIRST, SECOND, THIRD = (f"conformance-{each}" for each in ("first", "second", "third"))
HOST, TARGET = 4026531840, 4026532000
PORTS = {"portMappings": [{"hostPort": 80, "containerPort": 80}]}
VALID = "cni.dev/valid-attachments"
REMOVED = object()
"""In the place of a value: the key is not there."""


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
