"""CHECK: is the attachment still what ADD made of it?"""

from __future__ import annotations

import copy
import json

from cni_conformance import _results
from cni_conformance._case import case
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


@case("spec/1.1.0/CHECK/1", commands=["CHECK"], versions="each")
def check_reads_prev_result(testbed: Testbed) -> None:
    """CHECK with a prevResult that names another address, or another interface, fails."""
    attachment = _checked(testbed)
    result = attachment.result or {}
    if _of_the_container(attachment) and attachment.ifname != "lo":  # which no plugin makes
        other = copy.deepcopy(result)
        for interface in _results.container_interfaces(other):
            interface["name"] = "absent0"
        _expect_refused(testbed, attachment, other, "the interface absent0, which does not exist")
    if any(_is_applied(testbed, attachment, each) for each in _results.addresses(result)):
        other = copy.deepcopy(result)
        for address in _results.ips(other):
            six = ":" in address["address"]
            address["address"] = "2001:db8:77::7/64" if six else "192.0.2.77/24"
        _expect_refused(testbed, attachment, other, "the address 192.0.2.77, which nobody has")


def _expect_refused(testbed: Testbed, attachment: Attachment, prev: object, what: str) -> None:
    call = attachment.check(patch={"prevResult": prev})
    testbed.expect(
        "spec/1.1.0/CHECK/1",
        not call.ok,
        expected=f"CHECK fails when prevResult lists {what}",
        actual=call,
    )


@case("spec/1.1.0/CHECK/2", commands=["CHECK"])
def check_allows_later_changes(testbed: Testbed) -> None:
    """CHECK succeeds after a later plugin of the chain has added something of its own."""
    attachment = _checked(testbed)
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


@case("spec/1.1.0/CHECK/3", commands=["CHECK"])
def check_notices_what_is_missing(testbed: Testbed) -> None:
    """CHECK fails after each part of the result has been taken away: interface, address, route."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    _checked(testbed)
    name = testbed.profile.ifname
    attachment = testbed.attached("loses-link")
    if name != "lo" and _of_the_container(attachment):
        testbed.command("ip", "link", "del", name, inside=attachment.netns, check=False)
        if not _has_link(attachment):
            _expect_noticed(testbed, attachment, f"the interface {name} was deleted")
    attachment = testbed.attached("loses-address")
    applied = [
        each
        for each in _results.addresses(attachment.result or {})
        if _is_applied(testbed, attachment, each) and not each.startswith(("127.", "::1"))
    ]
    for address in applied[:1]:
        testbed.command("ip", "addr", "del", address, "dev", name, inside=attachment.netns)
        _expect_noticed(testbed, attachment, f"the address {address} was removed")
    attachment = testbed.attached("loses-route")
    for route in _results.routes(attachment.result or {})[:1]:
        family = "-6" if ":" in route["dst"] else "-4"
        words = ["ip", family, "route", "del", route["dst"]]
        had = testbed.command(
            "ip", family, "route", "show", route["dst"], inside=attachment.netns, check=False
        )
        if had.strip():
            testbed.command(*words, inside=attachment.netns)
            _expect_noticed(testbed, attachment, f"the route to {route['dst']} was removed")


@case("spec/1.1.0/CHECK/5", commands=["CHECK"])
def check_notices_a_link_that_is_down(testbed: Testbed) -> None:
    """CHECK fails when the interface in the container is down."""
    attachment = _checked(testbed)
    if not _of_the_container(attachment):
        testbed.not_applicable("the result lists no interface in the container")
    if not _is_up(attachment):
        testbed.not_applicable("the plugin leaves the interface down")
    testbed.command("ip", "link", "set", attachment.ifname, "down", inside=attachment.netns)
    call = attachment.check()
    testbed.expect(
        "spec/1.1.0/CHECK/5",
        not call.ok,
        expected=f"CHECK fails when {attachment.ifname} is down: the container is cut off",
        actual=call,
    )


@case("spec/1.1.0/CHECK/4", commands=["CHECK"])
def check_notices_what_only_the_plugin_knows(testbed: Testbed) -> None:
    """CHECK fails after what ADD made beside the result is gone: rules, queues, reservations."""
    _checked(testbed)
    attachment = testbed.attachment("second")
    before = testbed.observe()
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    made = before.diff(testbed.observe())
    tested = False
    for take_away in (_without_reservations, _without_firewall, _without_shaping):
        what = take_away(testbed, made)
        if what:
            tested = True
            call = attachment.check()
            testbed.expect(
                "spec/1.1.0/CHECK/4",
                not call.ok,
                expected=f"CHECK fails when {what}",
                actual=call,
                diff=[line for line in made if what.partition(" ")[0] in line][:20],
            )
            break
    if not tested:
        testbed.not_applicable("ADD makes nothing beside what its result lists")


@case("spec/1.1.0/CHECK/7", commands=["CHECK"], delegating=True)
def check_passes_on_the_error_of_the_delegate(testbed: Testbed) -> None:
    """CHECK calls CHECK of the delegate, and fails when that fails."""
    testbed.use_fake_ipam()
    attachment = _checked(testbed)
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
        not call.ok,
        expected="CHECK fails when CHECK of the delegate fails",
        actual=call,
    )


@case("spec/1.1.0/CHECK/8", commands=["CHECK"])
def check_needs_its_variables(testbed: Testbed) -> None:
    """CHECK without container id, namespace or interface name does not succeed."""
    attachment = _checked(testbed)
    for variable in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"):
        call = attachment.check(env={variable: None})
        testbed.expect(
            "spec/1.1.0/CHECK/8",
            not call.ok,
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


# -- preparing -----------------------------------------------------------------------------------


def _checked(testbed: Testbed) -> Attachment:
    """An attachment whose CHECK succeeds, so that a failure after a change is due to the change."""
    attachment = testbed.attached()
    call = attachment.check()
    if not call.ok:
        testbed.block(f"needs a CHECK that succeeds after ADD; {call.describe()}")
    return attachment


def _expect_noticed(testbed: Testbed, attachment: Attachment, what: str) -> None:
    call = attachment.check()
    testbed.expect(
        "spec/1.1.0/CHECK/3", not call.ok, expected=f"CHECK fails after {what}", actual=call
    )


def _of_the_container(attachment: Attachment) -> bool:
    names = [each.get("name") for each in _results.container_interfaces(attachment.result or {})]
    return attachment.ifname in names


def _ip_json(attachment: Attachment) -> list[dict[str, object]]:
    links: list[dict[str, object]] = json.loads(
        attachment.testbed.command("ip", "-j", "addr", "show", inside=attachment.netns)
    )
    return links


def _has_link(attachment: Attachment) -> bool:
    return any(link.get("ifname") == attachment.ifname for link in _ip_json(attachment))


def _is_up(attachment: Attachment) -> bool:
    for link in _ip_json(attachment):
        flags = link.get("flags")
        if link.get("ifname") == attachment.ifname and isinstance(flags, list):
            return "UP" in flags
    return False


def _is_applied(testbed: Testbed, attachment: Attachment, address: str) -> bool:
    shown = testbed.command(
        "ip", "-o", "addr", "show", "dev", attachment.ifname, inside=attachment.netns, check=False
    )
    return f" {address} " in shown


def _without_reservations(testbed: Testbed, made: list[str]) -> str:
    """Remove the files that ADD made in state directories and that speak of the container."""
    if testbed.kind != "ipam":
        return ""
    paths = [
        line.removeprefix("+ file: ").split()[0]
        for line in made
        if line.startswith("+ file: ") and "conformance-second" in line
    ]
    paths = [path for path in paths if not path.endswith("/")]
    for path in paths:
        testbed.command("rm", "-f", path)
    return f"the reservation {', '.join(paths)} is gone" if paths else ""


def _without_firewall(testbed: Testbed, made: list[str]) -> str:
    if not any(line.startswith("+ host firewall: ") for line in made):
        return ""
    testbed.command("nft", "flush", "ruleset")
    return "firewall rules that ADD made are gone"


def _without_shaping(testbed: Testbed, made: list[str]) -> str:
    devices = {
        line.removeprefix("+ host qdisc: ").split()[0]
        for line in made
        if line.startswith("+ host qdisc: ") and "ingress" not in line
    }
    for device in sorted(devices):
        testbed.command("tc", "qdisc", "del", "dev", device, "root")
    return f"qdisc that ADD made on {', '.join(sorted(devices))} is gone" if devices else ""
