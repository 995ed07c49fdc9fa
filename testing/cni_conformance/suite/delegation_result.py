"""Section 4: what the IPAM plugin returns is applied to the interface, and reported."""

from __future__ import annotations

import itertools
import json
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._delegate import TWO_FAMILIES
from cni_conformance._invocation import Invocation
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import at_least


Json = dict[str, Any]

_ANOTHER_HOP = "10.88.0.7"
_SECOND = {"address": "10.89.9.10/16", "gateway": "10.89.0.1"}
_UNREACHABLE = {"dst": "198.51.100.0/24", "gw": "203.0.113.77"}


@case(
    "spec/1.1.0/delegation/12",
    "spec/1.1.0/configuration/2",
    "spec/0.1.0/result/2",
    delegating=True,
    kinds=["interface"],
    versions="each",
)
def result_of_the_delegate_is_applied(testbed: Testbed) -> None:
    """The addresses and routes the delegate returns are on the interface and in the result."""
    testbed.use_fake_ipam()
    attachment, given = _with_two_families(testbed)
    wanted = [ip["address"] for ip in given["ips"]]
    words = ["ip", "-j", "addr", "show", "dev", attachment.ifname]
    (link,) = json.loads(testbed.command(*words, inside=attachment.netns))
    has = [f"{row['local']}/{row['prefixlen']}" for row in link["addr_info"]]
    testbed.require(
        "spec/1.1.0/configuration/2",
        set(wanted) & set(has),
        expected=f"{attachment.ifname} has what the delegate returned: {', '.join(wanted)}",
        actual=f"it has {', '.join(has) or 'no address'}",
    )
    missing = [address for address in wanted if address not in has]
    testbed.expect(
        "spec/1.1.0/delegation/12",
        not missing,
        expected=f"{attachment.ifname} has all that the delegate returned: {', '.join(wanted)}",
        actual=f"it has {', '.join(has)}",
    )
    _expect_reported(testbed, attachment.result or {}, given)
    _expect_routes(testbed, attachment, given)


def _with_two_families(testbed: Testbed) -> tuple[Attachment, Json]:
    """A container, and what the delegate returned for it."""
    default, other = TWO_FAMILIES["routes"]
    # Results before 0.3.0 have room for one of each; and not every plugin can serve two subnets.
    second = [] if testbed.version in {"0.1.0", "0.2.0"} else [[_SECOND]]
    # Where a container has its gateway alone for a neighbour, no other next hop is possible.
    for number, (more, hop) in enumerate(
        itertools.product([*second, []], (_ANOTHER_HOP, other["gw"]))
    ):
        given = {
            **TWO_FAMILIES,
            "ips": [*TWO_FAMILIES["ips"], *more],
            "routes": [default, {**other, "gw": hop}],
        }
        testbed.script_delegate("ADD", result=given)
        attachment = testbed.attachment(f"given{number}")
        if attachment.add().ok:
            return attachment, given
    return testbed.block("needs an ADD with addresses of both families that succeeds")


def _expect_reported(testbed: Testbed, result: Json, given: Json) -> None:
    old = not testbed.version.startswith("1.")
    name = "spec/0.1.0/result/2" if old else "spec/1.1.0/delegation/12"
    reported = _results.addresses(result)
    gateways = {ip.get("address"): ip.get("gateway") for ip in _results.ips(result)}
    for ip in given["ips"]:
        testbed.expect(
            name,
            ip["address"] in reported,
            expected=f"the result lists {ip['address']}, which the delegate returned",
            actual=f"it lists {', '.join(reported) or 'no address'}",
        )
        testbed.expect(
            name,
            gateways.get(ip["address"], ip["gateway"]) == ip["gateway"],
            expected=f"the result gives {ip['address']} the gateway {ip['gateway']}, as the delegate did",
            actual=f"its gateway is {gateways.get(ip['address'])!r}",
        )
    dns = result.get("dns")
    own = testbed.configuration.plugin.get("dns")
    servers = (dns.get("nameservers") or []) if isinstance(dns, dict) else []
    testbed.expect(
        "spec/0.1.0/result/2",
        not old or own or set(TWO_FAMILIES["dns"]["nameservers"]) <= set(servers),
        expected="the result has the name servers the delegate returned; the configuration has none",
        actual=f"dns is {dns!r}",
    )


def _expect_routes(testbed: Testbed, attachment: Attachment, given: Json) -> None:
    told = [route.get("dst") for route in _results.routes(attachment.result or {})]
    for route in given["routes"]:
        words = ["ip", "route", "show", route["dst"], "dev", attachment.ifname]
        shown = testbed.command(*words, inside=attachment.netns)
        by = f"by {route['gw']} " if "gw" in route else ""
        testbed.expect(
            "spec/1.1.0/delegation/12",
            shown.strip() and ("gw" not in route or f"via {route['gw']} " in shown),
            expected=f"the container has the route to {route['dst']} {by}that the delegate returned",
            actual=f"it has {shown.strip()!r}" if shown.strip() else "it has no such route",
        )
        testbed.expect(
            "spec/1.1.0/delegation/12",
            route["dst"] in told,
            expected=f"the result lists the route to {route['dst']}, which the delegate returned",
            actual=f"it lists {', '.join(map(str, told)) or 'no route'}",
        )


@case("spec/1.1.0/result/19", delegating=True, kinds=["interface"])
def routes_that_cannot_be_set_are_not_reported(testbed: Testbed) -> None:
    """A route that cannot be set makes ADD fail, or is not in the result."""
    testbed.use_fake_ipam()
    testbed.attached("plain").delete()
    routes = [*TWO_FAMILIES["routes"][:1], _UNREACHABLE]
    testbed.script_delegate("ADD", result={"ips": TWO_FAMILIES["ips"][:1], "routes": routes})
    attachment = testbed.attachment("unreachable")
    call = attachment.add()
    told = [route.get("dst") for route in _results.routes(call.result)] if call.ok else []
    words = ["ip", "route", "show", _UNREACHABLE["dst"]]
    is_there = testbed.command(*words, inside=attachment.netns).strip()
    testbed.expect(
        "spec/1.1.0/result/19",
        is_there or _UNREACHABLE["dst"] not in told,
        expected=f"ADD fails, or does not list the route to {_UNREACHABLE['dst']}, whose next hop "
        "cannot be reached: the container has no such route",
        actual=call,
    )


@case("spec/1.1.0/result/19", delegating=True, kinds=["interface"])
def attributes_of_routes_are_not_made_up(testbed: Testbed) -> None:
    """A route has the priority and the table it is reported with."""
    testbed.use_fake_ipam()
    testbed.attached("plain").delete()
    # Key of the result, the word ip(8) has for it, and the value.
    attributes = {
        "198.51.100.0/25": ("priority", "metric", 77),
        "198.51.100.128/25": ("table", "table", 4711),
    }
    wanted = [{"dst": dst, key: value} for dst, (key, _, value) in attributes.items()]
    routes = [*TWO_FAMILIES["routes"][:1], *wanted]
    testbed.script_delegate("ADD", result={"ips": TWO_FAMILIES["ips"][:1], "routes": routes})
    attachment = testbed.attachment("attributes")
    call = attachment.add()
    if not call.ok:
        testbed.block(f"needs an ADD with routes that have attributes; {call.describe()}")
    shown = testbed.command("ip", "route", "show", "table", "all", inside=attachment.netns)
    for route in _results.routes(call.result):
        dst = str(route.get("dst"))
        key, word, _ = attributes.get(dst, ("", "", 0))
        if not route.get(key):
            continue
        lines = [row for row in shown.splitlines() if row.startswith(dst)]
        testbed.expect(
            "spec/1.1.0/result/19",
            any(f"{word} {route[key]} " in f"{row} " for row in lines),
            expected=f"the route to {dst} has the {key} {route[key]}, as the result says",
            actual=f"the container has {'; '.join(lines) or 'no such route'}",
        )


@case(
    "spec/1.1.0/result/2",
    "spec/1.1.0/delegation/12",
    "spec/1.0.0/result/1",
    "spec/0.3.0/result/1",
    "spec/0.1.0/result/1",
    delegating=True,
)
def result_of_the_delegate_in_another_version(testbed: Testbed) -> None:
    """What the delegate returns in another version than it was asked for is converted, or refused."""
    testbed.use_fake_ipam()
    testbed.attached("plain").delete()
    given = {key: TWO_FAMILIES[key][:1] for key in ("ips", "routes")}
    converted = False
    for version in testbed.facts.versions:
        if version == testbed.version:
            continue
        testbed.script_delegate("ADD", version=version, result=given)
        attachment = testbed.attachment(f"of-{version}")
        call = attachment.add()
        attachment.delete()  # the next one gets the same address
        if call.ok:
            converted = True
            _expect_converted(testbed, call, version)
    if not converted:
        testbed.not_applicable("ADD succeeds with no version of the delegate's result but its own")


def _expect_converted(testbed: Testbed, call: Invocation, version: str) -> None:
    """A result is that of the request in version and form, and has the address of the delegate."""
    result, own = call.result, testbed.version
    if not testbed.expect(
        "spec/1.1.0/result/2",
        result.get("cniVersion") == own,
        expected=f"the result has the cniVersion {own} of the request; the delegate's has {version}",
        actual=f"its cniVersion is {result.get('cniVersion')!r}",
    ):
        return
    address = TWO_FAMILIES["ips"][0]["address"]
    testbed.expect(
        "spec/1.1.0/delegation/12",
        address in _results.addresses(result),
        expected=f"ADD fails, or its result lists {address}, which the delegate returned in the form "
        f"of {version}",
        actual=call,
    )
    versions = [ip.get("version") for ip in _results.ips(result)]
    if at_least(own, "1.0.0"):
        name, form, right = "spec/1.0.0/result/1", "`ips` without `version`", not any(versions)
    elif at_least(own, "0.3.0"):
        name, form, right = "spec/0.3.0/result/1", "`ips` with `version`", all(versions)
    else:
        name, form, right = "spec/0.1.0/result/1", "`ip4` and no `ips`", "ips" not in result
    testbed.expect(
        name,
        right,
        expected=f"a result of {own} has {form}, although the delegate's is one of {version}",
        actual=call,
    )
