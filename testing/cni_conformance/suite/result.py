"""Section 5: what a result says, and that it is so."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._testbed import Attachment, Testbed


Json = dict[str, Any]


@case(
    "spec/1.1.0/result/8",
    "spec/1.1.0/result/9",
    "spec/1.1.0/result/10",
    "spec/1.1.0/result/18",
    "spec/0.3.0/result/1",
    "spec/1.0.0/result/1",
    "spec/0.3.0/result/3",
    "spec/1.1.0/result/11",
    "spec/1.1.0/result/12",
    "spec/1.1.0/result/19",
    "spec/0.4.0/result/1",
    "spec/0.1.0/result/1",
    kinds=["interface", "meta", "ipam"],
    versions="each",
    configurations="each",
)
def addresses_and_routes_are_what_is_there(testbed: Testbed) -> None:
    """`ips`, `routes` and `dns` have the form of their version and say what the container has."""
    attachment = testbed.attached()
    result = attachment.result or {}
    _expect_dns(testbed, result)
    if testbed.version in {"0.1.0", "0.2.0"}:
        _expect_old_form(testbed, result)
        return
    ips = result.get("ips")
    well_formed = ips is None or (
        isinstance(ips, list) and all(isinstance(each, dict) for each in ips)
    )
    testbed.require(
        "spec/1.1.0/result/8",
        well_formed,
        expected="`ips` is a list of objects",
        actual=f"ips is {json.dumps(ips)}",
    )
    has = [] if testbed.kind == "ipam" else _addresses(testbed, attachment)
    for each in _results.ips(result):
        _expect_ip(testbed, result, each, has, attachment)
    if testbed.kind != "ipam":
        listed = {_plain(each) for each in _results.addresses(result)}
        missing = [each for each in has if _plain(each) not in listed]
        testbed.expect(
            "spec/1.1.0/result/18",
            not missing or attachment.ifname == "lo",
            expected=f"`ips` lists every address of {attachment.ifname}",
            actual=f"not listed: {', '.join(missing)}",
        )
    _expect_routes(testbed, result, attachment)


def _expect_ip(
    testbed: Testbed, result: Json, ip: Json, has: list[str], attachment: Attachment
) -> None:
    text = ip.get("address")
    interface = _interface(text)
    if not testbed.expect(
        "spec/1.1.0/result/8",
        interface is not None,
        expected="`address` is an address with its prefix length, such as 10.1.0.5/16",
        actual=f"it is {text!r}",
    ):
        return
    assert interface is not None
    gateway = ip.get("gateway")
    same = gateway in {None, ""} or _family(gateway) == interface.version
    testbed.expect(
        "spec/1.1.0/result/8",
        gateway in {None, ""} or _family(gateway),
        expected="`gateway`, where given, is an address",
        actual=f"it is {gateway!r}",
    )
    version = ip.get("version")
    if testbed.version in {"0.3.0", "0.3.1", "0.4.0"}:
        testbed.expect(
            "spec/0.3.0/result/1",
            version == str(interface.version) and same,
            expected=f'`version` of {text} is "{interface.version}", and its gateway is of that version',
            actual=f"version is {version!r}, gateway {gateway!r}",
        )
    else:
        testbed.expect(
            "spec/1.0.0/result/1",
            "version" not in ip,
            expected="`ips` have no `version` from 1.0.0 on",
            actual=f"{text} has version {version!r}",
        )
    if testbed.kind == "ipam":
        return
    index = ip.get("interface")
    interfaces = _results.interfaces(result)
    valid = index is None or (
        isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(interfaces)
    )
    testbed.expect(
        "spec/1.1.0/result/9",
        valid,
        expected=f"`interface` of {text} is an index into `interfaces`, which has {len(interfaces)}",
        actual=f"it is {index!r}",
    )
    if valid and isinstance(index, int) and text in has:
        testbed.expect(
            "spec/1.1.0/result/10",
            interfaces[index].get("sandbox"),
            expected=f"`interface` of {text}, which {attachment.ifname} has, stands for it",
            actual=f"it is {index}, which stands for {interfaces[index].get('name')} on the host",
        )
    if valid and isinstance(index, int) and interfaces[index].get("sandbox"):
        named = interfaces[index].get("name")
        if named == attachment.ifname:
            testbed.expect(
                "spec/1.1.0/result/10",
                text in has,
                expected=f"{named} has the address {text} that `ips` says it has",
                actual=f"it has {', '.join(has) or 'no address'}",
            )


def _expect_old_form(testbed: Testbed, result: Json) -> None:
    keys = [key for key in ("ips", "interfaces") if key in result]
    testbed.expect(
        "spec/0.1.0/result/1",
        not keys,
        expected=f"a result of {testbed.version} has `ip4` and `ip6`, not `ips` and `interfaces`",
        actual=f"it has {', '.join(keys)}",
    )
    for key, version in (("ip4", 4), ("ip6", 6)):
        if result.get(key) is None:
            continue
        ip = result[key].get("ip") if isinstance(result[key], dict) else None
        interface = _interface(ip)
        testbed.expect(
            "spec/0.1.0/result/1",
            interface is not None and interface.version == version,
            expected=f"`{key}.ip` is an IPv{version} address with its prefix length",
            actual=f"it is {json.dumps(result[key])}",
        )


def _expect_routes(testbed: Testbed, result: Json, attachment: Attachment) -> None:
    routes = result.get("routes")
    if routes is None:
        return
    testbed.require(
        "spec/1.1.0/result/11",
        isinstance(routes, list) and all(isinstance(each, dict) for each in routes),
        expected="`routes` is a list of objects",
        actual=f"routes is {json.dumps(routes)}",
    )
    numbers = ("mtu", "advmss", "priority", "table", "scope")
    for route in _results.routes(result):
        destination, gateway = _network(route.get("dst")), route.get("gw")
        sound = destination is not None and (gateway in {None, ""} or _family(gateway))
        sound = sound and all(
            route.get(key) is None or (isinstance(route[key], int) and route[key] >= 0)
            for key in numbers
        )
        if not testbed.expect(
            "spec/1.1.0/result/11",
            sound,
            expected="a route has `dst` in CIDR notation, `gw` an address, and its metrics unsigned numbers",
            actual=f"the route is {json.dumps(route)}",
        ):
            continue
        assert destination is not None
        if testbed.version in {"0.3.0", "0.3.1", "0.4.0"}:
            testbed.expect(
                "spec/0.3.0/result/3",
                gateway in {None, ""} or _family(gateway) == destination.version,
                expected="destination and next hop of a route are of the same IP version",
                actual=f"the route is {json.dumps(route)}",
            )
        if testbed.kind != "ipam":
            _expect_route_there(testbed, route, destination, attachment)


def _expect_route_there(
    testbed: Testbed, route: Json, destination: Any, attachment: Attachment
) -> None:
    words = ["ip", f"-{destination.version}", "route", "show", "table", "all", str(destination)]
    found = testbed.command(*words, inside=attachment.netns, check=False)
    if not testbed.expect(
        "spec/1.1.0/result/19",
        found.strip(),
        expected=f"the container has the route to {route['dst']} that the result lists",
        actual="it has no such route",
    ):
        return
    if testbed.version == "0.4.0":
        testbed.expect(
            "spec/0.4.0/result/1",
            f"dev {attachment.ifname}" in found,
            expected=f"the route to {route['dst']} goes out by {attachment.ifname}",
            actual=f"it is: {found.strip()}",
        )


def _expect_dns(testbed: Testbed, result: Json) -> None:
    dns = result.get("dns")
    if dns is None:
        return
    lists = ("nameservers", "search", "options")
    sound = isinstance(dns, dict) and all(
        dns.get(key) is None
        or (isinstance(dns[key], list) and all(isinstance(each, str) for each in dns[key]))
        for key in lists
    )
    sound = sound and isinstance(dns.get("domain", ""), str)
    sound = sound and all(_family(each) for each in dns.get("nameservers") or [])
    testbed.expect(
        "spec/1.1.0/result/12",
        sound,
        expected="`dns` is an object: `nameservers` (addresses), `search`, `options` lists of strings, `domain` a string",
        actual=f"dns is {json.dumps(dns)}",
    )


@case("spec/1.1.0/result/13", "spec/0.3.0/chaining/2", kinds=["chained"], versions="each")
def unchanged_prev_result_is_repeated(testbed: Testbed) -> None:
    """A chained plugin that changes no interface, address or route prints prevResult as it was."""
    attachment = testbed.attachment()
    before = testbed.observe().only("link", "address", "route")
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    changes = before.diff(testbed.observe().only("link", "address", "route"))
    if changes:
        testbed.not_applicable("this plugin changes what the result shows")
    name = "spec/1.1.0/result/13"
    if testbed.version not in {"1.0.0", "1.1.0"}:
        name = "spec/0.3.0/chaining/2"
    differences = _differences(attachment.previous or {}, call.result)
    testbed.expect(
        name,
        not differences,
        expected="the result is equivalent to prevResult: the plugin has changed no link, address or route",
        actual="; ".join(differences),
    )


@case("spec/1.1.0/result/14", "spec/0.3.0/result/2", kinds=["ipam"], versions="each")
def ipam_result_is_abbreviated(testbed: Testbed) -> None:
    """The result of an IPAM plugin has no interfaces."""
    result = testbed.attached().result or {}
    name = "spec/1.1.0/result/14"
    if testbed.version not in {"1.0.0", "1.1.0"}:
        name = "spec/0.3.0/result/2"
    testbed.expect(
        name,
        "interfaces" not in result,
        expected="the result of an IPAM plugin has no `interfaces`",
        actual=f"interfaces is {json.dumps(result.get('interfaces'))}",
    )
    named = [each for each in _results.ips(result) if "interface" in each]
    testbed.expect(
        name,
        not named,
        expected="`ips` of an IPAM plugin name no interface",
        actual=f"ips is {json.dumps(result.get('ips'))}",
    )


@case("spec/1.1.0/configuration/1", kinds=["interface"], versions="each")
def dns_of_the_configuration(testbed: Testbed) -> None:
    """`dns` of the configuration is in the result."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    elif testbed.profile.ifname == "lo":
        testbed.not_applicable("a loopback interface has no name servers")
    dns = {"nameservers": ["192.0.2.53"], "domain": "conformance.example"}
    attachment = testbed.attachment()
    call = attachment.add(patch={"dns": dns})
    if not call.ok:
        testbed.block(f"needs an ADD with `dns` that succeeds; {call.describe()}")
    got = call.result.get("dns")
    got = got if isinstance(got, dict) else {}
    if not any(got.values()):
        testbed.not_applicable("the plugin leaves `dns` aside, which it may")
    testbed.expect(
        "spec/1.1.0/configuration/1",
        got.get("nameservers") == dns["nameservers"] and got.get("domain") == dns["domain"],
        expected=f"`dns` of the result has what the configuration says: {json.dumps(dns)}",
        actual=f"dns is {json.dumps(got)}",
    )


def _differences(previous: Json, result: Json) -> list[str]:
    """Where a result is not equivalent: empty, null and absent are the same."""
    found: list[str] = []
    for key in sorted({*previous, *result} - {"cniVersion"}):
        before, after = _meaning(previous.get(key)), _meaning(result.get(key))
        if before != after:
            found.append(f"{key} was {json.dumps(before)}, is {json.dumps(after)}")
    return found


def _meaning(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = {key: _meaning(each) for key, each in value.items()}
        return {key: each for key, each in pairs.items() if each not in (None, "", [], {})}
    if isinstance(value, list):
        return [_meaning(each) for each in value]
    return value


def _interface(text: object) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    try:
        return ipaddress.ip_interface(text) if isinstance(text, str) and "/" in text else None
    except ValueError:
        return None


def _network(text: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    found = _interface(text)
    return found.network if found else None


def _family(text: object) -> int:
    try:
        return ipaddress.ip_address(text).version if isinstance(text, str) else 0
    except ValueError:
        return 0


def _plain(address: str) -> str:
    found = _interface(address)
    return str(found) if found else address


def _addresses(testbed: Testbed, attachment: Attachment) -> list[str]:
    """The addresses of the container's interface, link-local ones left out."""
    shown = testbed.command("ip", "-j", "addr", "show", inside=attachment.netns)
    return [
        f"{each['local']}/{each['prefixlen']}"
        for link in json.loads(shown)
        if link.get("ifname") == attachment.ifname
        for each in link.get("addr_info", [])
        if each.get("scope") != "link"
    ]
