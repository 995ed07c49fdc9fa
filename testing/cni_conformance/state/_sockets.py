"""Sockets that wait for somebody, in the current network namespace."""

from __future__ import annotations


_LISTEN = "0A"
_UNIX_LISTENING = 0x10000


def listening() -> list[str]:
    """Listening TCP and unix sockets, and bound UDP sockets."""
    lines: list[str] = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for row in _rows(name):
            if row[3] == _LISTEN or name.startswith("udp"):
                lines.append(f"{name} {row[1]}")
    for row in _rows("unix"):
        if len(row) > 7 and int(row[3], 16) & _UNIX_LISTENING:
            lines.append(f"unix {row[7]}")
    return lines


def _rows(name: str) -> list[list[str]]:
    try:
        with open(f"/proc/thread-self/net/{name}", encoding="utf-8", errors="replace") as file:
            return [line.split() for line in file.readlines()[1:]]
    except OSError:
        return []
