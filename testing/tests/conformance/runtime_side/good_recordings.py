"""Recordings that violate nothing."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from runtime_traces import (
    FIRST,
    REMOVED,
    SECOND,
    THIRD,
    TWICE,
    Trace,
    by_turns,
    failing,
    half_added,
    of,
    without_check_and_gc,
)

from cni_conformance.runtime_side import default_conflist


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
