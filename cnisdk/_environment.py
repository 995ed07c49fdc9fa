"""The environment of a call: which CNI_* variables each verb needs, and whether they are in order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from cnisdk import errors
from cnisdk._names import ifname_problem, is_identifier
from cnisdk._problems import shown


VERBS: Final = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")

_REQUIRED: Final = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    # SPEC section 2 requires CNI_PATH for GC alone; elsewhere a missing one is an error only when
    # a delegate has to be found.
    "GC": ("CNI_PATH",),
    "STATUS": (),
    "VERSION": (),
}
_OF_ATTACHMENT: Final = ("ADD", "DEL", "CHECK")


def check_environment(env: Mapping[str, str]) -> str:
    """Check every variable the verb uses; all defects are reported in one error.

    Returns:
        The verb.

    Raises:
        errors.InvalidEnvironment: names every missing or malformed variable (code 4).
    """
    verb = env.get("CNI_COMMAND", "")
    if not verb:
        raise errors.InvalidEnvironment(
            "required env variables [CNI_COMMAND] missing", details=f"one of {', '.join(VERBS)}"
        )
    if verb not in VERBS:
        raise errors.InvalidEnvironment(
            f"unknown CNI_COMMAND: {verb[:80]}", details=f"known: {', '.join(VERBS)}"
        )
    missing = [name for name in _REQUIRED[verb] if not env.get(name)]
    malformed: list[tuple[str, str]] = []
    if verb in _OF_ATTACHMENT:
        malformed = _malformed(env)
    if missing:
        raise errors.InvalidEnvironment(
            f"required env variables [{','.join(missing)}] missing",
            details="; ".join(f"{problem}: {value}" for problem, value in malformed),
        )
    if malformed:
        raise errors.InvalidEnvironment(
            "; ".join(problem for problem, _ in malformed),
            details=", ".join(value for _, value in malformed),
        )
    return verb


def _malformed(env: Mapping[str, str]) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    container_id = env.get("CNI_CONTAINERID", "")
    if container_id and not is_identifier(container_id):
        problems.append(("CNI_CONTAINERID: invalid characters in containerID", shown(container_id)))
    ifname = env.get("CNI_IFNAME", "")
    problem = ifname_problem(ifname) if ifname else ""
    if problem:
        problems.append((f"CNI_IFNAME: {problem}", shown(ifname)))
    netns = env.get("CNI_NETNS", "")
    try:
        bad = b"\0" in os.fsencode(netns)
    except UnicodeEncodeError:
        bad = True
    if bad:
        problems.append(("CNI_NETNS: is no path", shown(netns)))
    return problems


def may_use_own_netns(env: Mapping[str, str]) -> bool:
    """Whether CNI_NETNS_OVERRIDE lifts the ban on the plugin's own namespace."""
    return env.get("CNI_NETNS_OVERRIDE", "").lower() in {"1", "true"}


def is_own_netns(path: str) -> bool:
    """Whether a path names the network namespace of this thread."""
    try:
        return os.path.samestat(os.stat(path), os.stat("/proc/thread-self/ns/net"))
    except (OSError, ValueError):
        return False
