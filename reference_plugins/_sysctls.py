"""Which sysctls a container may have: their names, and the node's list of those allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from cnisdk import errors


_ALLOW_LIST = "/etc/cni/tuning/allowlist.conf"


def by_path(sysctls: Mapping[str, str], ifname: str) -> dict[str, str]:
    """Values by path below /proc/sys: one may be spelled in two ways, and the later one counts."""
    return {_path(key, ifname): value for key, value in sysctls.items()}


def _path(key: str, ifname: str) -> str:
    path = key.replace(".", "/").replace("IFNAME", ifname, 1)
    if not path.startswith("net/") or ".." in key.split("/") or "//" in path:
        raise errors.InvalidConfig(
            f'sysctl: invalid net sysctl key: "{key}"',
            details="only settings below net. belong to a container",
        )
    return path


def is_same(found: str, wanted: str) -> bool:
    """Whether the kernel shows what was written: in columns, addresses in full."""
    if found.split() == wanted.split():
        return True
    try:
        return ip_address(found) == ip_address(wanted)
    except ValueError:
        return False


def refuse_forbidden(keys: Iterable[str]) -> None:
    """Compare with the node's list: one regular expression a line, anywhere in the key."""
    if not os.path.exists(_ALLOW_LIST):
        return
    try:
        with open(_ALLOW_LIST, encoding="utf-8") as file:
            allowed = [line.strip() for line in file if line.strip()]
    except (OSError, ValueError) as failure:
        raise errors.IoFailure(f"cannot read {_ALLOW_LIST}: {failure}") from failure
    for key in keys:
        if not any(_allows(pattern, key) for pattern in allowed):
            raise errors.InvalidConfig(
                f"Sysctl {key} is not allowed. Only the following sysctls are allowed: {allowed}",
                details=f"the list is {_ALLOW_LIST}",
            )


def _allows(pattern: str, key: str) -> bool:
    try:
        return re.search(pattern, key) is not None
    except re.error as failure:
        raise errors.InvalidConfig(
            f'{_ALLOW_LIST}: "{pattern}" is no regular expression: {failure}'
        ) from failure
