"""STATUS: can the plugin serve ADD?"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cni_conformance._case import case
from cni_conformance._leftovers import check_works
from cni_conformance._testbed import Attachment, Json, Testbed


@case("spec/1.1.0/STATUS/1", "spec/1.1.0/STATUS/10", commands=["STATUS"], configurations="each")
def status_when_ready(testbed: Testbed) -> None:
    """STATUS succeeds when ADD does, without the variables of an attachment."""
    testbed.attached("works").delete()
    call = testbed.call("STATUS")
    if not call.ok and _with_variables_ok(testbed):
        testbed.expect(
            "spec/1.1.0/STATUS/10",
            condition=False,
            expected="STATUS does without container id, namespace and interface name",
            actual=call,
        )
        return
    testbed.expect(
        "spec/1.1.0/STATUS/1",
        call.ok,
        expected="STATUS exits with 0: ADD has just succeeded with the same configuration",
        actual=call,
    )


def _with_variables_ok(testbed: Testbed) -> bool:
    return testbed.call("STATUS", testbed.attachment("variables")).ok


@case("spec/1.1.0/STATUS/2", "spec/1.1.0/STATUS/3", "spec/1.1.0/STATUS/9", commands=["STATUS"])
def status_when_not_ready(testbed: Testbed) -> None:
    """STATUS fails, with code 50 or 51, after the profile has made ADD impossible."""
    if not testbed.profile.unavailable:
        testbed.not_applicable("the profile has no `unavailable` commands that make ADD impossible")
    testbed.attached("works").delete()
    if not testbed.call("STATUS").ok:
        testbed.block("needs a STATUS that succeeds when ADD does")
    for line in testbed.profile.unavailable:
        testbed.shell(line)
    if testbed.attachment("fails").add().ok:
        testbed.block("ADD still succeeds after the profile's `unavailable` commands")
    call = testbed.call("STATUS")
    testbed.require(
        "spec/1.1.0/STATUS/3",
        not call.ok,
        expected="STATUS fails after what the plugin relies on is gone; ADD fails",
        actual=call,
    )
    testbed.expect(
        "spec/1.1.0/STATUS/2",
        "code" in call.result,
        expected="a STATUS that fails prints an error on standard output",
        actual=call,
    )
    _expect_code(testbed, call.code)


def _expect_code(testbed: Testbed, code: object) -> None:
    testbed.expect(
        "spec/1.1.0/STATUS/9",
        code in {50, 51},
        expected="the error of STATUS has code 50 (not available) or 51 (limited connectivity too)",
        actual=f"code is {code!r}",
    )


@case("spec/1.1.0/STATUS/4", commands=["STATUS"], kinds=["ipam"])
def status_when_used_up(testbed: Testbed) -> None:
    """STATUS of an IPAM plugin fails when no address is left, until one is free again."""
    asked = False
    for number, change in enumerate(_small_pools(testbed)):
        patch = {"name": f"small{number}", **change}
        served = _used_up(testbed, patch)
        if not served:
            continue
        asked = True
        status = testbed.call("STATUS", patch=patch)
        testbed.expect(
            "spec/1.1.0/STATUS/4",
            not status.ok,
            expected=f"STATUS fails: with {json.dumps(change)} {len(served)} ADDs succeeded, and one failed",
            actual=status,
        )
        served[0].delete(patch=patch)
        status = testbed.call("STATUS", patch=patch)
        testbed.expect(
            "spec/1.1.0/STATUS/4",
            status.ok or not testbed.attachment("again").add(patch=patch).ok,
            expected="STATUS succeeds when a DEL has made room for another ADD",
            actual=status,
        )
    if not asked:
        testbed.not_applicable("no small pool served some of twelve containers and not the others")


def _small_pools(testbed: Testbed) -> Sequence[Json]:
    """Changes of the configuration with which few containers use up what there is."""
    ipam = testbed.configuration.plugin.get("ipam", {})
    if testbed.profile.small:
        return testbed.profile.small
    if "subnet" not in ipam and "ranges" not in ipam:
        testbed.not_applicable(
            "the profile has no `small` pools, and the configuration no `ipam.subnet`"
        )
    ranged = {"subnet", "ranges", "rangeStart", "rangeEnd", "gateway"}
    kept = {key: value for key, value in ipam.items() if key not in ranged}
    ranges = [[{"subnet": "10.77.0.0/24"}], [{"subnet": "10.78.0.0/30"}]]
    return [{"ipam": {**kept, "subnet": "10.77.0.0/29"}}, {"ipam": {**kept, "ranges": ranges}}]


def _used_up(testbed: Testbed, patch: Json) -> list[Attachment]:
    """Add containers until an ADD fails; gives those before it, and none where none fails."""
    served: list[Attachment] = []
    for number in range(12):
        attachment = testbed.attachment(f"fill{number}")
        if not attachment.add(patch=patch).ok:
            return served
        served.append(attachment)
    return []


@case("spec/1.1.0/STATUS/5", commands=["STATUS"])
def add_without_status(testbed: Testbed) -> None:
    """ADD does not wait for somebody to call STATUS."""
    call = testbed.attachment("first").add()
    if not call.ok:
        status = testbed.call("STATUS")
        again = testbed.attachment("second").add()
        testbed.expect(
            "spec/1.1.0/STATUS/5",
            not (status.ok and again.ok),
            expected="ADD succeeds without a STATUS before it",
            actual="ADD failed, and succeeded after STATUS had been called: " + call.describe(),
        )
        if not again.ok:
            testbed.block(f"needs an ADD that succeeds; {again.describe()}")


@case(
    "spec/1.1.0/STATUS/7",
    "spec/1.1.0/STATUS/8",
    "spec/1.1.0/STATUS/6",
    "spec/1.1.0/STATUS/2",
    "spec/1.1.0/STATUS/9",
    commands=["STATUS"],
    delegating=True,
)
def status_asks_the_delegate(testbed: Testbed) -> None:
    """STATUS calls STATUS of the delegate, and fails when that fails; other commands still work."""
    testbed.use_fake_ipam()
    attachment = testbed.attached("before")
    if not testbed.call("STATUS").ok:
        testbed.block("needs a STATUS that succeeds when ADD does")
    testbed.require(
        "spec/1.1.0/STATUS/7",
        "STATUS" in testbed.delegate.commands(),
        expected="STATUS calls STATUS of the delegate",
        actual=f"the delegate was called with {', '.join(testbed.delegate.commands())}",
    )
    testbed.script_delegate("STATUS", error={"code": 50, "msg": "pool exhausted"})
    call = testbed.call("STATUS")
    testbed.require(
        "spec/1.1.0/STATUS/8",
        not call.ok,
        expected="STATUS fails when STATUS of the delegate fails",
        actual=call,
    )
    testbed.expect(
        "spec/1.1.0/STATUS/2",
        "code" in call.result,
        expected="a STATUS that fails prints an error on standard output",
        actual=call,
    )
    _expect_code(testbed, call.code)
    for each in (attachment.delete(), testbed.attachment("after").add()):
        testbed.expect(
            "spec/1.1.0/STATUS/6",
            each.ok,
            expected=f"{each.command} succeeds although STATUS has failed before",
            actual=each,
        )


@case("spec/1.1.0/ADD/7", kinds=["interface", "chained", "ipam"])
def does_without_a_path(testbed: Testbed) -> None:
    """A plugin that runs no delegate works without CNI_PATH."""
    if testbed.facts.delegates or testbed.profile.delegate:
        testbed.not_applicable("the plugin runs a delegate, which it finds by CNI_PATH")
    checks = check_works(testbed)
    attachment = testbed.attachment("no-path")
    calls = [attachment.add(env={"CNI_PATH": None})]
    if checks:
        calls.append(attachment.check(env={"CNI_PATH": None}))
    calls.append(attachment.delete(env={"CNI_PATH": None}))
    for call in calls:
        testbed.expect(
            "spec/1.1.0/ADD/7",
            call.ok,
            expected=f"{call.command} succeeds without CNI_PATH",
            actual=call,
        )
