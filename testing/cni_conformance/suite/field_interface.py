"""What the field has learned about the links that interface plugins make on the host."""

from __future__ import annotations

import os

from cni_conformance._case import case
from cni_conformance._testbed import Testbed


@case("field/interface/1", kinds=["interface"])
def host_takes_no_router_advertisements(testbed: Testbed) -> None:
    """The links ADD makes on the host take no IPv6 router advertisements."""
    before = testbed.observe()
    testbed.attached()
    links = sorted(testbed.observe().links("host") - before.links("host"))
    if not links:
        testbed.not_applicable("ADD makes no link on the host")
    for link in links:
        if os.path.exists(f"/sys/class/net/{link}/master"):
            continue  # what arrives at a port is received by the bridge
        accepted, off = _ipv6(link, "accept_ra"), _ipv6(link, "disable_ipv6")
        testbed.expect(
            "field/interface/1",
            accepted in {"0", ""} or off == "1",
            expected=f"accept_ra of {link}, which ADD made on the host, is 0, or IPv6 is off there",
            actual=f"accept_ra is {accepted}, disable_ipv6 is {off}",
        )


def _ipv6(link: str, name: str) -> str:
    try:
        with open(f"/proc/sys/net/ipv6/conf/{link}/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""  # this kernel has no IPv6
