"""What the field has learned about ADD: it succeeds under odd conditions, or leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from typing import Any

import attrs

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._invocation import Invocation, Running
from cni_conformance._leftovers import check_works, differences, leftovers, warm_up
from cni_conformance._testbed import BASE, Attachment, Testbed
from cni_conformance.state import State, _processes


_KILLS = 6
_AT_ONCE = 6
_ROUNDS_IN_CHURN = 4

_UNUSABLE: dict[str, dict[str, Any]] = {
    "an address that is none": {"ips": [{"address": "garbage", "gateway": "10.88.0.1"}]},
    "a route by a gateway that cannot be reached": {
        "ips": [{"address": "10.88.0.9/16", "gateway": "10.88.0.1"}],
        "routes": [{"dst": "198.51.100.0/24", "gw": "203.0.113.77"}],
    },
}


@case("field/add/1", delegating=True)
def add_that_fails_by_its_delegate(testbed: Testbed) -> None:
    """An ADD leaves nothing behind when its delegate fails or returns what cannot be used."""
    testbed.use_fake_ipam()
    warm_up(testbed)
    errors = {"an error": {"error": {"code": 142, "msg": "no address left"}}}
    answers = {what: {"result": result} for what, result in _UNUSABLE.items()}
    for number, (what, behaviour) in enumerate({**errors, **answers}.items()):
        attachment = testbed.attachment(f"answer{number}")
        testbed.script_delegate("ADD", **behaviour)
        _expect_nothing_left(testbed, attachment, f"the delegate returns {what}")
    testbed.delegate.reset()
    taken = testbed.delegate.reservations()
    testbed.expect(
        "field/add/1",
        not taken,
        expected="the delegate has no reservation after an ADD that failed",
        actual=f"the delegate still has {', '.join(taken)}: its DEL was not called for them",
    )


@case("field/add/1")
def add_that_fails_by_itself(testbed: Testbed) -> None:
    """An ADD leaves nothing behind when it fails at its namespace, its link or its configuration."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    missing = {"env": {"CNI_NETNS": "/run/netns/conformance-no-such-namespace"}}
    _expect_nothing_left(
        testbed, testbed.attachment("no-netns"), "nothing is at CNI_NETNS", **missing
    )
    for number, patch in enumerate(testbed.profile.invalid):
        attachment = testbed.attachment(f"invalid{number}")
        what = f"the configuration has {json.dumps(patch)}"
        _expect_nothing_left(testbed, attachment, what, patch=patch)
    if testbed.profile.ifname == "lo":
        return
    attachment = testbed.attachment("link")
    words = ["link", "del", attachment.ifname]
    what = f"prevResult lists {attachment.ifname}, which is gone"
    if testbed.kind != "chained":
        words = ["link", "add", attachment.ifname, "type", "veth", "peer", "name", "cfpeer0"]
        what = f"the container has an interface {attachment.ifname} already"
    testbed.command("ip", *words, inside=attachment.netns)
    _expect_nothing_left(testbed, attachment, what)
    if testbed.facts.delegates:
        taken = testbed.delegate.reservations()
        testbed.expect(
            "field/add/1",
            not taken,
            expected="the delegate has no reservation after an ADD that failed",
            actual=f"the delegate still has {', '.join(taken)}: its DEL was not called for them",
        )


@case("field/add/1", kinds=["ipam"])
def add_that_finds_half_of_its_addresses(testbed: Testbed) -> None:
    """An ADD that gets an address from one range and none from the next keeps none."""
    ipam = testbed.configuration.plugin.get("ipam", {})
    if "subnet" not in ipam and "ranges" not in ipam:
        testbed.not_applicable("the configuration has no ranges of addresses")
    kept = {key: ipam[key] for key in ("type", "dataDir") if key in ipam}
    ranges = [[{"subnet": "10.77.0.0/24"}], [{"subnet": "10.78.0.0/30"}]]
    patch = {"ipam": {**kept, "ranges": ranges}}
    for number in range(5):
        attachment = testbed.attachment(f"full{number}")
        before = testbed.observe()
        if attachment.add(patch=patch).ok:
            continue
        if number == 0:
            testbed.not_applicable("the plugin takes no `ranges`")
        left = leftovers(testbed, before, testbed.observe())
        testbed.expect(
            "field/add/1",
            not left,
            expected="ADD reserves nothing when the second of two ranges is used up",
            actual=f"{len(left)} differences, see the list",
            diff=left,
        )
        return
    testbed.not_applicable("five addresses came out of a /30: the ranges have no limit")


def _expect_nothing_left(
    testbed: Testbed, attachment: Attachment, what: str, **changes: Any
) -> None:
    before = testbed.observe()
    call = attachment.add(**changes)
    if call.ok:  # not everything must fail with every plugin
        attachment.delete()
        attachment.remove_netns()
        return
    left = leftovers(testbed, before, testbed.observe())
    testbed.expect(
        "field/add/1",
        not left,
        expected=f"an ADD that fails because {what} leaves nothing behind",
        actual=f"{len(left)} differences, see the list",
        diff=left,
    )
    attachment.remove_netns()  # each namespace makes the next picture slower


@case("field/add/1", delegating=True)
def add_that_is_asked_to_end(testbed: Testbed) -> None:
    """An ADD that takes SIGTERM for a reason to fail leaves nothing behind."""
    testbed.use_fake_ipam()
    warm_up(testbed)
    attachment = testbed.attachment("ended")
    before = testbed.observe()
    testbed.script_delegate("ADD", sleep=1)
    testbed.forget_delegate_calls()
    running = testbed.start("ADD", attachment)
    _wait_until(lambda: bool(testbed.delegate.calls("ADD")))
    running.kill(signal.SIGTERM)
    call = testbed.finished(running, attachment)
    if call.ok or call.ended_by:
        return  # it went on, or it was killed, which field/add/7 is about
    _wait_for_orphans()
    left = leftovers(testbed, before, testbed.observe())
    left += [f"+ reservation of the delegate: {each}" for each in testbed.delegate.reservations()]
    testbed.expect(
        "field/add/1",
        not left,
        expected="an ADD that fails because of SIGTERM leaves nothing behind",
        actual=f"{len(left)} differences, see the list",
        diff=left,
    )


@case("field/add/2", kinds=["ipam"])
def add_again_without_delete(testbed: Testbed) -> None:
    """A second ADD for an attachment takes no second address, and one DEL frees all."""
    warm_up(testbed)
    before = testbed.observe().only("file")
    attachment = testbed.attached()
    first = _results.addresses(attachment.result or {})
    again = attachment.add()
    if again.ok:
        second = _results.addresses(again.result)
        testbed.expect(
            "field/add/2",
            second == first,
            expected=f"a second ADD fails, or returns {', '.join(first)} as the first did",
            actual=f"it returned {', '.join(second)}",
        )
    if not attachment.delete().ok:
        testbed.block("needs a DEL that succeeds")
    left = leftovers(testbed, before, testbed.observe().only("file"))
    testbed.expect(
        "field/add/2",
        not left,
        expected="one DEL frees what two ADDs for one attachment have reserved",
        actual=f"{len(left)} things are left, see the list",
        diff=left,
    )


@case("field/add/3", kinds=["interface", "meta"])
def add_into_the_host(testbed: Testbed) -> None:
    """ADD and DEL refuse to work in the namespace the plugin itself runs in."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    bound = "/run/netns/conformance-host"
    testbed.observer.ignored.add(bound)
    testbed.command("touch", bound)
    testbed.command("mount", "--bind", "/proc/self/ns/net", bound)
    template = testbed.attachment("host")
    for netns in ("/proc/self/ns/net", bound):
        attachment = attrs.evolve(template, netns=netns)
        before = testbed.observe()
        call = attachment.add()
        changes = differences(before, testbed.observe())
        testbed.expect(
            "field/add/3",
            not call.ok,
            expected=f"ADD with CNI_NETNS={netns}, the plugin's own namespace, fails",
            actual=call,
            diff=changes,
        )
        testbed.expect(
            "field/add/3",
            not changes,
            expected=f"ADD with CNI_NETNS={netns}, the plugin's own namespace, changes nothing",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )
        if testbed.violations:
            return
    _expect_host_untouched_by_delete(testbed, attrs.evolve(template, netns=bound))


def _expect_host_untouched_by_delete(testbed: Testbed, attachment: Attachment) -> None:
    """The host has an interface of the same name, as it often has an eth0."""
    name = attachment.ifname
    if name != "lo":
        testbed.command("ip", "link", "add", name, "type", "veth", "peer", "name", "cfpeer0")
        testbed.command("ip", "addr", "add", "192.0.2.7/24", "dev", name)
        testbed.command("ip", "link", "set", name, "up")
    before = testbed.observe()
    attachment.delete()
    changes = differences(before, testbed.observe())
    testbed.expect(
        "field/add/3",
        not changes,
        expected=f"DEL in the plugin's own namespace leaves the host's {name} alone",
        actual=f"{len(changes)} differences, see the list",
        diff=changes,
    )


@case("field/add/4")
def add_with_unknown_arguments(testbed: Testbed) -> None:
    """ADD succeeds with arguments nobody knows when IgnoreUnknown is set."""
    warm_up(testbed)
    own = f"{testbed.configuration.args};" if testbed.configuration.args else ""
    own = "" if own == "IgnoreUnknown=1;" else own
    flags = "" if "IgnoreUnknown" in own else "IgnoreUnknown=1;"
    given = f"{flags}{own}CONFORMANCE_UNKNOWN=1;X-CONFORMANCE.EXAMPLE=a-b.c"
    call = testbed.attachment("unknown").add(env={"CNI_ARGS": given})
    testbed.expect(
        "field/add/4",
        call.ok,
        expected=f"ADD succeeds with CNI_ARGS={given}",
        actual=call,
    )


@case("field/add/5", kinds=["interface", "meta"])
def add_without_ipv6(testbed: Testbed) -> None:
    """ADD of IPv4 addresses succeeds where IPv6 is switched off."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    usual = testbed.attached("usual")
    if any(":" in each for each in _results.addresses(usual.result or {})):
        testbed.not_applicable("the plugin gives IPv6 addresses with this configuration")
    if not usual.delete().ok:
        testbed.block("needs a DEL that succeeds")
    switch = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"
    if not os.path.exists("/proc/sys/net/ipv6/conf/all/disable_ipv6"):
        testbed.not_applicable("this kernel has no IPv6")
    off_inside = testbed.attachment("container")
    testbed.command("sh", "-ec", switch, inside=off_inside.netns)
    _expect_works(testbed, off_inside, "in a container with disable_ipv6 set")
    off = testbed.attachment("machine")
    testbed.command("sh", "-ec", switch, inside=off.netns)
    testbed.command("sh", "-ec", switch)
    _expect_works(testbed, off, "on a machine with disable_ipv6 set")
    testbed.command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/proc/sys/net/ipv6")
    hidden = testbed.attachment("hidden")
    _expect_works(testbed, hidden, "on a machine without /proc/sys/net/ipv6")


def _expect_works(testbed: Testbed, attachment: Attachment, where: str) -> None:
    for call in (attachment.add(), attachment.delete()):
        testbed.expect(
            "field/add/5", call.ok, expected=f"{call.command} succeeds {where}", actual=call
        )


@case("field/add/6", kinds=["interface", "meta"])
def add_while_links_come_and_go(testbed: Testbed) -> None:
    """ADD, CHECK and DEL succeed while other links come and go all the time."""
    checks = check_works(testbed)
    attachments = [testbed.attachment(f"busy{number}") for number in range(_ROUNDS_IN_CHURN)]
    with _churn(testbed):
        for attachment in attachments:
            calls = [attachment.add]
            if checks:
                calls.append(attachment.check)
            for run in (*calls, attachment.delete):
                call = run()
                testbed.require(
                    "field/add/6",
                    call.ok,
                    expected=f"{call.command} succeeds while other links come and go",
                    actual=call,
                )


@contextlib.contextmanager
def _churn(testbed: Testbed) -> Generator[None]:
    """Make and remove links as fast as ip(8) can; enough others exist for a dump in several parts."""
    batch = f"{BASE}/churn"
    steady = "".join(f"link add cfsteady{number} type bridge\n" for number in range(80))
    moving = "link add cfmoving0 type bridge\nlink del cfmoving0\n" * 50
    for name, text in ((f"{batch}-steady", steady), (batch, moving)):
        with open(name, "w", encoding="ascii") as file:
            file.write(text)
    testbed.command("ip", "-batch", f"{batch}-steady")
    testbed.note("note", "from here on a bridge cfmoving0 is made and removed all the time")
    loop = f"while :; do ip -force -batch {batch} || exit; done"
    with subprocess.Popen(
        ["sh", "-c", loop], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


@case("field/add/7")
def add_that_was_killed(testbed: Testbed) -> None:
    """DEL cleans up after an ADD that was killed at any point."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    usual = testbed.attachment("usual")
    call = usual.add()
    if not call.ok or not usual.delete().ok:
        testbed.block("needs ADD and DEL to succeed")
    for number in range(_KILLS):
        attachment = testbed.attachment(f"killed{number}")
        before = testbed.observe()
        share = (number + testbed.random.random()) / _KILLS
        running = testbed.start("ADD", attachment)
        time.sleep(max(0.0, running.started + share * call.seconds - time.monotonic()))
        running.kill()
        testbed.note("note", f"the next call is killed after {share * call.seconds:.3f} s")
        killed = testbed.finished(running, attachment)
        if killed.ok:
            attachment.result = killed.result
        _wait_for_orphans()
        _expect_cleaned_up(testbed, attachment, before, f"after {share:.0%} of its time")


def _expect_cleaned_up(testbed: Testbed, attachment: Attachment, before: State, when: str) -> None:
    call = attachment.delete()
    testbed.require(
        "field/add/7",
        call.ok,
        expected=f"DEL succeeds after an ADD that was killed {when}",
        actual=call,
    )
    left = leftovers(testbed, before, testbed.observe())
    left += [f"+ reservation of the delegate: {each}" for each in testbed.delegate.reservations()]
    testbed.require(
        "field/add/7",
        not left,
        expected=f"DEL leaves nothing of an ADD that was killed {when}",
        actual=f"{len(left)} differences, see the list",
        diff=left,
    )
    attachment.remove_netns()


@case("field/add/8", kinds=["interface", "meta"])
def first_containers_at_once(testbed: Testbed) -> None:
    """The first containers of a network are added at the same moment."""
    if testbed.facts.problem:
        testbed.block(f"needs an ADD that succeeds; {testbed.facts.problem}")
    attachments = [testbed.attachment(f"early{number}") for number in range(_AT_ONCE)]
    failed = _add_at_once(testbed, attachments)
    if not failed:
        return
    for each in attachments:
        each.delete()
    if _add_at_once(testbed, attachments):
        testbed.block("needs ADDs at the same time that succeed, see spec/1.1.0/concurrency/1")
    testbed.expect(
        "field/add/8",
        not failed,
        expected=f"{_AT_ONCE} ADDs at the same moment succeed on a machine that has had none",
        actual=failed[0],
    )


def _add_at_once(testbed: Testbed, attachments: list[Attachment]) -> list[Invocation]:
    """The calls that failed."""
    running: list[Running] = [testbed.start("ADD", each, limit=60) for each in attachments]
    calls = [testbed.finished(run, each) for run, each in zip(running, attachments, strict=True)]
    for call, each in zip(calls, attachments, strict=True):
        each.result = call.result if call.ok else None
    return [call for call in calls if not call.ok]


def _wait_for_orphans() -> None:
    """What the plugin had started may still work when it has been killed."""
    _wait_until(lambda: not _processes.left_behind())


def _wait_until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
