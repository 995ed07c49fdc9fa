"""Section 5: the interfaces a result lists, and that they are there."""

from __future__ import annotations

import json
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._testbed import Attachment, Testbed


Json = dict[str, Any]


@case(
    "spec/1.1.0/result/3",
    "spec/1.1.0/result/5",
    "spec/1.1.0/result/17",
    "spec/1.1.0/result/6",
    "spec/1.1.0/result/7",
    "spec/1.1.0/result/20",
    versions="each",
    configurations="each",
    kinds=["interface", "meta"],
)
def interfaces_are_what_is_there(testbed: Testbed) -> None:
    """`interfaces` lists the container's interface with its namespace, address and MTU."""
    attachment = testbed.attached()
    interfaces = _results.interfaces(attachment.result or {})
    ours = [each for each in interfaces if each.get("name") == attachment.ifname]
    testbed.require(
        "spec/1.1.0/result/3",
        ours,
        expected=f"`interfaces` lists {attachment.ifname}, the interface in the container",
        actual=f"interfaces is {json.dumps((attachment.result or {}).get('interfaces'))}",
    )
    own = ours[-1]
    testbed.expect(
        "spec/1.1.0/result/17",
        own.get("sandbox"),
        expected=f"`sandbox` is given for {attachment.ifname}, which is in the container",
        actual=f"the interface is {json.dumps(own)}",
    )
    if own.get("sandbox"):
        testbed.expect(
            "spec/1.1.0/result/5",
            own["sandbox"] == attachment.netns,
            expected=f"`sandbox` of {attachment.ifname} is CNI_NETNS, {attachment.netns}",
            actual=f"it is {own['sandbox']!r}",
        )
    inside = {link["ifname"]: link for link in _links(testbed, attachment)}
    host = {link["ifname"]: link for link in _links(testbed, None)}
    for each in interfaces:
        where = inside if each.get("sandbox") else host
        real = where.get(str(each.get("name")))
        if real is None and each.get("socketPath"):
            continue  # a virtual machine's, which the kernel does not know
        if real is None:
            name = (
                "spec/1.1.0/result/17"
                if each.get("name") in {*inside, *host}
                else "spec/1.1.0/result/3"
            )
            place = "in the container" if each.get("sandbox") else "on the host"
            testbed.expect(
                name,
                condition=False,
                expected=f"{each.get('name')}, listed {place}, is there",
                actual=f"the interface is {json.dumps(each)}; there is {', '.join(where)}",
            )
            continue
        _expect_mac(testbed, each, real)
        _expect_mtu(testbed, each, real)
    for each in interfaces:
        path, pci = each.get("socketPath"), each.get("pciID")
        testbed.expect(
            "spec/1.1.0/result/20",
            path in {None, ""} or (isinstance(path, str) and path.startswith("/")),
            expected="`socketPath`, where given, is an absolute path",
            actual=f"it is {path!r}",
        )
        testbed.expect(
            "spec/1.1.0/result/20",
            pci is None or isinstance(pci, str),
            expected="`pciID`, where given, is a string",
            actual=f"it is {pci!r}",
        )


def _expect_mac(testbed: Testbed, listed: Json, real: Json) -> None:
    mac = listed.get("mac")
    if mac in {None, ""}:
        return
    testbed.expect(
        "spec/1.1.0/result/6",
        isinstance(mac, str) and mac.lower() == str(real.get("address", "")).lower(),
        expected=f"`mac` of {listed.get('name')} is the address it has, {real.get('address')}",
        actual=f"it is {mac!r}",
    )


def _expect_mtu(testbed: Testbed, listed: Json, real: Json) -> None:
    mtu = listed.get("mtu")
    if mtu is None or mtu == 0:
        return
    testbed.expect(
        "spec/1.1.0/result/7",
        isinstance(mtu, int) and mtu == real.get("mtu"),
        expected=f"`mtu` of {listed.get('name')} is the MTU it has, {real.get('mtu')}",
        actual=f"it is {mtu!r}",
    )


@case("spec/1.1.0/result/4", kinds=["interface", "meta"], configurations="each")
def interfaces_on_the_host_are_listed(testbed: Testbed) -> None:
    """A link that ADD makes on the host is listed in `interfaces`."""
    testbed.attached("first").delete()
    before = {link["ifname"] for link in _links(testbed, None)}
    attachment = testbed.attached("second")
    made = {link["ifname"] for link in _links(testbed, None)} - before
    listed = {each.get("name") for each in _results.interfaces(attachment.result or {})}
    testbed.expect(
        "spec/1.1.0/result/4",
        made <= listed,
        expected=f"`interfaces` lists what ADD made on the host: {', '.join(sorted(made))}",
        actual=f"not listed: {', '.join(sorted(made - listed))}",
    )


def _links(testbed: Testbed, attachment: Attachment | None) -> list[Json]:
    inside = attachment.netns if attachment else None
    links: list[Json] = json.loads(testbed.command("ip", "-j", "link", "show", inside=inside))
    return links
