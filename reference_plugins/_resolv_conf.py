"""DNS settings from a file in resolv.conf(5) format."""

from __future__ import annotations

import cnisdk
from cnisdk import errors


def read_resolv_conf(path: str) -> cnisdk.Dns:
    """Read nameserver, domain, search and options; a later domain wins, the others add up.

    Raises:
        errors.IoFailure: the file cannot be read (code 5).
    """
    found: dict[str, list[str]] = {"nameserver": [], "domain": [], "search": [], "options": []}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                # Comment lines start with # or ;, so their first word is none of these.
                if len(words) > 1 and words[0] in found:
                    single = words[0] in {"nameserver", "domain"}
                    found[words[0]] += words[1:2] if single else words[1:]
    except OSError as failure:
        raise errors.IoFailure(
            f"ipam.resolvConf: cannot read {path}: {failure.strerror}"
        ) from failure
    return cnisdk.Dns(
        tuple(found["nameserver"]),
        found["domain"][-1] if found["domain"] else "",
        tuple(found["search"]),
        tuple(found["options"]),
    )
