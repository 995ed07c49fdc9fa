"""CHECK after one thing of an attachment has been taken away or altered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._delegate import TWO_FAMILIES
from cni_conformance._interfaces import has_address, link_of
from cni_conformance._testbed import Attachment, Testbed


Json = dict[str, Any]
Change = Callable[[Attachment], bool]
"""Does something to an attachment; false when there is nothing to do it to."""

_OTHER_MAC = "02:00:00:00:77:77"
_OTHER_MTU = 1290


@case("spec/1.1.0/CHECK/3", commands=["CHECK"])
def check_notices_what_is_missing(testbed: Testbed) -> None:
    """CHECK fails after one thing in the result is gone: the interface, an address, a route."""
    result = _one_with_everything(testbed)
    name = testbed.profile.ifname
    losses: list[tuple[str, Change]] = []
    if name != "lo" and name in _results.inside(result):
        losses.append((f"the interface {name} was deleted", _delete_link))
    for address in _results.addresses(result):
        if not address.startswith(("127.", "::1")):
            losses.append((f"the address {address} was removed", _address_remover(address)))
    for route in _results.routes(result):
        losses.append((f"the route to {route['dst']} was removed", _route_remover(route["dst"])))
    _expect_each_noticed(testbed, "spec/1.1.0/CHECK/3", losses)


@case("field/check/2", commands=["CHECK"])
def check_notices_what_is_altered(testbed: Testbed) -> None:
    """CHECK fails after the link has another MAC or MTU than the result says, or a useless host end."""
    result = _one_with_everything(testbed)
    name = testbed.profile.ifname
    own = [each for each in _results.container_interfaces(result) if each.get("name") == name]
    changes: list[tuple[str, Change]] = []
    if name != "lo" and own and own[-1].get("mac"):
        changes.append((f"the mac of {name} was changed", _mac_changer))
    if name != "lo" and own and own[-1].get("mtu"):
        changes.append((f"the mtu of {name} was changed", _mtu_changer))
    if name != "lo":
        changes.append((f"the host's end of {name} is down", _put_host_end_down))
        changes.append((f"the host's end of {name} is out of its bridge", _unplug))
    _expect_each_noticed(testbed, "field/check/2", changes)


@case("spec/1.1.0/CHECK/5", commands=["CHECK"])
def check_notices_a_link_that_is_down(testbed: Testbed) -> None:
    """CHECK fails when the interface in the container is down."""
    attachment = testbed.checked()
    if attachment.ifname not in _results.inside(attachment.result or {}):
        testbed.not_applicable("the result lists no interface in the container")
    if not _is_up(attachment):
        testbed.not_applicable("the plugin leaves the interface down")
    attachment.delete()
    _expect_each_noticed(
        testbed, "spec/1.1.0/CHECK/5", [(f"{attachment.ifname} is down", _put_down)]
    )


def _expect_each_noticed(
    testbed: Testbed, requirement: str, changes: list[tuple[str, Change]]
) -> None:
    """Make each change to a container of its own, and call CHECK."""
    for number, (what, change) in enumerate(changes):
        attachment = testbed.attached(f"changed{number}")
        if change(attachment):
            call = attachment.check()
            testbed.expect(
                requirement, call.refused, expected=f"CHECK fails after {what}", actual=call
            )
        attachment.delete()
        attachment.remove_netns()


def _one_with_everything(testbed: Testbed) -> Json:
    """The result of an attachment whose CHECK succeeds; with addresses of both families if it can."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
        testbed.script_delegate("ADD", result=TWO_FAMILIES)
        attachment = testbed.attachment("both")
        if attachment.add().ok and attachment.check().ok and attachment.delete().ok:
            return attachment.result or {}
        attachment.delete()
        testbed.delegate.reset()
    attachment = testbed.checked("whole")
    attachment.delete()
    return attachment.result or {}


# -- changes -------------------------------------------------------------------------------------


def _delete_link(attachment: Attachment) -> bool:
    if link_of(attachment) is None:
        return False
    run = attachment.testbed.command
    run("ip", "link", "del", attachment.ifname, inside=attachment.netns, check=False)
    return link_of(attachment) is None


def _address_remover(address: str) -> Change:
    def remove(attachment: Attachment) -> bool:
        if not has_address(attachment, address):
            return False
        words = ["addr", "del", address, "dev", attachment.ifname]
        attachment.testbed.command("ip", *words, inside=attachment.netns)
        return True

    return remove


def _route_remover(destination: str) -> Change:
    family = "-6" if ":" in destination else "-4"

    def remove(attachment: Attachment) -> bool:
        words = ["dev", attachment.ifname]
        run, inside = attachment.testbed.command, attachment.netns
        if not run("ip", family, "route", "show", destination, *words, inside=inside).strip():
            return False
        run("ip", family, "route", "del", destination, *words, inside=inside)
        return True

    return remove


def _mac_changer(attachment: Attachment) -> bool:
    words = ["link", "set", attachment.ifname, "address", _OTHER_MAC]
    attachment.testbed.command("ip", *words, inside=attachment.netns, check=False)
    return (link_of(attachment) or {}).get("address") == _OTHER_MAC


def _mtu_changer(attachment: Attachment) -> bool:
    words = ["link", "set", attachment.ifname, "mtu", str(_OTHER_MTU)]
    attachment.testbed.command("ip", *words, inside=attachment.netns, check=False)
    return (link_of(attachment) or {}).get("mtu") == _OTHER_MTU


def _put_down(attachment: Attachment) -> bool:
    words = ["link", "set", attachment.ifname, "down"]
    attachment.testbed.command("ip", *words, inside=attachment.netns)
    return True


def _put_host_end_down(attachment: Attachment) -> bool:
    name = _host_end(attachment)
    if name:
        attachment.testbed.command("ip", "link", "set", name, "down")
    return bool(name)


def _unplug(attachment: Attachment) -> bool:
    name = _host_end(attachment)
    shown = attachment.testbed.command("ip", "link", "show", name) if name else ""
    if " master " not in shown:
        return False
    attachment.testbed.command("ip", "link", "set", name, "nomaster")
    return True


def _host_end(attachment: Attachment) -> str:
    """The other end of the container's link, if the result lists it on the host; else empty."""
    link = link_of(attachment) or {}
    if link.get("linkinfo", {}).get("info_kind") != "veth":
        return ""
    index = link.get("link_index")
    shown = attachment.testbed.command("ip", "-o", "link", "show", "type", "veth")
    for line in shown.splitlines():
        number, name = line.split(": ")[:2]
        if number == str(index):
            listed = {each.get("name") for each in _results.interfaces(attachment.result or {})}
            end = name.partition("@")[0]
            return end if end in listed else ""
    return ""


def _is_up(attachment: Attachment) -> bool:
    return "UP" in (link_of(attachment) or {}).get("flags", [])
