"""DHCP leases for containers: the daemon that gets and keeps them, and what a plugin says to it.

A lease outlives the plugin's process, so a daemon has it: `cnisdk dhcp-daemon`. It keeps every lease on
disk too, and one that is started anew goes on where the one before stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from cnisdk.dhcp._client import DEFAULT_SOCKET, Daemon, NoDaemon
    from cnisdk.dhcp._daemon import Settings, main, seconds, serve
    from cnisdk.dhcp._exchange import Patience
    from cnisdk.dhcp._options import option_code

_HOME = {
    "DEFAULT_SOCKET": "_client", "Daemon": "_client", "NoDaemon": "_client",
    "Settings": "_daemon", "main": "_daemon", "seconds": "_daemon",
    "serve": "_daemon",
    "Patience": "_exchange",
    "option_code": "_options",
}  # fmt: skip
"""Name -> the module it comes from; a plugin must not pay for the daemon."""

__all__ = [
    "DEFAULT_SOCKET",
    "Daemon",
    "NoDaemon",
    "Patience",
    "Settings",
    "main",
    "option_code",
    "seconds",
    "serve",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415  # as in cnisdk itself

    if name not in _HOME:
        raise AttributeError(f"module 'cnisdk.dhcp' has no attribute '{name}'")
    value: Any = getattr(import_module(f"cnisdk.dhcp.{_HOME[name]}"), name)
    globals()[name] = value
    return value
