"""cnisdk: write Container Network Interface (CNI) plugins in Python.

Subclass `Plugin`, `ChainedPlugin` or `IpamPlugin`, mark handlers with `cnisdk.on`, describe the
configuration with `config`. Names are imported when first used, because a plugin is a process per
call and pays for every import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from cnisdk import capabilities, dhcp, errors, on, validators, versions
    from cnisdk._address_ranges import AddressRange, RangeSet
    from cnisdk._claims import Claims
    from cnisdk._config import IpamConf, NetConf, arg, capability, config, key
    from cnisdk._dbus import BusFailure, SystemBus
    from cnisdk._deadline import Deadline
    from cnisdk._document import repeated_keys
    from cnisdk._ipam import Delegate
    from cnisdk._loans import Loans
    from cnisdk._log import Log
    from cnisdk._names import Attachment
    from cnisdk._net import Link, Namespace, Veth
    from cnisdk._net._host_port import HostPort
    from cnisdk._net._link_settings import LinkSettings
    from cnisdk._net._links import normal_mac
    from cnisdk._net._rate_limit import RateLimit
    from cnisdk._net._rules import FoundRule, Rule, RuleTable
    from cnisdk._net._types import Address, KernelRoute, PolicyRule
    from cnisdk._operations import Add, ChainedAdd, Check, Del, Gc, Operation, Status
    from cnisdk._plugin import ChainedPlugin, IpamPlugin, Plugin
    from cnisdk._range_conf import IpRange, assign_requested, range_sets
    from cnisdk._result import (
        Dns,
        Interface,
        Ip,
        IpAddress,
        IpInterface,
        IpNetwork,
        Result,
        ResultBuilder,
        Route,
    )
    from cnisdk._store._json_file import JsonFile
    from cnisdk._store._layout import Holder
    from cnisdk._store._locked_reservations import AddressTaken, Held, LockedReservations
    from cnisdk._store._records import Record, Store
    from cnisdk._store._reservations import Reservations

__version__ = "0.1.0"

_HOME = {
    "Address": "_net._types",
    "AddressRange": "_address_ranges", "RangeSet": "_address_ranges",
    "Claims": "_claims",
    "IpamConf": "_config", "NetConf": "_config", "arg": "_config", "capability": "_config",
    "config": "_config", "key": "_config",
    "BusFailure": "_dbus", "SystemBus": "_dbus",
    "Deadline": "_deadline",
    "repeated_keys": "_document",
    "Delegate": "_ipam",
    "Loans": "_loans",
    "Log": "_log",
    "Attachment": "_names",
    "FoundRule": "_net._rules", "HostPort": "_net._host_port", "KernelRoute": "_net._types", "Link": "_net",
    "LinkSettings": "_net._link_settings", "Namespace": "_net", "normal_mac": "_net._links", "PolicyRule": "_net._types",
    "RateLimit": "_net._rate_limit",
    "Rule": "_net._rules", "RuleTable": "_net._rules", "Veth": "_net",
    "Add": "_operations", "ChainedAdd": "_operations", "Check": "_operations",
    "Del": "_operations", "Gc": "_operations", "Operation": "_operations",
    "Status": "_operations",
    "ChainedPlugin": "_plugin", "IpamPlugin": "_plugin", "Plugin": "_plugin",
    "IpRange": "_range_conf", "assign_requested": "_range_conf", "range_sets": "_range_conf",
    "Dns": "_result", "Interface": "_result", "Ip": "_result", "IpAddress": "_result",
    "IpInterface": "_result", "IpNetwork": "_result", "Result": "_result",
    "ResultBuilder": "_result", "Route": "_result",
    "AddressTaken": "_store._locked_reservations", "Held": "_store._locked_reservations",
    "Holder": "_store._layout", "JsonFile": "_store._json_file",
    "LockedReservations": "_store._locked_reservations",
    "Record": "_store._records", "Reservations": "_store._reservations",
    "Store": "_store._records",
}  # fmt: skip
"""Public name -> the module it comes from."""
_MODULES = ("capabilities", "dhcp", "errors", "on", "validators", "versions")

__all__ = [
    "Add",
    "Address",
    "AddressRange",
    "AddressTaken",
    "Attachment",
    "BusFailure",
    "ChainedAdd",
    "ChainedPlugin",
    "Check",
    "Claims",
    "Deadline",
    "Del",
    "Delegate",
    "Dns",
    "FoundRule",
    "Gc",
    "Held",
    "Holder",
    "HostPort",
    "Interface",
    "Ip",
    "IpAddress",
    "IpInterface",
    "IpNetwork",
    "IpRange",
    "IpamConf",
    "IpamPlugin",
    "JsonFile",
    "KernelRoute",
    "Link",
    "LinkSettings",
    "Loans",
    "LockedReservations",
    "Log",
    "Namespace",
    "NetConf",
    "Operation",
    "Plugin",
    "PolicyRule",
    "RangeSet",
    "RateLimit",
    "Record",
    "Reservations",
    "Result",
    "ResultBuilder",
    "Route",
    "Rule",
    "RuleTable",
    "Status",
    "Store",
    "SystemBus",
    "Veth",
    "arg",
    "assign_requested",
    "capabilities",
    "capability",
    "config",
    "dhcp",
    "errors",
    "key",
    "normal_mac",
    "on",
    "range_sets",
    "repeated_keys",
    "validators",
    "versions",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOME:
        value: Any = getattr(import_module(f"cnisdk.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"cnisdk.{name}")
    else:
        raise AttributeError(f"module 'cnisdk' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})
