"""What the field has learned about STATUS and CHECK."""

from __future__ import annotations

import copy
import json
from typing import Any

from cni_conformance._case import case
from cni_conformance._leftovers import differences
from cni_conformance._testbed import Testbed


Json = dict[str, Any]

_STATUS_SECONDS = 2.0


@case("field/status/1", commands=["STATUS"])
def status_changes_nothing(testbed: Testbed) -> None:
    """STATUS changes nothing, on a fresh machine and beside an attachment."""
    for when in ("on a fresh machine", "beside an attachment"):
        before = testbed.observe()
        for _ in range(3):
            testbed.call("STATUS")
        changes = differences(before, testbed.observe())
        testbed.require(
            "field/status/1",
            not changes,
            expected=f"three STATUS {when} change nothing",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )
        if when == "on a fresh machine":
            testbed.attached()


@case("field/status/2", commands=["STATUS"])
def status_answers_soon(testbed: Testbed) -> None:
    """STATUS answers within two seconds."""
    fastest = min(testbed.call("STATUS", limit=15).seconds for _ in range(3))
    if fastest > _STATUS_SECONDS:
        start_up = min(testbed.call("VERSION", limit=15).seconds for _ in range(3))
        if start_up > _STATUS_SECONDS / 2:
            testbed.block(f"the machine is too slow or busy: VERSION takes {start_up:.1f} s")
    testbed.expect(
        "field/status/2",
        fastest <= _STATUS_SECONDS,
        expected=f"STATUS ends within {_STATUS_SECONDS:.0f} s",
        actual=f"the fastest of three took {fastest:.1f} s",
    )


@case("field/status/3", commands=["STATUS"])
def status_tells_what_add_would(testbed: Testbed) -> None:
    """STATUS fails for configurations that ADD cannot work with."""
    if not testbed.call("STATUS").ok:
        testbed.block("needs a STATUS that succeeds with the configuration as it is")
    decisive = _hopeless(testbed)
    for what, patch in decisive:
        if testbed.attachment("hopeless").add(patch=patch).ok:
            continue
        call = testbed.call("STATUS", patch=patch)
        testbed.expect(
            "field/status/3",
            not call.ok,
            expected=f"STATUS fails when {what}: ADD does",
            actual=call,
        )
    asked: list[Json] = []
    for patch in testbed.profile.invalid:
        if testbed.attachment("invalid").add(patch=patch).ok:
            continue
        asked.append(patch)
        if not testbed.call("STATUS", patch=patch).ok:
            return
    if not asked and not decisive:
        testbed.not_applicable("no configuration is known with which ADD fails")
    testbed.expect(
        "field/status/3",
        not asked,
        expected="STATUS fails for at least one of the configurations with which ADD fails",
        actual=f"it succeeded with each of {json.dumps(asked)}",
    )


def _hopeless(testbed: Testbed) -> list[tuple[str, Json]]:
    plugin = testbed.configuration.plugin
    found: list[tuple[str, Json]] = []
    if testbed.facts.delegates:
        found.append(("the delegate does not exist", testbed.with_delegate("conformance-absent")))
    if isinstance(plugin.get("master"), str):
        found.append(("the master link does not exist", {"master": "cfabsent0"}))
    return found


@case("field/check/1", commands=["CHECK"])
def check_changes_nothing(testbed: Testbed) -> None:
    """CHECK changes nothing, whether it succeeds or fails."""
    attachment = testbed.attached()
    wrong = copy.deepcopy(attachment.result or {})
    for interface in wrong.get("interfaces", []):
        interface["name"] = "absent0"
    for address in wrong.get("ips", []):
        address["address"] = "2001:db8::7/64" if ":" in address["address"] else "192.0.2.77/24"
    for what, patch in (("", {}), (" with a prevResult that is wrong", {"prevResult": wrong})):
        before = testbed.observe()
        for _ in range(3):
            attachment.check(patch=patch)
        changes = differences(before, testbed.observe())
        testbed.expect(
            "field/check/1",
            not changes,
            expected=f"three CHECKs{what} change nothing",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )
