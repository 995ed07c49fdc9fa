"""What the field has learned about DEL: it undoes ADD whatever has happened in between."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from cni_conformance._case import case
from cni_conformance._interfaces import has_interface
from cni_conformance._leftovers import (
    STATE_DIRECTORIES,
    leftovers,
    new_files,
    warm_up,
)
from cni_conformance._testbed import BASE, Attachment, Testbed
from cni_conformance._versions import has_command
from cni_conformance.state import State


Json = dict[str, Any]

_ROUNDS = 3


@case("field/del/8", configurations="each")
def rounds_leave_no_trace(testbed: Testbed) -> None:
    """Three rounds of ADD and DEL with new containers leave the machine as it was."""
    warm_up(testbed)
    containers = [testbed.attachment(f"round{number}") for number in range(_ROUNDS)]
    before = testbed.observe()
    sizes: list[dict[str, int]] = [_sizes(before)]
    for attachment in containers:
        for call in (attachment.add(), attachment.delete()):
            if not call.ok:
                testbed.block(f"needs ADD and DEL to succeed; {call.describe()}")
        after = testbed.observe()
        left = leftovers(testbed, before, after)
        testbed.require(
            "field/del/8",
            not left,
            expected="after ADD and DEL the machine is as it was before",
            actual=f"{len(left)} differences, see the list",
            diff=left,
        )
        sizes.append(_sizes(after))
    growing = [
        path
        for path in sizes[0]
        if all(old.get(path, 0) < new.get(path, 0) for old, new in itertools.pairwise(sizes))
    ]
    testbed.expect(
        "field/del/8",
        not growing,
        expected="the files that attachments share do not grow with each ADD and DEL",
        actual=f"larger after each of {_ROUNDS} rounds: {', '.join(growing)}",
    )


def _sizes(state: State) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in state.lines.get("file", ()):
        path = line.partition(" ")[0]
        if path.startswith("/var/log/") or path.endswith((".log", "/")):
            continue
        with contextlib.suppress(OSError):
            found[path] = os.lstat(path).st_size
    return found


@case("field/del/1")
def delete_with_an_empty_netns(testbed: Testbed) -> None:
    """DEL with an empty CNI_NETNS cleans up the host, whether the namespace is there or not."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    for label, what in (("gone", "is gone"), ("alive", "still exists")):
        attachment = testbed.attachment(label)
        before = testbed.observe().of_host()
        if not (call := attachment.add()).ok:
            testbed.block(f"needs an ADD that succeeds; {call.describe()}")
        if label == "gone":
            attachment.remove_netns()
        call = attachment.delete(env={"CNI_NETNS": ""})
        if not call.ok:
            testbed.block(f"needs a DEL that succeeds with an empty CNI_NETNS; {call.describe()}")
        after = testbed.observe().of_host()
        if label == "alive":  # the links of the namespace may stay with it
            before, after = (each.only("firewall", "rule", "file") for each in (before, after))
        left = [
            line
            for line in leftovers(testbed, before, after)
            if line.startswith("+") and (label == "alive" or not _ours(line))
        ]
        testbed.expect(
            "field/del/1",
            not left,
            expected=f"nothing is left on the host after DEL with CNI_NETNS empty; the namespace {what}",
            actual=f"{len(left)} differences, see the list",
            diff=left,
        )
        _expect_released(testbed, "field/del/1", "DEL with CNI_NETNS empty")


def _ours(line: str) -> bool:
    """Whether a line is about the pair of links the suite made for a chained plugin."""
    return "cfveth" in line and line.startswith("- host ")


def _expect_released(testbed: Testbed, name: str, after: str) -> None:
    if not testbed.facts.delegates:
        return
    taken = testbed.delegate.reservations()
    testbed.expect(
        name,
        not taken,
        expected=f"the delegate has no reservation after {after}",
        actual=f"the delegate still has {', '.join(taken)}: its DEL was not called for them",
    )


@case("field/del/2")
def delete_with_a_spoilt_configuration(testbed: Testbed) -> None:
    """DEL succeeds when the plugin's own keys are removed, emptied or of the wrong type."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    own = _own_keys(testbed)
    if not own:
        testbed.not_applicable("the configuration has no key of the plugin's own")
    warm_up(testbed)
    wrong: Json = {key: 77 if isinstance(own[key], str) else "conformance" for key in own}
    changes: list[tuple[str, Json]] = [
        ("own keys are gone", dict.fromkeys(own)),
        ("own keys are empty", {key: type(value)() for key, value in own.items()}),
        ("own keys are of the wrong type", wrong),
    ]
    for number, (what, values) in enumerate(changes):
        attachment = testbed.attachment(f"spoilt{number}")
        before = testbed.observe().only("file")
        if not (call := attachment.add()).ok:
            testbed.block(f"needs an ADD that succeeds; {call.describe()}")
        call = attachment.delete(patch=_patch(testbed, values))
        if not testbed.expect(
            "field/del/2",
            call.ok,
            expected=f"DEL succeeds with a configuration whose {what}: {', '.join(own)}",
            actual=call,
        ):
            attachment.delete()
            continue
        _expect_deleted(testbed, attachment, before, what)
        attachment.delete()


def _expect_deleted(testbed: Testbed, attachment: Attachment, before: State, what: str) -> None:
    """Where nothing but the call is needed to find what ADD did."""
    if testbed.kind == "interface" and testbed.profile.ifname != "lo":
        testbed.expect(
            "field/del/2",
            not has_interface(attachment),
            expected=f"{attachment.ifname} is gone after a DEL whose {what}",
            actual=f"the container still has {attachment.ifname}",
        )
    if testbed.kind == "ipam":
        left = leftovers(testbed, before, testbed.observe().only("file"))
        testbed.expect(
            "field/del/2",
            not left,
            expected=f"the address is released by a DEL whose {what}",
            actual="what ADD wrote is still there, see the list",
            diff=left,
        )
    _expect_released(testbed, "field/del/2", f"a DEL whose {what}")


def _own_keys(testbed: Testbed) -> Json:
    """The keys that are the plugin's own business; paths are not, for records lie there."""
    kept = {"type", "capabilities", "dataDir", testbed.profile.delegate}
    return {
        key: value
        for key, value in _section(testbed).items()
        if key not in kept and not (isinstance(value, str) and value.startswith("/"))
    }


def _section(testbed: Testbed) -> Json:
    plugin = testbed.configuration.plugin
    ipam = plugin.get("ipam")
    return ipam if testbed.kind == "ipam" and isinstance(ipam, dict) else plugin


def _patch(testbed: Testbed, values: Json) -> Json:
    section = _section(testbed)
    if section is testbed.configuration.plugin:
        return values
    changed = {**section, **values}
    return {"ipam": {key: value for key, value in changed.items() if value is not None}}


@case("field/del/3")
def delete_after_a_reboot(testbed: Testbed) -> None:
    """DEL succeeds after a reboot, which leaves the files in /var/lib and nothing else."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    fresh = testbed.observe()
    warm_up(testbed)
    attachment = testbed.attachment("rebooted")
    before = testbed.observe().of_host()
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    _reboot(testbed, fresh, attachment)
    call = attachment.delete()
    testbed.require("field/del/3", call.ok, expected="DEL succeeds after a reboot", actual=call)
    after = testbed.observe().of_host().only("file", "link", "rule", "firewall")
    left = [
        line
        for line in leftovers(testbed, before, after)
        if line.startswith("+ ") and "cfveth" not in line
    ]
    testbed.expect(
        "field/del/3",
        not left,
        expected="nothing of the attachment is left after a reboot and DEL",
        actual=f"{len(left)} things are left, see the list",
        diff=left,
    )
    _expect_released(testbed, "field/del/3", "a reboot and DEL")


def _reboot(testbed: Testbed, fresh: State, attachment: Attachment) -> None:
    """Take away what a reboot takes away; what stood at the beginning stays."""
    attachment.remove_netns()
    for link in sorted(testbed.observe().links("host") - fresh.links("host")):
        testbed.command("ip", "link", "del", link, check=False)
    for family in ("-4", "-6"):
        while _own_rule(testbed, family):
            pass
    testbed.command("nft", "flush", "ruleset", check=False)
    testbed.note(
        "setup",
        "empty /run",
        [
            "sh",
            "-c",
            f"find /run -mindepth 1 -maxdepth 1 ! -path {BASE} ! -path /run/netns -exec rm -rf {{}} +",
        ],
    )
    for entry in os.scandir("/run"):
        if entry.path in {BASE, "/run/netns"} or os.path.ismount(entry.path):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _own_rule(testbed: Testbed, family: str) -> bool:
    """Remove one policy rule that is not the kernel's own; false when there is none."""
    for line in testbed.command("ip", family, "rule", "show").splitlines():
        priority = line.partition(":")[0]
        if priority not in {"0", "32766", "32767"}:
            testbed.command("ip", family, "rule", "del", "priority", priority)
            return True
    return False


@case("field/del/4")
def damaged_state_files(testbed: Testbed) -> None:
    """DEL and GC succeed when the plugin's state files are empty, cut in half or garbage."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    fresh = testbed.observe()
    warm_up(testbed)
    for number, (what, damage) in enumerate(_damages()):
        attachment = testbed.attached(f"damaged{number}")
        paths = _state_files(fresh, testbed.observe())
        if not paths:
            testbed.not_applicable("ADD makes no files in /var/lib, /run and /etc/cni")
        for path in paths:
            damage(testbed, path)
        call = attachment.delete()
        testbed.expect(
            "field/del/4",
            call.ok,
            expected=f"DEL succeeds when the state files are {what}",
            actual=call,
        )
        if not has_command(testbed.version, "GC"):
            continue
        for path in _state_files(fresh, testbed.observe()):
            damage(testbed, path)
        call = testbed.gc()
        testbed.expect(
            "field/del/4",
            call.ok,
            expected=f"GC succeeds when the state files are {what}",
            actual=call,
        )


@case("field/add/9")
def add_beside_damaged_state_files(testbed: Testbed) -> None:
    """ADD of another container succeeds when state files are empty, cut in half or garbage."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    fresh = testbed.observe()
    testbed.attached("first")
    if not testbed.attachment("second").add().ok:
        testbed.not_applicable("there is nothing left for a second container")
    for number, (what, damage) in enumerate(_damages()):
        paths = _state_files(fresh, testbed.observe())
        if not paths:
            testbed.not_applicable("ADD makes no files in /var/lib, /run and /etc/cni")
        for path in paths:
            damage(testbed, path)
        call = testbed.attachment(f"beside{number}").add()
        testbed.expect(
            "field/add/9",
            call.ok,
            expected=f"ADD of another container succeeds when the state files are {what}",
            actual=call,
        )


def _damages() -> Sequence[tuple[str, Callable[[Testbed, str], None]]]:
    return (("empty", _emptied), ("cut in half", _halved), ("filled with garbage", _garbled))


def _state_files(fresh: State, later: State) -> list[str]:
    return [path for path in new_files(fresh, later) if path.startswith(STATE_DIRECTORIES)]


def _emptied(testbed: Testbed, path: str) -> None:
    testbed.command("truncate", "-s", "0", path)


def _halved(testbed: Testbed, path: str) -> None:
    testbed.command("truncate", "-s", str(os.path.getsize(path) // 2), path)


def _garbled(testbed: Testbed, path: str) -> None:
    garbage = r"\000\377{[garbage\n\200" * 9
    testbed.command("sh", "-ec", f"printf '{garbage}' >{shlex.quote(path)}")
