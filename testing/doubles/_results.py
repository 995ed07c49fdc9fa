"""Results: read in any version, written in any version, and known to hold addresses and routes."""

from __future__ import annotations

import ipaddress
from typing import Any

from _cni import VERSIONS, Json


def as_newest(document: Json) -> Json:
    """A result of any version as `interfaces`, `ips`, `routes` and `dns`."""
    ips = [dict(ip) for ip in objects(document.get("ips"))]
    routes = objects(document.get("routes"))
    for key in ("ip4", "ip6"):
        old = document.get(key)
        if isinstance(old, dict):
            ip = {"address": old.get("ip")}
            if old.get("gateway"):
                ip["gateway"] = old["gateway"]
            ips.append(ip)
            routes = [*routes, *objects(old.get("routes"))]
    for ip in ips:
        ip.pop("version", None)
    dns = document.get("dns")
    return {
        "interfaces": objects(document.get("interfaces")),
        "ips": ips,
        "routes": routes,
        "dns": dns if isinstance(dns, dict) else {},
    }


def in_version(result: Json, version: str) -> Json:
    """A result as a version of the specification has it."""
    level = VERSIONS.index(version)
    if level < VERSIONS.index("0.3.0"):
        return in_first_version(result, version)
    document = {"cniVersion": version, **{key: value for key, value in result.items() if value}}
    document.setdefault("dns", {})
    if level < VERSIONS.index("1.0.0"):
        document["ips"] = [{"version": family(ip["address"]), **ip} for ip in result["ips"]]
    if level < VERSIONS.index("1.1.0"):
        for key, news in (("interfaces", {"mtu"}), ("routes", {"dst", "gw"})):
            if document.get(key):
                document[key] = [
                    {name: row[name] for name in row if (name in news) is (key == "routes")}
                    for row in document[key]
                ]
    return document


def in_first_version(result: Json, version: str) -> Json:
    document: Json = {"cniVersion": version, "dns": result.get("dns", {})}
    for ip in result["ips"]:
        which = family(ip["address"])
        old: Json = {"ip": ip["address"]}
        if "gateway" in ip:
            old["gateway"] = ip["gateway"]
        routes = [
            {key: route[key] for key in ("dst", "gw") if key in route}
            for route in result.get("routes", [])
            if family(route["dst"]) == which
        ]
        if routes:
            old["routes"] = routes
        document.setdefault(f"ip{which}", old)
    return document


def family(address: str) -> str:
    return "6" if ":" in address else "4"


def objects(value: Any) -> list[Json]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def checked_ips(rows: Any) -> list[Json]:
    """Addresses with their gateways, known to be addresses.

    Raises:
        ValueError: They are not.
    """
    ips: list[Json] = []
    for row in objects(rows):
        ip = {"address": str(ipaddress.ip_interface(text(row, "address")))}
        if row.get("gateway"):
            ip["gateway"] = str(ipaddress.ip_address(text(row, "gateway")))
        ips.append(ip)
    return ips


def checked_routes(rows: Any) -> list[Json]:
    """Routes, known to be routes.

    Raises:
        ValueError: They are not.
    """
    routes: list[Json] = []
    for row in objects(rows):
        route: Json = {"dst": str(ipaddress.ip_network(text(row, "dst"), strict=False))}
        if row.get("gw"):
            route["gw"] = str(ipaddress.ip_address(text(row, "gw")))
        for key in ("mtu", "advmss", "priority", "table", "scope"):
            if key in row:
                if type(row[key]) is not int or row[key] < 0:
                    raise ValueError(key)
                route[key] = row[key]
        routes.append(route)
    return routes


def text(row: Json, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise ValueError(key)  # noqa: TRY004 - the callers tell bad values by it
    return value


def is_mtu(value: Any) -> bool:
    return type(value) is int and 68 <= value <= 65535
