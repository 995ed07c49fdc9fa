"""CHECK after something is gone that the result does not list: rules, settings, reservations."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable

from cni_conformance._case import case
from cni_conformance._leftovers import STATE_DIRECTORIES, content_of, file_path
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance.state import State


_LABEL = "second"
_NAMED = frozenset({"mtu", "mac", "txqlen", "promisc", "allmulti"})
"""Properties of a link that a picture of it names, in the words of ip(8) but for `mac`, `txqlen`."""
_WORDS = {"mac": "address", "txqlen": "txqueuelen", "allmulti": "allmulticast"}


@case("spec/1.1.0/CHECK/4", commands=["CHECK"])
def check_notices_what_only_the_plugin_knows(testbed: Testbed) -> None:
    """CHECK fails after what ADD made beside the result is gone: rules, queues, settings, files."""
    testbed.checked().delete()
    attachment, made = _attached(testbed)
    tested = False
    for take_away in _WAYS:
        what = take_away(attachment, made)
        if not what:
            continue
        tested = True
        call = attachment.check()
        testbed.expect(
            "spec/1.1.0/CHECK/4",
            call.refused,
            expected=f"CHECK fails when {what}",
            actual=call,
            diff=made[:30],
        )
        attachment.delete()
        attachment.remove_netns()
        attachment, made = _attached(testbed)
    if not tested:
        testbed.not_applicable("ADD makes nothing beside what its result lists")


def _attached(testbed: Testbed) -> tuple[Attachment, list[str]]:
    """A container, and what its ADD has changed."""
    attachment = testbed.attachment(_LABEL)
    before = testbed.observe()
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    return attachment, before.diff(testbed.observe())


@case("spec/1.1.0/CHECK/4", commands=["CHECK"], kinds=["ipam"])
def check_notices_a_store_without_the_address(testbed: Testbed) -> None:
    """CHECK of an IPAM plugin fails when its files are what they were before ADD."""
    if testbed.profile.setup or testbed.profile.service:
        testbed.not_applicable("what the plugin knows may be in a service, not in its files")
    testbed.checked("warm").delete()
    contents = {path: content_of(path) for path in _files(testbed.observe())}
    attachment = testbed.checked("stored")
    later = {path: content_of(path) for path in _files(testbed.observe())}
    changed = [path for path, content in later.items() if contents.get(path) != content]
    if not changed:
        testbed.not_applicable("ADD changes no file in /var/lib, /run and /etc/cni")
    for path in changed:
        _put_back(testbed, path, contents.get(path))
    call = attachment.check()
    testbed.expect(
        "spec/1.1.0/CHECK/4",
        call.refused,
        expected=f"CHECK fails when {', '.join(changed)} is what it was before ADD",
        actual=call,
    )


@case("spec/1.1.0/CHECK/4", commands=["CHECK"], kinds=["ipam"])
def check_tells_interfaces_of_a_container_apart(testbed: Testbed) -> None:
    """CHECK of an IPAM plugin fails for an interface without address although the container's other one has one."""
    lone = testbed.checked("lone")
    if not lone.delete().ok or lone.check().ok:
        testbed.not_applicable("CHECK succeeds after DEL: the plugin reserves no address")
    first = testbed.checked("two")
    second = testbed.attachment("two", beside=first, ifname="net1")
    if not second.add().ok or not second.check().ok or not second.delete().ok:
        testbed.block("needs ADD, CHECK and DEL of a second interface to succeed")
    call = second.check()
    testbed.expect(
        "spec/1.1.0/CHECK/4",
        call.refused,
        expected=f"CHECK of net1 fails after its DEL; the address of {first.ifname} is not net1's",
        actual=call,
    )


def _files(state: State) -> list[str]:
    """The regular files in state directories."""
    rows = [line.split(maxsplit=2)[:2] for line in state.lines.get("file", ())]
    return sorted(
        path for path, mode in rows if mode[0] == "-" and path.startswith(STATE_DIRECTORIES)
    )


def _put_back(testbed: Testbed, path: str, content: bytes | None) -> None:
    if content is None:
        testbed.command("rm", "-f", path)
        return
    script = f"printf %s {base64.b64encode(content).decode()} | base64 -d >{shlex.quote(path)}"
    testbed.command("sh", "-ec", script)


# -- what can be taken away: each way says what it did, or nothing -----------------------------------


def _without_reservations(attachment: Attachment, made: list[str]) -> str:
    """Remove the files that ADD made in state directories and that speak of the container."""
    if attachment.testbed.kind != "ipam":
        return ""
    paths = [
        file_path(line)
        for line in made
        if line.startswith("+ file: ") and attachment.container_id in line
    ]
    paths = [path for path in paths if path.startswith(STATE_DIRECTORIES) and path[-1] != "/"]
    for path in paths:
        attachment.testbed.command("rm", "-f", path)
    return f"the reservation {', '.join(paths)} is gone" if paths else ""


def _without_rules_of_the_firewall(attachment: Attachment, made: list[str]) -> str:
    """Empty the chains and leave them there."""
    if not _made(made, "host firewall"):
        return ""
    run = attachment.testbed.command
    table: list[str] = []
    for line in run("nft", "list", "chains").splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = words[1:3]
        elif words[:1] == ["chain"]:
            run("nft", "flush", "chain", *table, words[1])
    return "the firewall rules that ADD made are gone, and their chains are empty"


def _without_firewall(attachment: Attachment, made: list[str]) -> str:
    if not _made(made, "host firewall"):
        return ""
    attachment.testbed.command("nft", "flush", "ruleset")
    return "the firewall rules that ADD made are gone, with their tables"


def _without_shaping(attachment: Attachment, made: list[str]) -> str:
    devices = {line.split()[0] for line in _made(made, "host qdisc") if "ingress" not in line}
    for device in sorted(devices):
        attachment.testbed.command("tc", "qdisc", "del", "dev", device, "root")
    return f"qdisc that ADD made on {', '.join(sorted(devices))} is gone" if devices else ""


def _with_old_sysctls(attachment: Attachment, made: list[str]) -> str:
    if attachment.testbed.kind != "chained":
        return ""
    before = dict(line.split(" = ", 1) for line in _removed(made, f"{_LABEL} sysctl"))
    now = dict(line.split(" = ", 1) for line in _made(made, f"{_LABEL} sysctl"))
    # The MTU for IPv6 follows that of the link.
    changed = sorted(key for key in before.keys() & now.keys() if not key.endswith(".mtu"))
    for key in changed:
        path = "/proc/sys/" + key.replace(".", "/")
        words = ["sh", "-ec", f"echo '{before[key]}' >{path}"]
        attachment.testbed.command(*words, inside=attachment.netns, check=False)
    return f"{', '.join(changed)} is what it was before ADD" if changed else ""


def _with_old_link(attachment: Attachment, made: list[str]) -> str:
    if attachment.testbed.kind != "chained":
        return ""
    before = _properties(_removed(made, f"{_LABEL} link"), attachment.ifname)
    now = _properties(_made(made, f"{_LABEL} link"), attachment.ifname)
    if not before or not now:
        return ""
    changed = sorted(name for name in _NAMED if before.get(name) != now.get(name))
    for name in changed:
        value = before.get(name, "off")
        words = ["link", "set", attachment.ifname, _WORDS.get(name, name), value]
        attachment.testbed.command("ip", *words, inside=attachment.netns)
    what = f"{', '.join(changed)} of {attachment.ifname}"
    return f"{what} is what it was before ADD" if changed else ""


def _without_policy_rules(attachment: Attachment, made: list[str]) -> str:
    rules = _made(made, f"{_LABEL} rule")
    for rule in rules:
        family, priority = rule.split()[:2]
        words = ["-6" if family == "inet6" else "-4", "rule", "del", "priority", priority[:-1]]
        attachment.testbed.command("ip", *words, inside=attachment.netns)
    return f"the rule {'; '.join(rules)} is gone" if rules else ""


def _without_routes_of_other_tables(attachment: Attachment, made: list[str]) -> str:
    if attachment.testbed.kind != "chained":
        return ""
    lines = _made(made, f"{_LABEL} route")
    routes = [line for line in lines if " table " in line and "/" in line.split()[0]]
    for route in routes:
        words = route.split()
        table = words[words.index("table") + 1]
        family = "-6" if ":" in words[0] else "-4"
        command = ["ip", family, "route", "flush", "table", table]
        attachment.testbed.command(*command, inside=attachment.netns)
    return f"the route {'; '.join(routes)} is gone" if routes else ""


_WAYS: tuple[Callable[[Attachment, list[str]], str], ...] = (
    _without_reservations,
    _without_rules_of_the_firewall,
    _without_firewall,
    _without_shaping,
    _with_old_sysctls,
    _with_old_link,
    _without_policy_rules,
    _without_routes_of_other_tables,
)


def _made(difference: list[str], topic: str) -> list[str]:
    return _lines(difference, f"+ {topic}: ")


def _removed(difference: list[str], topic: str) -> list[str]:
    return _lines(difference, f"- {topic}: ")


def _lines(difference: list[str], beginning: str) -> list[str]:
    return [line.removeprefix(beginning) for line in difference if line.startswith(beginning)]


def _properties(lines: list[str], ifname: str) -> dict[str, str]:
    """What a picture of a link says of it: a value for each name, `on` for a flag."""
    for line in lines:
        words = line.split()
        if words[0] == ifname:
            named = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word in _NAMED}
            return {**named, **{word: "on" for word in words if word in {"promisc", "allmulti"}}}
    return {}
