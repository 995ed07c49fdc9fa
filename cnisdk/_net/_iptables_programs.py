"""Which programs speak for iptables here: the usual ones, or those of iptables-legacy where it is in use."""

from __future__ import annotations

from cnisdk import errors
from cnisdk._net._programs import find_program
from cnisdk._net._setns import entered


_INSTALL = (
    "install the package iptables (apt-get install iptables, dnf install iptables-nft, "
    'apk add iptables), or have the plugin use nftables ("ipMasqBackend" or "backend")'
)


def usable() -> str:
    """Why iptables cannot be used; "" when its programs are there."""
    for action in ("save", "restore"):
        if not find_program(f"iptables-{action}"):
            return f"the program iptables-{action} was not found; {_INSTALL}"
    return ""


def required(program: str, purpose: str) -> str:
    """The path of a program.

    Raises:
        errors.CniError: it is not installed.
    """
    path = find_program(program)
    if not path:
        raise errors.CniError(
            f"could not {purpose}: the program {program} was not found", details=_INSTALL
        )
    return path


def legacy(tool: str, table: str, netns_fd: int | None, action: str) -> str:
    """The program for iptables-legacy; "" where its table is not in use, or no program.

    Args:
        tool: iptables or ip6tables.
        table: The table.
        netns_fd: The network namespace; None means the current one.
        action: save or restore.
    """
    try:
        with (
            entered(netns_fd),
            open(f"/proc/thread-self/net/{tool[:-6]}_tables_names") as file,
        ):
            in_use = table in file.read().split()
    except OSError:
        return ""
    if not in_use:
        return ""
    return find_program(f"{tool}-legacy-{action}") or find_program(f"{tool}-{action}")
