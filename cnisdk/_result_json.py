"""Results in the seven shapes the specification has had.

Three families: 0.1.0-0.2.0 (``ip4``/``ip6``), 0.3.0-0.4.0 (``ips`` with ``version``) and 1.0.0-1.1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from typing import Any, TypeVar, cast

from cnisdk import errors, versions
from cnisdk._problems import expected, shown
from cnisdk._result import Dns, Interface, Ip, IpAddress, IpInterface, Result, Route


_T = TypeVar("_T")
Document = dict[str, Any]
"""A JSON object."""


# ---- writing ------------------------------------------------------------------------------------


def encode(result: Result, version: str) -> Document:
    """The result as a JSON object of one specification version.

    Raises:
        errors.IncompatibleVersion: 0.1.0 and 0.2.0 cannot hold a result without addresses (code 1).
            Of several addresses of one family they hold the first.
    """
    if not versions.has_many_addresses(version):
        return _encode_020(result, version)
    modern = versions.at_least(version, "1.0.0")
    document: Document = {"cniVersion": version}
    if result.interfaces:
        document["interfaces"] = [_interface(each, modern=modern) for each in result.interfaces]
    if result.ips:
        document["ips"] = [_ip(each, modern=modern) for each in result.ips]
    if result.routes:
        document["routes"] = [_route(each) for each in result.routes]
    if result.dns or not modern:
        document["dns"] = encode_dns(result.dns)
    return document


def _encode_020(result: Result, version: str) -> Document:
    document: Document = {"cniVersion": version}
    for key, family in (("ip4", 4), ("ip6", 6)):
        ips = [ip for ip in result.ips if ip.version == family]
        if not ips:
            continue
        entry: Document = {"ip": str(ips[0].address)}
        if ips[0].gateway is not None:
            entry["gateway"] = str(ips[0].gateway)
        routes = [_old_route(each) for each in result.routes if each.dst.version == family]
        if routes:
            entry["routes"] = routes
        document[key] = entry
    if len(document) == 1:
        raise errors.IncompatibleVersion(
            "cannot convert: no valid IP addresses",
            hint=f"cniVersion {version} has no form for a result without addresses; "
            "set cniVersion to 0.3.0 or newer",
        )
    document["dns"] = encode_dns(result.dns)
    return document


def _old_route(route: Route) -> Document:
    document: Document = {"dst": route.written or str(route.dst)}
    if route.gw is not None:
        document["gw"] = str(route.gw)
    return document


def _interface(interface: Interface, *, modern: bool) -> Document:
    document: Document = {"name": interface.name}
    optional: list[tuple[str, str | int]] = [("mac", interface.mac), ("sandbox", interface.sandbox)]
    if modern:
        optional.insert(1, ("mtu", interface.mtu))
        optional += [("socketPath", interface.socket_path), ("pciID", interface.pci_id)]
    document.update((key, value) for key, value in optional if value)
    return document


def _ip(ip: Ip, *, modern: bool) -> Document:
    document: Document = {} if modern else {"version": str(ip.version)}
    if ip.interface is not None:
        document["interface"] = ip.interface
    document["address"] = str(ip.address)
    if ip.gateway is not None:
        document["gateway"] = str(ip.gateway)
    return document


def _route(route: Route) -> Document:
    document = _old_route(route)
    for key, number in (
        ("mtu", route.mtu),
        ("advmss", route.advmss),
        ("priority", route.priority),
    ):
        if number:
            document[key] = number
    # Tri-state: an explicit 0 is kept.
    if route.table is not None:
        document["table"] = route.table
    if route.scope is not None:
        document["scope"] = route.scope
    return document


def encode_dns(dns: Dns) -> Document:
    """DNS settings as a JSON object; {} when there are none."""
    document: Document = {}
    if dns.nameservers:
        document["nameservers"] = list(dns.nameservers)
    if dns.domain:
        document["domain"] = dns.domain
    if dns.search:
        document["search"] = list(dns.search)
    if dns.options:
        document["options"] = list(dns.options)
    return document


# ---- reading ------------------------------------------------------------------------------------


def decode(document: object, version: str, *, where: str = "prevResult") -> Result:
    """Read a result of any version.

    Args:
        document: The JSON value.
        version: The configuration's cniVersion, used where the result does not say its own.
        where: How the operator would call the place, for error messages.

    Raises:
        errors.DecodingFailure: a value has the wrong type or is no address; names the JSON path.
    """
    reader = _Reader(where)
    body = reader.members(document, where)
    own = body.get("cniversion") or version
    if not isinstance(own, str) or own not in versions.ALL:
        raise errors.DecodingFailure(
            f"{where}: unknown cniVersion {shown(own)}", details=f"known: {', '.join(versions.ALL)}"
        )
    if not versions.has_many_addresses(own):
        return reader.old_result(body)
    return reader.result(body)


def decode_dns(value: object, where: str = "dns") -> Dns | None:
    """Read DNS settings; None when nothing is set. An empty list counts as set, as in Go."""
    reader = _Reader(where)
    dns = reader.dns(value, where)
    body = {} if value is None else reader.members(value, where)
    given = any(body.get(key) is not None for key in ("nameservers", "search", "options"))
    return dns if given or dns.domain else None


def decode_route(value: object, where: str = "route") -> Route:
    """Read one route."""
    return _Reader(where).route(value, where)


class _Reader:
    """Reads one document; keys are matched regardless of case, as the Go library does."""

    def __init__(self, where: str) -> None:
        self.where = where

    def result(self, body: Document) -> Result:
        return Result(
            interfaces=self.each(body, "interfaces", self.interface),
            ips=self.each(body, "ips", self.ip),
            routes=self.each(body, "routes", self.route),
            dns=self.dns(body.get("dns"), f"{self.where}.dns"),
        )

    def old_result(self, body: Document) -> Result:
        ips: list[Ip] = []
        routes: list[Route] = []
        for key in ("ip4", "ip6"):
            if body.get(key) is None:
                continue
            path = f"{self.where}.{key}"
            entry = self.members(body[key], path)
            address = self.parsed(entry.get("ip"), f"{path}.ip", parse_cidr)
            gateway = self.optional(entry.get("gateway"), f"{path}.gateway", parse_ip)
            ips.append(Ip(address, gateway))
            routes += self.each(entry, "routes", self.route, path)
        return Result(
            ips=tuple(ips), routes=tuple(routes), dns=self.dns(body.get("dns"), f"{self.where}.dns")
        )

    def interface(self, value: object, path: str) -> Interface:
        body = self.members(value, path)
        return Interface(
            name=self.text(body, "name", path),
            mac=self.text(body, "mac", path),
            mtu=self.number(body, "mtu", path) or 0,
            sandbox=self.text(body, "sandbox", path),
            socket_path=self.text(body, "socketPath", path),
            pci_id=self.text(body, "pciID", path),
        )

    def ip(self, value: object, path: str) -> Ip:
        body = self.members(value, path)
        return Ip(
            address=self.parsed(body.get("address"), f"{path}.address", parse_cidr),
            gateway=self.optional(body.get("gateway"), f"{path}.gateway", parse_ip),
            interface=self.number(body, "interface", path, signed=True),
        )

    def route(self, value: object, path: str) -> Route:
        body = self.members(value, path)
        dst = self.parsed(body.get("dst"), f"{path}.dst", parse_cidr)
        return Route(
            dst=dst.network,
            written=str(dst) if dst.ip != dst.network.network_address else "",
            gw=self.optional(body.get("gw"), f"{path}.gw", parse_ip),
            mtu=self.number(body, "mtu", path) or 0,
            advmss=self.number(body, "advmss", path) or 0,
            priority=self.number(body, "priority", path) or 0,
            table=self.number(body, "table", path),
            scope=self.number(body, "scope", path),
        )

    def dns(self, value: object, path: str) -> Dns:
        if value is None:
            return Dns()
        body = self.members(value, path)
        return Dns(
            nameservers=self.texts(body, "nameservers", path),
            domain=self.text(body, "domain", path),
            search=self.texts(body, "search", path),
            options=self.texts(body, "options", path),
        )

    # One JSON value each; a null is the same as an absent key.

    def members(self, value: object, path: str) -> Document:
        if not isinstance(value, dict):
            raise self.wrong(path, "an object", value)
        return {key.lower(): each for key, each in cast("Document", value).items()}

    def each(
        self, body: Document, key: str, read: Callable[[object, str], _T], path: str | None = None
    ) -> tuple[_T, ...]:
        path = f"{path or self.where}.{key}"
        values = body.get(key.lower())
        if values is None:
            return ()
        if not isinstance(values, list):
            raise self.wrong(path, "a list", values)
        entries = cast("list[object]", values)
        return tuple(read(value, f"{path}[{index}]") for index, value in enumerate(entries))

    def text(self, body: Document, key: str, path: str) -> str:
        value = body.get(key.lower())
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(f"{path}.{key}", "a string", value)
        return value

    def texts(self, body: Document, key: str, path: str) -> tuple[str, ...]:
        def read(value: object, at: str) -> str:
            if not isinstance(value, str):
                raise self.wrong(at, "a string", value)
            return value

        return self.each(body, key, read, path)

    def number(self, body: Document, key: str, path: str, *, signed: bool = False) -> int | None:
        value = body.get(key.lower())
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(f"{path}.{key}", "a whole number", value)
        if not (-1 if signed else 0) <= value < 1 << 32:
            raise errors.DecodingFailure(f"{path}.{key}: {shown(value)} is out of range")
        return value

    def parsed(self, value: object, path: str, parse: Callable[[str], _T]) -> _T:
        if not isinstance(value, str):
            raise self.wrong(path, "a string", value)
        try:
            return parse(value)
        except ValueError:
            raise errors.DecodingFailure(f"{path}: invalid address {shown(value)}") from None

    def optional(
        self, value: object, path: str, parse: Callable[[str], IpAddress]
    ) -> IpAddress | None:
        return self.parsed(value, path, parse) if value not in (None, "") else None

    def wrong(self, path: str, wanted: str, value: object) -> errors.DecodingFailure:
        return errors.DecodingFailure(f"{path}: {expected(wanted, value)}")


def parse_cidr(text: str) -> IpInterface:
    """An address in CIDR notation; the prefix length is required, host bits are kept.

    Raises:
        ValueError: no prefix length, or not an address.
    """
    _, _, prefix = text.partition("/")
    # The standard library also takes netmasks and IPv6 zones, which no other CNI program reads.
    if not prefix.isdigit() or "%" in text:
        raise ValueError(f"{text} is not in CIDR notation")
    return ip_interface(text)


def parse_ip(text: str) -> IpAddress:
    """An address without prefix length; IPv4 written as IPv6 (``::ffff:10.0.0.1``) is IPv4, as in Go.

    Raises:
        ValueError: not an address.
    """
    if "%" in text:
        raise ValueError(f"{text} has a zone")
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
