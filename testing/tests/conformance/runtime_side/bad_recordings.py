"""Recordings that violate one rule each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runtime_traces import (
    FIRST,
    HOST,
    PORTS,
    REMOVED,
    SECOND,
    TARGET,
    THIRD,
    VALID,
    Trace,
    failing,
    half_added,
    of,
    without_check_and_gc,
)

from cni_conformance.runtime_side import default_conflist


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
