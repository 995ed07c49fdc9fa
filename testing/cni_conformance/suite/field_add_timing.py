"""What the field has learned about ADDs that are interrupted, or that meet other calls."""

from __future__ import annotations

import signal
import time
from typing import Any

from cni_conformance._case import case
from cni_conformance._invocation import Invocation, Running
from cni_conformance._leftovers import leftovers, warm_up
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance.state import State, _processes


_KILLS = 6
_AT_ONCE = 6
_OVERLAP = 0.6
_TRY_AGAIN = 11


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


def _usual_length(testbed: Testbed) -> float:
    """How many seconds an ADD takes on a machine that has had one."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    usual = testbed.attachment("usual")
    call = usual.add()
    if not call.ok or not usual.delete().ok:
        testbed.block("needs ADD and DEL to succeed")
    usual.remove_netns()
    return call.seconds


@case("field/add/7")
def add_that_was_killed(testbed: Testbed) -> None:
    """DEL cleans up after an ADD that was killed at any point."""
    length = _usual_length(testbed)
    for number in range(_KILLS):
        attachment = testbed.attachment(f"killed{number}")
        before = testbed.observe()
        share = (number + testbed.random.random()) / _KILLS
        running = testbed.start("ADD", attachment)
        time.sleep(max(0.0, running.started + share * length - time.monotonic()))
        running.kill()
        testbed.note("note", f"the next call is killed after {share * length:.3f} s")
        killed = testbed.finished(running, attachment)
        if killed.ok:
            attachment.result = killed.result
        _wait_for_orphans()
        what = f"an ADD that was killed after {share:.0%} of its time"
        _expect_cleaned_up(testbed, "field/add/7", attachment, before, what)


def _expect_cleaned_up(
    testbed: Testbed, requirement: str, attachment: Attachment, before: State, what: str
) -> None:
    call = attachment.delete()
    testbed.require(requirement, call.ok, expected=f"DEL succeeds after {what}", actual=call)
    after = testbed.observe()
    # A DEL that came too early has used up what was known of the container, which is going anyway.
    left = leftovers(testbed, before, after.of_host() if requirement == "field/del/9" else after)
    left += [f"+ reservation of the delegate: {each}" for each in testbed.delegate.reservations()]
    testbed.require(
        requirement,
        not left,
        expected=f"DEL leaves nothing of {what}",
        actual=f"{len(left)} differences, see the list",
        diff=left,
    )
    attachment.remove_netns()


@case("field/del/9")
def delete_while_add_runs(testbed: Testbed) -> None:
    """DEL comes while ADD of the same attachment is running; both end, and a last DEL leaves nothing."""
    length = _usual_length(testbed)
    if testbed.facts.delegates:
        testbed.script_delegate("ADD", sleep=_OVERLAP)
        length += _OVERLAP
    for number, share in enumerate((0.2, 0.5, 0.8)):
        attachment = testbed.attachment(f"overlapped{number}")
        before = testbed.observe().of_host()
        adding = testbed.start("ADD", attachment)
        time.sleep(max(0.0, adding.started + share * length - time.monotonic()))
        testbed.note("note", f"the next call runs; DEL comes after {share:.0%} of its time")
        deleting = testbed.start("DEL", attachment)
        added = testbed.finished(adding, attachment)
        attachment.result = added.result if added.ok else None
        deleted = testbed.finished(deleting, attachment)
        testbed.require(
            "field/del/9",
            deleted.ok or deleted.code == _TRY_AGAIN,
            expected="DEL that meets a running ADD succeeds, or asks to try again (code 11)",
            actual=deleted,
        )
        testbed.require(
            "field/del/9",
            added.ended_by != "timeout",
            expected="ADD ends although a DEL came while it ran",
            actual=added,
        )
        what = f"an ADD that a DEL met after {share:.0%} of its time"
        _expect_cleaned_up(testbed, "field/del/9", attachment, before, what)


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
