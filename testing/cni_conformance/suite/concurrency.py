"""Section 3: several containers at the same time."""

from __future__ import annotations

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._testbed import Testbed


_CONTAINERS = 50


@case("spec/1.1.0/concurrency/1")
def containers_at_the_same_time(testbed: Testbed) -> None:
    """Fifty containers are added at the same time, checked, and deleted at the same time."""
    alone = testbed.attached("alone")
    beside = testbed.attachment("beside")
    fixed = _results.addresses(beside.add().result) == _results.addresses(alone.result or {})
    for each in (alone, beside):
        each.delete()
    attachments = [testbed.attachment(f"p{number}") for number in range(_CONTAINERS)]
    running = [testbed.start("ADD", each, limit=90) for each in attachments]
    for each, process in zip(attachments, running, strict=True):
        call = testbed.finished(process, each)
        each.result = call.result
        testbed.expect(
            "spec/1.1.0/concurrency/1",
            call.ok,
            expected=f"{_CONTAINERS} ADDs at the same time all succeed",
            actual=call,
        )
    if testbed.violations:
        return
    if testbed.kind != "chained" and not fixed:  # some hand out what their configuration says
        _expect_unique(testbed, [_results.addresses(each.result or {}) for each in attachments])
    running = [testbed.start("DEL", each, limit=90) for each in attachments]
    for each, process in zip(attachments, running, strict=True):
        call = testbed.finished(process, each)
        testbed.expect(
            "spec/1.1.0/concurrency/1",
            call.ok,
            expected=f"{_CONTAINERS} DELs at the same time all succeed",
            actual=call,
        )


def _expect_unique(testbed: Testbed, given: list[list[str]]) -> None:
    seen: dict[str, int] = {}
    for addresses in given:
        for address in addresses:
            seen[address] = seen.get(address, 0) + 1
    shared = [address for address, times in seen.items() if times > 1]
    testbed.expect(
        "spec/1.1.0/concurrency/1",
        not shared,
        expected="no address is given to two containers",
        actual=f"given more than once: {', '.join(shared)}",
    )
