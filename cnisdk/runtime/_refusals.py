"""What is refused before any plugin is run: a version, a namespace, parameters that have changed."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cnisdk import errors, versions
from cnisdk._environment import is_own_netns, may_use_own_netns
from cnisdk.runtime._cache import CachedAttachment
from cnisdk.runtime._network import NetworkList
from cnisdk.runtime._request import Parameters


def require_known_version(network: NetworkList) -> None:
    """A list of a version to come may mean what we do not know of."""
    if network.version not in versions.ALL:
        raise errors.IncompatibleVersion(
            f'network "{network.name}": version {network.version} is not supported',
            details=f"{network.source}: set cniVersion to one of {', '.join(versions.ALL)}",
        )


def require_other_netns(parameters: Parameters, env: Mapping[str, str]) -> None:
    """Plugins of the host's namespace would take the host off the network (plugins#714)."""
    path = parameters.netns
    if path and is_own_netns(path) and not may_use_own_netns(env):
        raise errors.InvalidNetns(
            f'"{path}" is the network namespace of this process, not one of a container',
            details="set CNI_NETNS_OVERRIDE=1 if that is meant",
        )


def require_same(parameters: Parameters, entry: CachedAttachment) -> None:
    """CHECK gets the parameters ADD had (SPEC section 2, CHECK); those not given are filled in."""
    given = parameters.or_else(entry.netns, entry.args, entry.capability_args)
    pairs: dict[str, tuple[object, object]] = {
        "CNI_ARGS": (given.args, entry.args),
        "the capability arguments": (given.capability_args, entry.capability_args),
    }
    if given.netns and entry.netns and not _is_same_file(given.netns, entry.netns):
        pairs["CNI_NETNS"] = (given.netns, entry.netns)
    for name, (now, then) in pairs.items():
        if now != then:
            raise errors.InvalidEnvironment(
                f"CHECK of {entry.attachment}: {name} must be what ADD had",
                details=f"now {now!r}, then {then!r}; leave it out to use the latter",
            )


def _is_same_file(one: str, other: str) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False
