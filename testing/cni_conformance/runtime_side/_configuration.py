"""The network a runtime is given: a chain that shows what becomes of each key."""

from __future__ import annotations

import json
from typing import Any, cast

from cni_conformance._settings import UsageError
from cni_conformance._versions import NEWEST, VERSIONS, at_least
from cni_conformance.runtime_side._call import Json


NETWORK = "conformance"
FIRST, SECOND, THIRD = (f"conformance-{each}" for each in ("first", "second", "third"))
# Declared by two of three plugins, so that what one gets can be compared with the other.
_CAPABILITIES = ("portMappings", "bandwidth", "mac", "ips", "ipRanges", "dns", "conformance")


def default_conflist(
    spec_version: str = NEWEST, *, disable_check: bool = False, disable_gc: bool = False
) -> Json:
    """A network with three plugins.

    Args:
        spec_version: The newest version it is for. For 1.1.0 it offers several, not the highest first,
            so that a runtime that does not choose is found out.
        disable_check: Set disableCheck.
        disable_gc: Set disableGC.

    Raises:
        UsageError: There is no such version.
    """
    if spec_version not in VERSIONS:
        raise UsageError(f"there is no version {spec_version} of the specification")
    found: Json = {"cniVersion": spec_version, "name": NETWORK}
    if at_least(spec_version, "1.1.0"):
        found |= {"cniVersion": "1.0.0", "cniVersions": ["0.4.0", spec_version, "1.0.0"]}
    if disable_check:
        found["disableCheck"] = True
    if disable_gc:
        found["disableGC"] = True
    plugins: list[Json] = [
        {
            "type": FIRST,
            "capabilities": dict.fromkeys(_CAPABILITIES, True) | {"aliases": False},
            "unknown": {
                "nested": [1, [2, {"three": None}], {"empty": {}, "none": []}],
                "text": 'ünïcødé <&> \u2028 \\ " /',
                "flags": [True, False, None, "", 0, -1, 0.1, 1e100],
            },
            "nothing": None,
            "large": [2**53 + 1, 18446744073709551615],
            "cni.dev/conformance": "only a runtime may write such keys",
        },
        {
            "type": SECOND,
            "capabilities": dict.fromkeys(_CAPABILITIES, True),
            "deeper": {"large": {"still": -(2**53) - 1}},
            "dns": {"nameservers": ["198.18.0.53"], "search": []},
        },
        {"type": THIRD, "camelCase": "x", "CAMELcase": "y", "ipam": {}},
    ]
    return {**found, "plugins": plugins}


def read_conflist(path: str) -> Json:
    """A network configuration from a file.

    Raises:
        UsageError: It cannot be used; the message names the file.
    """
    try:
        with open(path, "rb") as file:
            document: Any = json.load(file)
    except (OSError, ValueError) as failure:
        raise UsageError(f"{path}: {failure}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a JSON object")
    found = cast("Json", document)
    if "plugins" not in found and "type" in found:
        raise UsageError(f"{path}: a single plugin; put it into the list `plugins` of a network")
    types_of(found)
    return found


def types_of(network: Json) -> list[str]:
    """The plugins of a network.

    Raises:
        UsageError: There are none, or one has no type that can be the name of a file, or the version
            is unknown.
    """
    plugins: Any = network.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        raise UsageError("the network configuration has no list `plugins`")
    found: list[str] = []
    for each in plugins:
        type: Any = cast("Json", each).get("type") if isinstance(each, dict) else None
        if not isinstance(type, str) or not type or "/" in type or type in {".", ".."}:
            raise UsageError(f"a plugin of the network configuration has the type {type!r}")
        found.append(type)
    if network.get("cniVersion", VERSIONS[0]) not in VERSIONS:
        raise UsageError(f"the network's cniVersion is {network.get('cniVersion')!r}")
    versions: Any = network.get("cniVersions", [])
    if not isinstance(versions, list) or not all(isinstance(each, str) for each in versions):
        raise UsageError(f"the network's cniVersions is {versions!r}")
    return found
