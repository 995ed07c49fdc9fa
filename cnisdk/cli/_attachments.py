"""What the runtime's cache says about the attachments of this node."""

from __future__ import annotations

import json
import os
from typing import Any

from cnisdk.cli._json import as_list, as_object
from cnisdk.runtime import Cache, CachedAttachment


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
    for each in Cache(cache_dir).entries()[0]:
        try:
            config: object = json.loads(each.config)
        except ValueError:
            continue
        for name in types_of(config):
            users.setdefault(name, []).append(str(each.attachment))
    return users


def is_alive(each: CachedAttachment) -> bool:
    """Whether the container's network namespace is still there."""
    return bool(each.netns) and not each.lost_at_reboot and os.path.exists(each.netns)
