"""What the field has learned about DEL: it leaves alone what is not its own."""

from __future__ import annotations

import attrs

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._leftovers import (
    lost,
)
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command


@case("field/del/5", kinds=["interface", "chained", "ipam"])
def delete_one_of_two_interfaces(testbed: Testbed) -> None:
    """DEL of one interface leaves the other interface of the container alone."""
    if testbed.profile.ifname == "lo":
        testbed.not_applicable("there is one lo in a namespace")
    first = testbed.attached("two")
    second = testbed.attachment("two", beside=first, ifname="net1")
    _expect_first_alone(testbed, "field/del/5", first, second, "DEL of net1")


@case("field/del/7", kinds=["interface", "chained", "ipam"])
def delete_one_of_two_networks(testbed: Testbed) -> None:
    """DEL of one network leaves the container's attachment to another network alone."""
    if testbed.profile.ifname == "lo":
        testbed.not_applicable("there is one lo in a namespace")
    first = testbed.attached("two")
    # An IPAM plugin may meet the same interface name: only the network tells the two apart.
    ifname = first.ifname if testbed.kind == "ipam" else "net1"
    second = testbed.attachment("two", beside=first, ifname=ifname)
    second.config = {"name": "conformance-other"}
    _expect_first_alone(testbed, "field/del/7", first, second, "DEL of the other network")


def _expect_first_alone(
    testbed: Testbed, name: str, first: Attachment, second: Attachment, what: str
) -> None:
    can_check = has_command(testbed.version, "CHECK") and first.check().ok
    alone = testbed.observe()
    call = second.add()
    # Two networks with the same addresses, which they have here, need not go together.
    if not call.ok and name == "field/del/5":
        testbed.attached("control")
        testbed.require(
            name,
            call.ok,
            expected=f"ADD of {second.ifname} for a container that has {first.ifname} succeeds, as it "
            "does for another container",
            actual=call,
        )
    if not call.ok:
        testbed.block(f"needs a second ADD for the container that succeeds; {call.describe()}")
    can_check = can_check and first.check().ok
    both = testbed.observe()
    call = second.delete()
    if not call.ok:
        testbed.expect(
            name, call.ok, expected=f"{what} succeeds while the other one is there", actual=call
        )
        return
    after = testbed.observe()
    gone = [line for line in lost(alone, after) if line in lost(both, after)]
    testbed.expect(
        name,
        not gone,
        expected=f"what {first.ifname} has in the container and on the host outlives {what}",
        actual=f"{len(gone)} things are gone, see the list",
        diff=gone,
    )
    if can_check:
        check = first.check()
        testbed.expect(
            name,
            check.ok,
            expected=f"CHECK of the attachment that stays succeeds after {what}",
            actual=check,
        )


@case("field/del/6")
def delete_of_a_stranger(testbed: Testbed) -> None:
    """DEL for a container id that was never added leaves the one that lives there alone."""
    _expect_nothing_made(testbed)
    resident = testbed.attached("resident")
    checks = has_command(testbed.version, "CHECK") and resident.check().ok
    before = testbed.observe()
    # The others are what the resident's id begins with, and begin with it.
    for name in ("conformance-stranger", "conformance-residen", "conformance-resident0"):
        stranger = attrs.evolve(resident, label=name[12:], container_id=name, result=None)
        call = stranger.delete()
        testbed.expect(
            "field/del/6",
            call.ok,
            expected="DEL succeeds for a container id that was never added",
            actual=call,
        )
    gone = lost(before, testbed.observe())
    testbed.expect(
        "field/del/6",
        not gone,
        expected="DEL for another container id, with the same namespace and interface name, leaves the attachment alone",
        actual=f"{len(gone)} things of the attachment are gone, see the list",
        diff=gone,
    )
    if checks:
        check = resident.check()
        testbed.expect(
            "field/del/6",
            check.ok,
            expected="CHECK of the attachment succeeds after DEL for another container id",
            actual=check,
        )


@case("field/del/6", kinds=["ipam"])
def delete_with_an_address_that_is_another_s(testbed: Testbed) -> None:
    """A late DEL, whose prevResult has an address that another container has by now, leaves it alone."""
    late, resident = testbed.attached("late"), testbed.attached("resident")
    if not has_command(testbed.version, "CHECK") or not resident.check().ok:
        testbed.block("needs a CHECK that succeeds after ADD")
    if set(_results.addresses(late.result or {})) & set(_results.addresses(resident.result or {})):
        testbed.not_applicable("two containers get the same address: the plugin reserves none")
    if not late.delete().ok:
        testbed.block("needs a DEL that succeeds")
    late.delete(patch={"prevResult": resident.result})
    check = resident.check()
    testbed.expect(
        "field/del/6",
        check.ok,
        expected="CHECK of a container succeeds after a DEL for another one that had its address before",
        actual=check,
    )


def _expect_nothing_made(testbed: Testbed) -> None:
    """DEL on a machine where nothing is attached makes no rules, links or settings either."""
    nobody = testbed.attachment("nobody")
    kernel = ("link", "address", "route", "rule", "qdisc", "filter", "firewall", "sysctl")
    before = testbed.observe().only(*kernel)
    call = nobody.delete()
    made = before.diff(testbed.observe().only(*kernel))
    if call.ok:
        testbed.expect(
            "field/del/6",
            not made,
            expected="DEL makes nothing on a machine where nothing is attached",
            actual=f"{len(made)} differences, see the list",
            diff=made,
        )
