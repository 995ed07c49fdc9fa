"""The sysctls of the current network namespace."""

from __future__ import annotations

import os


_ROOTS = ("/proc/sys/net/ipv4", "/proc/sys/net/ipv6", "/proc/sys/net/netfilter")
# Change by themselves, or with every read.
_VOLATILE = frozenset({"nf_conntrack_count", "nf_conntrack_buckets", "stable_secret", "flush"})


def values() -> list[str]:
    """`net.ipv4.ip_forward = 0` and the like, as far as they can be read."""
    return [line for root in _ROOTS for line in _below(root)]


def _below(directory: str) -> list[str]:
    lines: list[str] = []
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            # The neigh directories double the work, and no plugin we know of touches them.
            lines += [] if entry.name == "neigh" else _below(entry.path)
        elif entry.name not in _VOLATILE:
            value = _read(entry.path)
            if value is not None:
                lines.append(f"{entry.path.removeprefix('/proc/sys/').replace('/', '.')} = {value}")
    return lines


def _read(path: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return " ".join(os.read(fd, 4096).decode("ascii", "replace").split())
    except OSError:
        return None
    finally:
        os.close(fd)
