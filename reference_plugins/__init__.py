"""The standard plugins, written on the public names of cnisdk alone."""

from __future__ import annotations

from typing import Final


PLUGINS: Final = {
    "bridge": "reference_plugins.bridge:Bridge",
    "host-local": "reference_plugins.host_local:HostLocal",
    "loopback": "reference_plugins.loopback:Loopback",
    "static": "reference_plugins.static:Static",
}
"""CNI type name -> where the plugin's class is."""
