"""What is known of a CNI type: the file in CNI_PATH, the class behind it, its kind."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from cnisdk._installed_file import read_launcher
from cnisdk._launcher import load
from cnisdk._schema import plugin_schema
from cnisdk.cli._options import directories
from cnisdk.install import reference_plugins


if TYPE_CHECKING:
    from cnisdk._schema import PluginClass

_KINDS: Final = {
    "interface": "bridge dummy flannel host-device ipvlan loopback macvlan ptp sriov tap vlan",
    "chained": "bandwidth firewall portmap sbr tuning vrf",
    "ipam": "dhcp host-local static whereabouts",
}
WELL_KNOWN: Final = {name: kind for kind, names in _KINDS.items() for name in names.split()}
"""Kinds of the types whose names mean the same everywhere, whoever wrote the plugin."""


class Types:
    """The CNI types of a search path.

    Args:
        cni_path: Directories separated by colons.
    """

    def __init__(self, cni_path: str) -> None:
        self.directories = [each for each in directories(cni_path) if os.path.isdir(each)]

    @property
    def searchable(self) -> bool:
        """Whether there is any directory to look for plugins in."""
        return bool(self.directories)

    def names(self) -> list[str]:
        """The types in the path and those of the reference plugins."""
        found = set(reference_plugins())
        for directory in self.directories:
            found.update(each for each in os.listdir(directory) if self.find(each))
        return sorted(found)

    def find(self, type_name: str) -> str:
        """The executable a runtime would run; "" when there is none."""
        if not type_name or "/" in type_name or "\0" in type_name or type_name.startswith("."):
            return ""
        for directory in self.directories:
            path = os.path.join(directory, type_name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
        return ""

    def target_of(self, type_name: str) -> str:
        """``package.module:Class`` of a plugin written with this SDK; "" for others.

        A plugin of the name of a reference plugin is taken for one that understands the same keys.
        """
        path = self.find(type_name)
        launcher = read_launcher(path) if path else None
        if launcher is not None:
            return launcher.target
        return reference_plugins().get(type_name, "")

    def plugin_class(self, type_name: str) -> PluginClass | None:
        """The class behind a type; None when it is not ours or cannot be imported here."""
        return class_of(self.target_of(type_name))

    def kind(self, type_name: str) -> str:
        """interface, chained or ipam; "" when that is not known."""
        plugin = self.plugin_class(type_name)
        return plugin.kind if plugin is not None else WELL_KNOWN.get(type_name, "")

    def schema(self, type_name: str) -> dict[str, Any] | None:
        """The schema of a conflist entry of this type."""
        plugin = self.plugin_class(type_name)
        return None if plugin is None else _schema(cast("Any", plugin), type_name)


@cache
def class_of(target: str) -> PluginClass | None:
    """Import a plugin's class; None when that does not work in this process."""
    try:
        plugin = load(target) if target else None
    except Exception:  # noqa: BLE001  # whatever importing somebody's module may raise
        return None
    return cast("PluginClass", plugin) if hasattr(plugin, "config_class") else None


@cache
def _schema(plugin: PluginClass, type_name: str) -> dict[str, Any]:
    return plugin_schema(plugin, type_name)
