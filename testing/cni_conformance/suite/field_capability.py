"""What the field has learned about capability arguments: what the runtime passes in runtimeConfig."""

from __future__ import annotations

import json
from ipaddress import ip_interface, ip_network
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._testbed import Attachment, Testbed


@case("field/capability/1", kinds=["interface", "chained", "ipam"], configurations="each")
def what_the_runtime_asks_for_is_done(testbed: Testbed) -> None:
    """The hardware address, the addresses and the ranges of runtimeConfig are those the container gets."""
    wanted = testbed.configuration.runtime_config
    if not wanted.keys() & {"mac", "ips", "ipRanges"}:
        testbed.not_applicable("no configuration has a runtimeConfig with mac, ips or ipRanges")
    attachment = testbed.attached()
    if "mac" in wanted and testbed.profile.kind != "ipam":
        _expect_mac(testbed, attachment, wanted["mac"])
    given = [ip_interface(each).ip for each in _results.addresses(attachment.result or {})]
    told = f"the addresses are {', '.join(map(str, given))}"
    for each in wanted.get("ips", []):
        testbed.expect(
            "field/capability/1",
            ip_interface(each).ip in given,
            expected=f"ADD gives the address {each}, which is in runtimeConfig.ips",
            actual=told,
        )
    for alternatives in wanted.get("ipRanges", []):
        subnets = [ip_network(each["subnet"]) for each in alternatives]
        testbed.expect(
            "field/capability/1",
            any(each in subnet for each in given for subnet in subnets),
            expected="ADD gives an address of each list of ranges in runtimeConfig.ipRanges: "
            + " or ".join(map(str, subnets)),
            actual=told,
        )


def _expect_mac(testbed: Testbed, attachment: Attachment, wanted: str) -> None:
    text = testbed.command("ip", "-j", "link", "show", inside=attachment.netns)
    links: dict[str, Any] = {each["ifname"]: each for each in json.loads(text)}
    found = links.get(attachment.ifname, {}).get("address")
    testbed.expect(
        "field/capability/1",
        str(found).lower() == wanted.lower(),
        expected=f"{attachment.ifname} has the hardware address {wanted}, as runtimeConfig.mac asks",
        actual=f"it has {found}",
    )
