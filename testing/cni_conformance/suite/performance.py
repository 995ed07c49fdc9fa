"""PERF: how long calls take and how much memory. Nothing here fails: `bench` measures with care."""

from __future__ import annotations

import statistics
import time

from cni_conformance._case import case
from cni_conformance._peak import Peak
from cni_conformance._testbed import Testbed
from cni_conformance._versions import has_command


_ROUNDS = 10
_AT_ONCE = 50
_LIMIT = 60.0


@case("perf/latency/1", "perf/memory/1")
def commands_take_time_and_memory(testbed: Testbed) -> None:
    """Each command a few times: median and slowest, and the largest resident size."""
    seconds: dict[str, list[float]] = {}
    memory: dict[str, int] = {}
    attachment = testbed.attachment()
    for number in range(_ROUNDS + 1):
        for command in ("ADD", "CHECK", "DEL", "STATUS", "VERSION"):
            if not has_command(testbed.version, command):
                continue
            subject = attachment if command in {"ADD", "CHECK", "DEL"} else None
            running = testbed.start(command, subject)
            if number < _ROUNDS:
                call = testbed.finished(running, subject)
                seconds.setdefault(command, []).append(call.seconds)
            else:
                with Peak(running.process.pid) as peak:
                    call = testbed.finished(running, subject)
                memory[command] = peak.bytes
            if command == "ADD":
                attachment.result = call.result
                if not call.ok:
                    testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    for command, each in seconds.items():
        testbed.note(
            "note",
            f"{command}: median {_ms(statistics.median(each))}, slowest {_ms(max(each))}, "
            f"{memory[command] / 2**20:.1f} MiB",
        )


@case("perf/parallel/1")
def adds_at_once(testbed: Testbed) -> None:
    """50 ADDs at once, against as many one after the other."""
    alone: list[float] = []
    for number in range(_ROUNDS):
        call = testbed.attached(f"alone{number}").delete()
        alone.append(testbed.steps[-2].seconds if call.ok else 0.0)
    attachments = [testbed.attachment(f"p{number}") for number in range(_AT_ONCE)]
    begin = time.monotonic()
    running = [testbed.start("ADD", each, limit=_LIMIT) for each in attachments]
    calls = [
        testbed.finished(process, each) for each, process in zip(attachments, running, strict=True)
    ]
    together = time.monotonic() - begin
    failed = sum(not call.ok for call in calls)
    one_by_one = statistics.mean(alone) * _AT_ONCE
    testbed.note(
        "note",
        f"{_AT_ONCE} ADDs at once took {_ms(together)}; one after the other, measured on "
        f"{_ROUNDS}, they take {_ms(one_by_one)}" + (f"; {failed} failed" if failed else ""),
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
