"""What becomes of prevResult in a chain: all of it comes out, with the plugin's own changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs

from cni_conformance import _predecessor, _results
from cni_conformance._case import case
from cni_conformance._interfaces import link_of
from cni_conformance._testbed import Testbed


Json = dict[str, Any]

_OF_INTERFACES = ("sandbox", "mac", "socketPath", "pciID")
_OF_ROUTES = ("gw", "mtu", "advmss", "priority", "table", "scope")


@case(
    "spec/1.1.0/ADD/3",
    "spec/1.1.0/result/15",
    "spec/1.0.0/result/1",
    "spec/0.3.0/chaining/1",
    kinds=["chained"],
    versions="each",
)
def add_hands_prev_result_on(testbed: Testbed) -> None:
    """The result of a plugin in a chain contains what the plugins before it did."""
    attachment = testbed.attached()
    previous, result = attachment.previous or {}, attachment.result or {}
    if not _results.interfaces(result) and not _results.addresses(result):
        old = testbed.version not in {"1.0.0", "1.1.0"}
        testbed.require(
            "spec/0.3.0/chaining/1" if old else "spec/1.1.0/ADD/3",
            condition=False,
            expected="the result contains the prevResult",
            actual=f"the result has neither interfaces nor ips: {result}",
        )
    if "version" not in json.dumps(previous.get("ips")):
        for ip in _results.ips(result):
            testbed.expect(
                "spec/1.0.0/result/1",
                "version" not in ip,
                expected="`ips` have no `version` from 1.0.0 on",
                actual=f"{ip.get('address')} has version {ip.get('version')!r}",
            )
    lost = [
        *_lost_interfaces(previous, result),
        *_lost_addresses(previous, result),
        *_lost_routes(previous, result),
        *_lost_name_servers(previous, result),
    ]
    testbed.expect(
        "spec/1.1.0/result/15",
        not lost,
        expected="the result contains the interfaces, addresses, routes and name servers of prevResult",
        actual="; ".join(lost),
    )


def _lost_interfaces(previous: Json, result: Json) -> Iterator[str]:
    """MAC and MTU may be others: the plugin may have changed them."""
    listed = {each.get("name"): each for each in _results.interfaces(result)}
    for interface in _results.interfaces(previous):
        name = interface["name"]
        if name not in listed:
            yield f"the interface {name} is missing"
            continue
        for key in _OF_INTERFACES:
            is_same = key == "mac" or listed[name].get(key) == interface.get(key)
            if interface.get(key) and (not is_same or not listed[name].get(key)):
                had, has = interface[key], listed[name].get(key)
                yield f"`{key}` of the interface {name} was {had!r} and is {has!r}"


def _lost_addresses(previous: Json, result: Json) -> Iterator[str]:
    before, after = _results.interfaces(previous), _results.interfaces(result)
    given = {ip.get("address"): ip for ip in _results.ips(result)}
    for address in _results.addresses(previous):
        if address not in _results.addresses(result):
            yield f"the address {address} is missing"
    for ip in _results.ips(previous):
        now = given.get(ip["address"])
        if now is None:
            continue
        if now.get("gateway") != ip.get("gateway"):
            yield f"the gateway of {ip['address']} was {ip['gateway']} and is {now.get('gateway')!r}"
        index: Any = now.get("interface")
        name = before[ip["interface"]]["name"]
        stands_for = after[index].get("name") if index in range(len(after)) else None
        if isinstance(index, bool) or stands_for != name:
            yield f"`interface` of {ip['address']} is {index!r}, which does not stand for {name}"


def _lost_routes(previous: Json, result: Json) -> Iterator[str]:
    """Their attributes may be others, but not gone."""
    for route in _results.routes(previous):
        told = [each for each in _results.routes(result) if each.get("dst") == route["dst"]]
        if not told:
            yield f"the route to {route['dst']} is missing"
            continue
        lacking = [[key for key in _OF_ROUTES if key in route and key not in now] for now in told]
        for key in min(lacking, key=len):
            yield f"`{key}` of the route to {route['dst']} is missing"


def _lost_name_servers(previous: Json, result: Json) -> Iterator[str]:
    had = previous.get("dns", {}).get("nameservers", [])
    dns = result.get("dns")
    kept = (dns.get("nameservers") or []) if isinstance(dns, dict) else []
    if not set(had) <= set(kept):
        yield f"the name servers were {', '.join(had)}, and dns is {dns!r}"


@case(
    "spec/1.1.0/ADD/3",
    "spec/1.1.0/result/15",
    "spec/1.1.0/result/9",
    kinds=["interface"],
)
def add_after_another_interface(testbed: Testbed) -> None:
    """A plugin that makes an interface adds it to what prevResult has, and counts on from there."""
    if testbed.profile.ifname == "lo":
        testbed.not_applicable("a loopback interface is the first of its container")
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    testbed.attached("works").delete()
    attachment = testbed.attachment("second")
    first = attrs.evolve(attachment, ifname="first0")
    attachment.previous = _predecessor.attach(first, 1, first=False)
    call = attachment.add()
    testbed.require(
        "spec/1.1.0/ADD/3",
        call.ok,
        expected="ADD succeeds with a prevResult that lists another interface of the container",
        actual=call,
    )
    previous, result = attachment.previous, call.result
    testbed.require(
        "spec/1.1.0/ADD/3",
        {"first0"} & set(_results.inside(result))
        or set(_results.addresses(previous)) & set(_results.addresses(result)),
        expected="the result has what prevResult has: the interface first0 and its address",
        actual=f"the result is {json.dumps(result)}",
    )
    lost = [
        *_lost_interfaces(previous, result),
        *_lost_addresses(previous, result),
        *_lost_routes(previous, result),
    ]
    testbed.expect(
        "spec/1.1.0/result/15",
        not lost,
        expected="the result contains the interfaces, addresses and routes of prevResult",
        actual="; ".join(lost),
    )
    interfaces = _results.interfaces(result)
    for ip in _results.ips(result):
        index: Any = ip.get("interface")
        if ip.get("address") in _results.addresses(previous) or index is None:
            continue
        name = interfaces[index].get("name") if index in range(len(interfaces)) else None
        strangers = {None, *(each["name"] for each in _results.interfaces(previous))}
        testbed.expect(
            "spec/1.1.0/result/9",
            name not in strangers,  # which of the plugin's own it is, result/10 asks
            expected=f"`interface` of {ip.get('address')} is the index of {attachment.ifname}, "
            "counted with the interfaces of prevResult",
            actual=f"it is {index!r}, which stands for {name}",
        )


@case("spec/1.1.0/result/6", "spec/1.1.0/result/7", kinds=["chained"])
def interface_has_what_the_result_says(testbed: Testbed) -> None:
    """MAC and MTU of the container's interface are in the result as they are after ADD."""
    attachment = testbed.attached()
    listed = [
        each
        for each in _results.container_interfaces(attachment.result or {})
        if each.get("name") == attachment.ifname
    ]
    real = link_of(attachment)
    if not listed or real is None:
        testbed.not_applicable(f"the result lists no {attachment.ifname}, or it is gone")
    for name, key, kernel in (
        ("spec/1.1.0/result/6", "mac", "address"),
        ("spec/1.1.0/result/7", "mtu", "mtu"),
    ):
        said = listed[0].get(key)
        said = said.lower() if isinstance(said, str) else said
        testbed.expect(
            name,
            said in {None, "", 0, real.get(kernel)},
            expected=f"`{key}` of {attachment.ifname} is what it has after ADD, {real.get(kernel)}",
            actual=f"it is {said!r}",
        )
