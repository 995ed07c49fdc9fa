"""CHECK: is the attachment still what ADD made of it?"""

from __future__ import annotations

import copy

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._interfaces import has_address
from cni_conformance._testbed import Attachment, Testbed


@case(
    "spec/1.1.0/CHECK/6",
    "spec/0.4.0/CHECK/1",
    "spec/1.1.0/result/1",
    commands=["CHECK"],
    versions="each",
    configurations="each",
)
def check_after_add(testbed: Testbed) -> None:
    """CHECK right after ADD succeeds and prints nothing."""
    call = testbed.attached().check()
    testbed.require(
        "spec/1.1.0/CHECK/6", call.ok, expected="CHECK right after ADD succeeds", actual=call
    )
    if testbed.version == "0.4.0":
        testbed.expect(
            "spec/0.4.0/CHECK/1",
            not call.stdout.strip(),
            expected="a CHECK that succeeds prints nothing",
            actual=call,
        )
    testbed.expect(
        "spec/1.1.0/result/1",
        not call.stdout.strip() or call.document is not None,
        expected="what CHECK prints, if anything, is one JSON document",
        actual=call,
    )


@case("spec/1.1.0/CHECK/1", commands=["CHECK"], kinds=["interface"], versions="each")
def check_reads_prev_result(testbed: Testbed) -> None:
    """CHECK fails with a prevResult that names other interfaces and addresses than are there."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()  # whose CHECK does not look at prevResult
    attachment = testbed.checked()
    other = copy.deepcopy(attachment.result or {})
    changes: list[str] = []
    if attachment.ifname in _results.inside(other) and attachment.ifname != "lo":
        for interface in _results.container_interfaces(other):
            interface["name"] = "absent0"
        changes.append("the interface absent0, which does not exist")
    if any(has_address(attachment, each) for each in _results.addresses(other)):
        for address in _results.ips(other):
            six = ":" in address["address"]
            address["address"] = "2001:db8:77::7/64" if six else "192.0.2.77/24"
        changes.append("addresses that nobody has")
    if not changes:
        testbed.not_applicable("the result lists no interface of the container and no address")
    # Both at once: which of the two a plugin goes by is its own affair.
    call = attachment.check(patch={"prevResult": other})
    testbed.expect(
        "spec/1.1.0/CHECK/1",
        call.refused,
        expected=f"CHECK fails when prevResult lists {' and '.join(changes)}",
        actual=call,
    )


@case("spec/1.1.0/CHECK/1", commands=["CHECK"], kinds=["ipam"])
def check_of_ipam_compares_addresses(testbed: Testbed) -> None:
    """CHECK of an IPAM plugin fails when prevResult lists an address that another container has."""
    first, second = testbed.checked("first"), testbed.checked("second")
    given = _results.addresses(second.result or {})
    if set(given) & set(_results.addresses(first.result or {})):
        testbed.not_applicable("two containers get the same address: the plugin reserves none")
    call = first.check(patch={"prevResult": second.result})
    testbed.expect(
        "spec/1.1.0/CHECK/1",
        call.refused,
        expected=f"CHECK fails when prevResult lists {', '.join(given)}, which another container has",
        actual=call,
    )


@case("spec/1.1.0/CHECK/2", commands=["CHECK"])
def check_allows_later_changes(testbed: Testbed) -> None:
    """CHECK succeeds after a later plugin of the chain has added something of its own."""
    attachment = testbed.checked()
    inside = attachment.netns
    if testbed.kind == "ipam":
        final = _with_interfaces(attachment)
        _expect_allowed(testbed, attachment, final, "prevResult is the final one of the chain")
        return
    name = attachment.ifname
    if name != "lo":
        testbed.command("ip", "route", "add", "198.51.100.0/24", "dev", name, inside=inside)
        testbed.command("ip", "rule", "add", "from", "198.51.100.7", "table", "1234", inside=inside)
        testbed.command("ip", "link", "set", name, "txqueuelen", "777", inside=inside)
    final = copy.deepcopy(attachment.result or {})
    final["dns"] = {"nameservers": ["192.0.2.53"], "search": ["later.example"]}
    if name != "lo":
        final.setdefault("routes", []).append({"dst": "198.51.100.0/24"})
    _expect_allowed(testbed, attachment, final, "a route, a rule and dns were added")
    own = [each for each in _results.container_interfaces(final) if each.get("name") == name]
    # Of a chained plugin it may be the very thing it is there to set.
    if testbed.kind != "chained" and name != "lo" and own and own[-1].get("mtu"):
        testbed.command("ip", "link", "set", name, "mtu", "1300", inside=inside)
        own[-1]["mtu"] = 1300
        _expect_allowed(
            testbed, attachment, final, "the mtu is another one, and prevResult says so"
        )
    testbed.command(
        "ip", "link", "add", "cflater0", "type", "veth", "peer", "name", "cflater1", inside=inside
    )
    testbed.command("ip", "addr", "add", "192.0.2.9/24", "dev", "cflater0", inside=inside)
    final.setdefault("interfaces", []).append({"name": "cflater0", "sandbox": attachment.netns})
    address = {"address": "192.0.2.9/24", "interface": len(final["interfaces"]) - 1}
    if testbed.version == "0.4.0":
        address["version"] = "4"
    final.setdefault("ips", []).append(address)
    _expect_allowed(testbed, attachment, final, "a second interface with an address was added")


def _with_interfaces(attachment: Attachment) -> object:
    """What the main plugin makes of an IPAM result."""
    final = copy.deepcopy(attachment.result or {})
    final["interfaces"] = [{"name": attachment.ifname, "sandbox": attachment.netns}]
    for address in _results.ips(final):
        address["interface"] = 0
    return final


def _expect_allowed(testbed: Testbed, attachment: Attachment, final: object, what: str) -> None:
    call = attachment.check(patch={"prevResult": final})
    testbed.expect(
        "spec/1.1.0/CHECK/2",
        call.ok,
        expected=f"CHECK allows for a later plugin: {what}",
        actual=call,
    )


@case("spec/1.1.0/CHECK/7", commands=["CHECK"], delegating=True)
def check_passes_on_the_error_of_the_delegate(testbed: Testbed) -> None:
    """CHECK calls CHECK of the delegate, and fails when that fails."""
    testbed.use_fake_ipam()
    attachment = testbed.checked()
    if "CHECK" not in testbed.delegate.commands():
        testbed.expect(
            "spec/1.1.0/CHECK/7",
            testbed.version == "0.4.0" or "CHECK" in testbed.delegate.commands(),
            expected="CHECK calls CHECK of the delegate",
            actual=f"the delegate was called with {', '.join(testbed.delegate.commands())}",
        )
        return
    testbed.script_delegate("CHECK", error={"code": 142, "msg": "address lost"})
    call = attachment.check()
    testbed.expect(
        "spec/1.1.0/CHECK/7",
        call.refused,
        expected="CHECK fails when CHECK of the delegate fails",
        actual=call,
    )


@case("spec/1.1.0/CHECK/8", commands=["CHECK"])
def check_needs_its_variables(testbed: Testbed) -> None:
    """CHECK without container id, namespace or interface name does not succeed."""
    attachment = testbed.checked()
    for variable in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"):
        call = attachment.check(env={variable: None})
        testbed.expect(
            "spec/1.1.0/CHECK/8",
            call.refused,
            expected=f"CHECK without {variable} fails",
            actual=call,
        )


@case("spec/1.1.0/CHECK/9", commands=["CHECK"])
def check_does_without_arguments(testbed: Testbed) -> None:
    """CHECK succeeds without CNI_ARGS."""
    if testbed.configuration.args:
        testbed.not_applicable("the configuration of the profile needs CNI_ARGS")
    attachment = testbed.attached()
    call = attachment.check()
    if not call.ok and not attachment.check(env={"CNI_ARGS": "IgnoreUnknown=1"}).ok:
        testbed.block(f"needs a CHECK that succeeds after ADD; {call.describe()}")
    testbed.expect(
        "spec/1.1.0/CHECK/9",
        call.ok,
        expected="CHECK succeeds without CNI_ARGS, as it does with them",
        actual=call,
    )
