"""pyroute2's rtnetlink message classes without the rest of pyroute2; the only importer.

Importing the package runs its ``__init__``, which loads some 370 modules in 200 ms. The message classes
need 40 ms of that, so they are entered past it; where that does not work, the ordinary import does.
"""

# ruff: noqa: PLC0415  # how the import happens is what this module is about

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any


def _common() -> tuple[Any, ...]:
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    return ifinfmsg, ifaddrmsg, rtmsg


def _rule() -> tuple[Any, ...]:
    from pyroute2.netlink.rtnl.fibmsg import fibmsg

    return (fibmsg,)


def _past_the_package(imported: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
    spec = PathFinder.find_spec("pyroute2")
    if "pyroute2" in sys.modules or spec is None:
        return imported()
    package = ModuleType("pyroute2")
    package.__path__ = list(spec.submodule_search_locations or ())
    package.__spec__ = spec
    sys.modules["pyroute2"] = package
    try:
        classes = imported()
    except Exception:  # noqa: BLE001  # another layout of the package: take the long way
        for name in [each for each in sys.modules if each.partition(".")[0] == "pyroute2"]:
            del sys.modules[name]
        return imported()
    # Whoever imports pyroute2 after us gets all of it.
    del sys.modules["pyroute2"]
    return classes


def rule_message() -> Any:
    """The message class of policy rules, which few plugins need."""
    return _past_the_package(_rule)[0]


LinkMessage, AddressMessage, RouteMessage = _past_the_package(_common)

# Attributes this release of pyroute2 ends before (include/uapi/linux/if_link.h).
_macvlan = LinkMessage.ifinfo.macvlan_data
_macvlan.nla_map = (*_macvlan.nla_map, ("IFLA_MACVLAN_BC_QUEUE_LEN", "uint32"))
