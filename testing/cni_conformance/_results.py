"""Results of ADD as the versions of the specification write them, read and written."""

from __future__ import annotations

from typing import Any

from cni_conformance._versions import at_least


Json = dict[str, Any]


def in_version(result: Json, version: str) -> Json:
    """Write a result of 1.1.0 as another version has it."""
    if not at_least(version, "1.1.0"):
        result = _without_what_is_new(result)
    if at_least(version, "1.0.0"):
        return {**result, "cniVersion": version}
    if at_least(version, "0.3.0"):
        ips = [
            {**ip, "version": "6" if ":" in ip["address"] else "4"} for ip in result.get("ips", [])
        ]
        return {**result, "ips": ips, "cniVersion": version}
    old: Json = {"cniVersion": version, "dns": result.get("dns", {})}
    for ip in result.get("ips", []):
        six = ":" in ip["address"]
        routes = [route for route in result.get("routes", []) if (":" in route["dst"]) == six]
        old["ip6" if six else "ip4"] = {
            "ip": ip["address"],
            **({"gateway": ip["gateway"]} if "gateway" in ip else {}),
            "routes": routes,
        }
    return old


def _without_what_is_new(result: Json) -> Json:
    """Leave out what came with 1.1.0."""
    rows = {
        key: [
            {name: value for name, value in row.items() if name in known}
            for row in result.get(key, [])
        ]
        for key, known in (("interfaces", {"name", "mac", "sandbox"}), ("routes", {"dst", "gw"}))
        if key in result
    }
    return {**result, **rows}


def addresses(result: Json) -> list[str]:
    """The addresses with their prefix lengths, whatever the version of the result."""
    found = [
        ip["address"] for ip in _objects(result.get("ips")) if isinstance(ip.get("address"), str)
    ]
    for key in ("ip4", "ip6"):
        old = result.get(key)
        if isinstance(old, dict) and isinstance(old.get("ip"), str):
            found.append(old["ip"])
    return found


def interfaces(result: Json) -> list[Json]:
    """The interfaces of a result, as far as they are objects."""
    return _objects(result.get("interfaces"))


def container_interfaces(result: Json) -> list[Json]:
    """Those that have a sandbox."""
    return [interface for interface in interfaces(result) if interface.get("sandbox")]


def inside(result: Json) -> list[str]:
    """The names of the interfaces that have a sandbox."""
    return [str(interface.get("name")) for interface in container_interfaces(result)]


def ips(result: Json) -> list[Json]:
    """The ips of a result, as far as they are objects."""
    return _objects(result.get("ips"))


def routes(result: Json) -> list[Json]:
    """The routes of a result, wherever its version has them."""
    found = _objects(result.get("routes"))
    for key in ("ip4", "ip6"):
        old = result.get(key)
        if isinstance(old, dict):
            found += _objects(old.get("routes"))
    return found


def _objects(value: Any) -> list[Json]:
    if not isinstance(value, list):
        return []
    return [entry for entry in value if isinstance(entry, dict)]
