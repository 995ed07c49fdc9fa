"""Section 3: several containers at the same time."""

from __future__ import annotations

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._invocation import Invocation
from cni_conformance._leftovers import check_works
from cni_conformance._testbed import Attachment, Testbed


_CONTAINERS = 50
_PATIENCE = 3
_TRY_AGAIN = 11
_ID = "spec/1.1.0/concurrency/1"


@case(_ID)
def containers_at_the_same_time(testbed: Testbed) -> None:
    """Fifty containers are added at the same time, checked, and deleted at the same time."""
    fixed = _addresses_of_everybody(testbed)
    checks = check_works(testbed)
    attachments = [testbed.attachment(f"p{number}") for number in range(_CONTAINERS)]
    failed = _at_once(testbed, "ADD", attachments)
    if failed:
        _block_where_there_is_no_room(testbed, attachments, failed[0])
    testbed.require(
        _ID,
        not failed,
        expected=f"{_CONTAINERS} ADDs at the same time all succeed, as they do one after the other",
        actual=failed[0] if failed else "",
    )
    if testbed.kind != "chained":
        _expect_unique(testbed, attachments, fixed)
    if checks:
        failed = _at_once(testbed, "CHECK", attachments)
        testbed.require(
            _ID,
            not failed,
            expected=f"CHECK succeeds for each of {_CONTAINERS} containers added at the same time",
            actual=failed[0] if failed else "",
        )
    failed = _at_once(testbed, "DEL", attachments)
    testbed.expect(
        _ID,
        not failed,
        expected=f"{_CONTAINERS} DELs at the same time all succeed",
        actual=failed[0] if failed else "",
    )


def _addresses_of_everybody(testbed: Testbed) -> set[str]:
    """The addresses every container gets, whatever the reason: they come from the configuration."""
    # Ids of which no part is the same: what they share in spite of that is for everybody.
    alone = testbed.attached("alone", container_id="a1b2c3d4e5f6a7b8")
    beside = testbed.attachment("beside", container_id="f9e8d7c6b5a4f3e2")
    given = [set(_results.addresses(each)) for each in (alone.result or {}, beside.add().result)]
    for each in (alone, beside):
        each.delete()
    return set.intersection(*given)


def _at_once(testbed: Testbed, command: str, attachments: list[Attachment]) -> list[Invocation]:
    """Start all calls before any has ended; gives those that failed, also when tried again."""
    running = [testbed.start(command, each, limit=90) for each in attachments]
    failed: list[Invocation] = []
    for each, process in zip(attachments, running, strict=True):
        call = testbed.finished(process, each)
        for _ in range(_PATIENCE):
            if call.code == _TRY_AGAIN:
                call = testbed.call(command, each)
        if command == "ADD":
            each.result = call.result if call.ok else None
        failed += [] if call.ok else [call]
    return failed


def _block_where_there_is_no_room(
    testbed: Testbed, attachments: list[Attachment], failed: Invocation
) -> None:
    """Some have a device for a few containers only: then one after the other fails as well."""
    for each in attachments:
        each.delete()
    for number, each in enumerate(attachments):
        call = each.add()
        if not call.ok and call.result.get("code") == failed.result.get("code"):
            testbed.not_applicable(
                f"there is no room for {_CONTAINERS} containers: one after the other, "
                f"number {number + 1} fails too; {call.describe()}"
            )
        if not call.ok:
            return
    for each in attachments:
        each.delete()


def _expect_unique(testbed: Testbed, attachments: list[Attachment], fixed: set[str]) -> None:
    given = [each for row in attachments for each in _results.addresses(row.result or {})]
    shared = sorted({each for each in given if given.count(each) > 1} - fixed)
    testbed.expect(
        _ID,
        not shared,
        expected="no address is given to two containers",
        actual=f"given more than once: {', '.join(shared)}",
    )
