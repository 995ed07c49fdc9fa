"""Packet filtering of the current namespace, as nft(8) and the older iptables list it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess


_TABLES_OF_IPTABLES = frozenset(
    f"table {family} {name}"
    for family in ("ip", "ip6")
    for name in ("raw", "mangle", "nat", "filter", "security")
)


def rules() -> list[str]:
    """Every chain and rule, each with its table."""
    return [*_nft_rules(), *_legacy_rules()]


@functools.cache
def _program(name: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(name, path=path)


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout


def _nft_rules() -> list[str]:
    nft = _program("nft")
    if nft is None:
        return []
    lines: list[str] = []
    inside: list[str] = []
    seen: dict[str, int] = {}
    for raw in _output(nft, "-s", "list", "ruleset").splitlines():
        line = raw.strip()
        if line == "}":
            if inside:
                inside.pop()
        elif line.endswith("{"):
            inside.append(line.removesuffix("{").strip())
            lines.append(" / ".join(inside))
        elif line:
            text = " / ".join([*inside, line])
            seen[text] = seen.get(text, 0) + 1
            lines.append(text if seen[text] == 1 else f"{text} (no. {seen[text]})")
    return [each for each in lines if not _is_empty_table_of_iptables(each, lines)]


def _is_empty_table_of_iptables(line: str, lines: list[str]) -> bool:
    """iptables makes its tables as soon as it is asked what is in them."""
    return line in _TABLES_OF_IPTABLES and not any(each.startswith(f"{line} / ") for each in lines)


def _legacy_rules() -> list[str]:
    lines: list[str] = []
    for family, program in (("ip", "iptables-legacy-save"), ("ip6", "ip6tables-legacy-save")):
        try:
            with open(f"/proc/net/{family}_tables_names", encoding="ascii") as file:
                in_use = file.read().strip()
        except OSError:
            continue
        command = _program(program)
        if in_use and command is not None:
            lines += [
                f"{family} legacy {line}"
                for line in _output(command).splitlines()
                if not line.startswith(("#", ":", "COMMIT"))
            ]
    return lines
