"""What the runtime's cache says about attachments that exist, read without judging it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

import attrs

from cnisdk.cli._json import as_list, as_object


@attrs.frozen
class Cached:
    """One attachment in the cache of libcni."""

    network: str
    container_id: str
    ifname: str
    netns: str
    types: tuple[str, ...]
    """CNI types of its configuration, IPAM plugins included."""

    @property
    def alive(self) -> bool:
        """Whether its network namespace is still there."""
        return bool(self.netns) and os.path.exists(self.netns)


def cached(cache_dir: str) -> Iterator[Cached]:
    """The attachments recorded below a cache directory; damaged records are passed over."""
    results = os.path.join(cache_dir, "results")
    try:
        names = sorted(os.listdir(results))
    except OSError:
        return
    for name in names:
        try:
            with open(os.path.join(results, name), "rb") as file:
                record = json.load(file)
            config: Any = json.loads(base64.b64decode(record.get("config") or b"e30="))
            if record.get("kind") == "cniCacheV1":
                yield Cached(
                    network=str(record.get("networkName", "")),
                    container_id=str(record.get("containerId", "")),
                    ifname=str(record.get("ifName", "")),
                    netns=str(record.get("netns", "")),
                    types=tuple(types_of(config)),
                )
        except (OSError, ValueError, AttributeError, TypeError):
            continue


def types_of(config: object) -> list[str]:
    """The CNI types a network configuration names, IPAM plugins included, each once."""
    document = as_object(config)
    found: list[Any] = []
    for plugin in as_list(document["plugins"]) if "plugins" in document else [document]:
        entry = as_object(plugin)
        found += [entry.get("type"), as_object(entry.get("ipam")).get("type")]
    return list(dict.fromkeys(each for each in found if isinstance(each, str) and each))


def users_of_types(cache_dir: str) -> dict[str, list[str]]:
    """CNI type -> the attachments whose DEL needs it."""
    users: dict[str, list[str]] = {}
    for each in cached(cache_dir):
        for name in each.types:
            users.setdefault(name, []).append(
                f"{each.container_id}/{each.ifname} on {each.network}"
            )
    return users
