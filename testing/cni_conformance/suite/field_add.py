"""What the field has learned about ADD: it succeeds under odd conditions, or leaves nothing."""

from __future__ import annotations

import json
from typing import Any

import attrs

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._leftovers import differences, leftovers, mentions, warm_up
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command


_UNUSABLE: dict[str, dict[str, Any]] = {
    "an address that is none": {"ips": [{"address": "garbage", "gateway": "10.88.0.1"}]},
    "a route by a gateway that cannot be reached": {
        "ips": [{"address": "10.88.0.9/16", "gateway": "10.88.0.1"}],
        "routes": [{"dst": "198.51.100.0/24", "gw": "203.0.113.77"}],
    },
}

_ROOM = 20
_WIDE, _ADDRESSES_OF_WIDE = "10.77.0.0/29", 6
_NARROW = ("10.78.0.0/30", "fd00:78::/126")


@case("field/add/1", delegating=True)
def add_that_fails_by_its_delegate(testbed: Testbed) -> None:
    """An ADD leaves nothing behind when its delegate fails or returns what cannot be used."""
    testbed.use_fake_ipam()
    warm_up(testbed)
    errors = {"an error": {"error": {"code": 142, "msg": "no address left"}}}
    answers = {what: {"result": result} for what, result in _UNUSABLE.items()}
    for number, (what, behaviour) in enumerate({**errors, **answers}.items()):
        attachment = testbed.attachment(f"answer{number}")
        testbed.script_delegate("ADD", **behaviour)
        testbed.forget_delegate_calls()
        _expect_nothing_left(testbed, attachment, f"the delegate returns {what}")
        commands = testbed.delegate.commands()
        undone = commands[-1:] == ["DEL"]
        if "error" not in behaviour:  # delegation/9 speaks of that
            testbed.expect(
                "field/add/1",
                undone or attachment.result is not None,
                expected=f"ADD, which failed because the delegate returned {what}, called its DEL",
                actual=f"the delegate was called with {', '.join(commands)}",
            )
    testbed.delegate.reset()
    taken = testbed.delegate.reservations()
    testbed.expect(
        "field/add/1",
        not taken,
        expected="the delegate has no reservation after an ADD that failed",
        actual=f"the delegate still has {', '.join(taken)}: its DEL was not called for them",
    )


@case("field/add/1")
def add_that_fails_by_itself(testbed: Testbed) -> None:
    """An ADD leaves nothing behind when it fails at its namespace, its link or its configuration."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    missing = {"env": {"CNI_NETNS": "/run/netns/conformance-no-such-namespace"}}
    _expect_nothing_left(
        testbed, testbed.attachment("no-netns"), "nothing is at CNI_NETNS", **missing
    )
    for number, patch in enumerate(testbed.profile.invalid):
        attachment = testbed.attachment(f"invalid{number}")
        what = f"the configuration has {json.dumps(patch)}"
        _expect_nothing_left(testbed, attachment, what, patch=patch)
    if testbed.profile.ifname == "lo":
        return
    attachment = testbed.attachment("link")
    words = ["link", "del", attachment.ifname]
    what = f"prevResult lists {attachment.ifname}, which is gone"
    if testbed.kind == "ipam" and testbed.profile.container:
        what = f"the interface {attachment.ifname}, which IPAM works on, is gone"
    elif testbed.kind != "chained":
        words = ["link", "add", attachment.ifname, "type", "veth", "peer", "name", "cfpeer0"]
        what = f"the container has an interface {attachment.ifname} already"
    testbed.command("ip", *words, inside=attachment.netns)
    _expect_nothing_left(testbed, attachment, what)
    if testbed.facts.delegates:
        taken = testbed.delegate.reservations()
        testbed.expect(
            "field/add/1",
            not taken,
            expected="the delegate has no reservation after an ADD that failed",
            actual=f"the delegate still has {', '.join(taken)}: its DEL was not called for them",
        )


@case("field/add/1", kinds=["ipam"])
def add_that_finds_half_of_its_addresses(testbed: Testbed) -> None:
    """An ADD that gets an address from one range and none from the next keeps none."""
    ipam = testbed.configuration.plugin.get("ipam", {})
    if "subnet" not in ipam and "ranges" not in ipam:
        testbed.not_applicable("the configuration has no ranges of addresses")
    kept = {key: ipam[key] for key in ("type", "dataDir") if key in ipam}
    asked = [_gives_half_back(testbed, kept, narrow) for narrow in _NARROW]
    if not any(asked):
        testbed.not_applicable("the plugin takes no `ranges`, or a /30 and a /126 have no limit")


def _gives_half_back(testbed: Testbed, kept: dict[str, Any], narrow: str) -> bool:
    """Use up the second of two ranges, and ask for the rest of the first; False where that cannot be."""
    ranges = [[{"subnet": _WIDE}], [{"subnet": narrow}]]
    network = "half" + narrow.partition("/")[2]
    patch = {"name": network, "ipam": {**kept, "ranges": ranges}}
    filled = 0
    while filled < 5 and testbed.attachment(f"{network}-{filled}").add(patch=patch).ok:
        filled += 1
    if filled in {0, 5}:
        return False
    what = f"the second of two ranges, {narrow}, is used up"
    _expect_nothing_left(testbed, testbed.attachment(network), what, patch=patch)
    # Not every reservation has a file. So many failures use the first range up, if each keeps one.
    for number in range(_ADDRESSES_OF_WIDE):
        testbed.attachment(f"{network}-again{number}").add(patch=patch)
    patch = {"name": network, "ipam": {**kept, "ranges": ranges[:1]}}
    call = testbed.attachment(f"{network}-first").add(patch=patch)
    testbed.expect(
        "field/add/1",
        call.ok,
        expected=f"the first of two ranges, {_WIDE}, has addresses left after {filled} ADDs that "
        f"succeeded and {_ADDRESSES_OF_WIDE + 2} that failed because the second was used up",
        actual=call,
    )
    return True


@case("field/add/1", kinds=["ipam"])
def add_that_finds_no_room(testbed: Testbed) -> None:
    """An ADD that finds no address left keeps none of those it did find."""
    patch = testbed.profile.small[0] if testbed.profile.small else {}
    for number in range(_ROOM):
        attachment = testbed.attachment(f"room{number}")
        call = attachment.add(patch=patch)
        if call.ok:
            continue
        if number == 0:
            testbed.block(f"needs an ADD that succeeds; {call.describe()}")
        held = mentions(testbed, attachment)
        testbed.expect(
            "field/add/1",
            not held,
            expected=f"an ADD that fails for want of addresses, after {number} that did not, leaves "
            "nothing of the container in files",
            actual=f"its id is in {', '.join(held)}",
        )
        return
    testbed.not_applicable(f"there is room for {_ROOM} containers")


def _expect_nothing_left(
    testbed: Testbed, attachment: Attachment, what: str, **changes: Any
) -> None:
    before = testbed.observe()
    call = attachment.add(**changes)
    if call.ok:  # not everything must fail with every plugin
        attachment.delete()
        attachment.remove_netns()
        return
    left = leftovers(testbed, before, testbed.observe())
    testbed.expect(
        "field/add/1",
        not left,
        expected=f"an ADD that fails because {what} leaves nothing behind",
        actual=f"{len(left)} differences, see the list",
        diff=left,
    )
    attachment.remove_netns()  # each namespace makes the next picture slower


@case("field/add/2", kinds=["ipam"])
def add_again_without_delete(testbed: Testbed) -> None:
    """A second ADD for an attachment takes no second address, and one DEL frees all."""
    warm_up(testbed)
    before = testbed.observe().only("file")
    attachment = testbed.attached()
    checks = has_command(testbed.version, "CHECK") and attachment.check().ok
    first = _results.addresses(attachment.result or {})
    again = attachment.add()
    if again.ok:
        second = _results.addresses(again.result)
        testbed.expect(
            "field/add/2",
            second == first,
            expected=f"a second ADD fails, or returns {', '.join(first)} as the first did",
            actual=f"it returned {', '.join(second)}",
        )
    elif checks:
        check = attachment.check()
        testbed.expect(
            "field/add/2",
            check.ok,
            expected="the attachment is as it was after a second ADD that failed: CHECK succeeds",
            actual=check,
        )
    if not attachment.delete().ok:
        testbed.block("needs a DEL that succeeds")
    left = leftovers(testbed, before, testbed.observe().only("file"))
    testbed.expect(
        "field/add/2",
        not left,
        expected="one DEL frees what two ADDs for one attachment have reserved",
        actual=f"{len(left)} things are left, see the list",
        diff=left,
    )


@case("field/add/3", kinds=["chained"])
def chained_add_into_the_host(testbed: Testbed) -> None:
    """A chained plugin does not take the host for the container: what it would change there stays."""
    own = ("link", "address", "route", "rule", "sysctl")
    warm_up(testbed)
    attachment = testbed.attachment("host")
    name = attachment.ifname
    if name != "lo":
        testbed.command("ip", "link", "add", name, "type", "veth", "peer", "name", "cfpeer0")
        testbed.command("ip", "addr", "add", "192.0.2.7/24", "dev", name)
        testbed.command("ip", "link", "set", name, "up")
    into_container = testbed.observe()
    if not (call := attachment.add()).ok or not attachment.delete().ok:
        testbed.block(f"needs ADD and DEL to succeed; {call.describe()}")
    usual = into_container.of("host").only(*own).diff(testbed.observe().of("host").only(*own))
    bound = "/run/netns/conformance-self"
    testbed.observer.ignored.add(bound)
    testbed.command("touch", bound)
    testbed.command("mount", "--bind", "/proc/self/ns/net", bound)
    before = testbed.observe().of("host").only(*own)
    previous = json.dumps(attachment.previous).replace(attachment.netns, bound)
    call = attrs.evolve(attachment, netns=bound, previous=json.loads(previous)).add()
    changes = [
        line
        for line in before.diff(testbed.observe().of("host").only(*own))
        if line not in usual and "cfveth" not in line
    ]
    testbed.expect(
        "field/add/3",
        not changes,
        expected=f"ADD with CNI_NETNS={bound}, the plugin's own namespace, leaves the host's links "
        "and settings alone",
        actual=call,
        diff=changes,
    )


@case("field/add/3", kinds=["interface", "meta"])
def add_into_the_host(testbed: Testbed) -> None:
    """ADD and DEL refuse to work in the namespace the plugin itself runs in."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    bound = "/run/netns/conformance-host"
    testbed.observer.ignored.add(bound)
    testbed.command("touch", bound)
    testbed.command("mount", "--bind", "/proc/self/ns/net", bound)
    template = testbed.attachment("host")
    for netns in ("/proc/self/ns/net", bound):
        attachment = attrs.evolve(template, netns=netns)
        before = testbed.observe()
        call = attachment.add()
        changes = differences(before, testbed.observe())
        testbed.expect(
            "field/add/3",
            not call.ok,
            expected=f"ADD with CNI_NETNS={netns}, the plugin's own namespace, fails",
            actual=call,
            diff=changes,
        )
        testbed.expect(
            "field/add/3",
            not changes,
            expected=f"ADD with CNI_NETNS={netns}, the plugin's own namespace, changes nothing",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )
        if testbed.violations:
            return
    _expect_host_untouched_by_delete(testbed, attrs.evolve(template, netns=bound))


def _expect_host_untouched_by_delete(testbed: Testbed, attachment: Attachment) -> None:
    """The host has an interface of the same name, as it often has an eth0."""
    name = attachment.ifname
    if name != "lo":
        testbed.command("ip", "link", "add", name, "type", "veth", "peer", "name", "cfpeer0")
        testbed.command("ip", "addr", "add", "192.0.2.7/24", "dev", name)
        testbed.command("ip", "link", "set", name, "up")
    before = testbed.observe()
    attachment.delete()
    changes = differences(before, testbed.observe())
    testbed.expect(
        "field/add/3",
        not changes,
        expected=f"DEL in the plugin's own namespace leaves the host's {name} alone",
        actual=f"{len(changes)} differences, see the list",
        diff=changes,
    )


@case("field/add/10", kinds=["ipam"], configurations="each")
def nobody_is_the_gateway(testbed: Testbed) -> None:
    """The first two containers do not get the address of the gateway their results name."""
    for label in ("first", "second"):
        result = testbed.attachment(label).add().result
        for ip in _results.ips(result):
            address, gateway = str(ip.get("address", "")).partition("/")[0], ip.get("gateway")
            testbed.expect(
                "field/add/10",
                not gateway or address != gateway,
                expected=f"the address of the {label} container is not that of its gateway, {gateway}",
                actual=f"the result is {json.dumps(result)}",
            )
