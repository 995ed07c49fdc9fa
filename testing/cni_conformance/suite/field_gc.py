"""What the field has learned about GC: it removes what is stale, and nothing else."""

from __future__ import annotations

import json

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._leftovers import leftovers, lost, warm_up
from cni_conformance._testbed import VALID_ATTACHMENTS, Attachment, Testbed


_AT_ONCE = 6


@case("field/gc/1", commands=["GC"])
def gc_without_a_list(testbed: Testbed) -> None:
    """GC without the list of valid attachments removes nothing."""
    attachments = [testbed.attached("first"), testbed.attached("second")]
    checkable = [each for each in attachments if each.check().ok]
    before = testbed.observe()
    testbed.call("GC")
    gone = lost(before, testbed.observe())
    testbed.expect(
        "field/gc/1",
        not gone,
        expected=f"GC without {VALID_ATTACHMENTS} leaves both attachments alone",
        actual=f"{len(gone)} things are gone, see the list",
        diff=gone,
    )
    _expect_checks(testbed, "field/gc/1", checkable, "a GC without the list")


@case("field/gc/2", commands=["GC"])
def gc_of_another_network(testbed: Testbed) -> None:
    """GC of one network leaves the attachments of other networks alone."""
    other = testbed.attachment("other")
    other.config = {"name": "conformance-other"}
    if not (call := other.add()).ok:
        testbed.block(f"needs an ADD on a second network that succeeds; {call.describe()}")
    checkable = [other] if other.check().ok else []
    alone = testbed.observe()
    testbed.attached("here")
    both = testbed.observe()
    testbed.gc()
    after = testbed.observe()
    gone = [line for line in lost(alone, after) if line in lost(both, after)]
    testbed.expect(
        "field/gc/2",
        not gone,
        expected="GC of the network conformance leaves what belongs to conformance-other",
        actual=f"{len(gone)} things are gone, see the list",
        diff=gone,
    )
    _expect_checks(testbed, "field/gc/2", checkable, "GC of another network")


def _expect_checks(testbed: Testbed, name: str, attachments: list[Attachment], after: str) -> None:
    for each in attachments:
        check = each.check()
        testbed.expect(
            name,
            check.ok,
            expected=f"CHECK of {each.label} succeeds after {after}, as it did before",
            actual=check,
        )


@case("field/gc/3", kinds=["ipam"], commands=["GC"])
def gc_and_the_next_addresses(testbed: Testbed) -> None:
    """After GC several ADDs at once succeed with different addresses."""
    problem, given = _add_at_once(testbed, "before")
    if problem:
        testbed.block(f"needs ADDs at the same time that succeed: {problem}")
    kept = testbed.attached("kept")
    taken = _results.addresses(kept.result or {})
    fixed = set(taken) <= set(given)  # it hands out what its configuration says
    call = testbed.gc(kept)
    if not call.ok:
        testbed.block(f"needs a GC that succeeds; {call.describe()}")
    problem, given = _add_at_once(testbed, "after")
    testbed.expect(
        "field/gc/3",
        not problem,
        expected=f"{_AT_ONCE} ADDs at the same time succeed after GC, with different addresses",
        actual=problem,
    )
    twice = [each for each in given if each in taken]
    testbed.expect(
        "field/gc/3",
        fixed or not twice,
        expected=f"{', '.join(taken)}, whose attachment is valid, is not given out after GC",
        actual="it was given to another container",
    )


def _add_at_once(testbed: Testbed, label: str) -> tuple[str, list[str]]:
    """What went wrong, if anything, and the addresses."""
    attachments = [testbed.attachment(f"{label}{number}") for number in range(_AT_ONCE)]
    running = [testbed.start("ADD", each, limit=60) for each in attachments]
    calls = [testbed.finished(run, each) for run, each in zip(running, attachments, strict=True)]
    failed = [call for call in calls if not call.ok]
    if failed:
        return failed[0].describe(), []
    given = [each for call in calls for each in _results.addresses(call.result)]
    same_for_all = len(set(given)) * len(calls) == len(given)
    shared = sorted({each for each in given if given.count(each) > 1})
    if shared and not same_for_all:
        return f"given more than once: {', '.join(shared)}", given
    return "", given


@case("field/gc/4", commands=["GC"])
def gc_with_null(testbed: Testbed) -> None:
    """GC with null for the list takes it for an empty one."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    before = testbed.observe().of_host()
    testbed.attached("stale").remove_netns()
    call = testbed.gc()
    if not call.ok or leftovers(testbed, before, testbed.observe().of_host()):
        testbed.block("needs a GC with an empty list that removes what is stale, see GC/1")
    testbed.attached("again").remove_netns()
    config = {**testbed.config(), VALID_ATTACHMENTS: None}
    call = testbed.call("GC", stdin=json.dumps(config).encode())
    testbed.require(
        "field/gc/4",
        call.ok,
        expected=f"GC succeeds with {VALID_ATTACHMENTS} null",
        actual=call,
    )
    left = leftovers(testbed, before, testbed.observe().of_host())
    testbed.expect(
        "field/gc/4",
        not left,
        expected=f"GC with {VALID_ATTACHMENTS} null removes a stale attachment",
        actual=f"{len(left)} things are left, see the list",
        diff=left,
    )
