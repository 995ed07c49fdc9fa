"""What the field has learned about leases: somebody must renew them, whatever happens to the daemon."""

from __future__ import annotations

import time

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._testbed import Testbed


@case("field/dhcp/1", kinds=["ipam"])
def leases_survive_the_daemon(testbed: Testbed) -> None:
    """A lease is renewed after the daemon that keeps it has been restarted."""
    service = testbed.profile.service
    if service is None:
        testbed.not_applicable("the profile names no `service` that upholds addresses")
    for line in service.before:
        testbed.shell(line)
    attachment = testbed.attached()
    address = _results.addresses(attachment.result or {})[0].partition("/")[0]
    if not _upheld(testbed, service.seconds, service.holds, address):
        testbed.block(f"needs a daemon that upholds {address} while it runs")
    for line in service.restart:
        testbed.shell(line)
    testbed.expect(
        "field/dhcp/1",
        _upheld(testbed, service.seconds, service.holds, address),
        expected=f"{address} is upheld after the daemon was restarted",
        actual=f"{service.seconds:.0f} s after the restart it is not: {testbed.steps[-1].stdout}",
    )


def _upheld(testbed: Testbed, seconds: float, holds: str, address: str) -> bool:
    testbed.note("note", f"wait {seconds:.0f} s", ["sleep", str(seconds)])
    time.sleep(seconds)
    return testbed.shell(holds, check=False, ADDRESS=address)
