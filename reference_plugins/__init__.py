"""The standard plugins, written on the public names of cnisdk alone."""

from __future__ import annotations

from typing import Final


PLUGINS: Final = {
    "bandwidth": "reference_plugins.bandwidth:Bandwidth",
    "bridge": "reference_plugins.bridge:Bridge",
    "dhcp": "reference_plugins.dhcp:Dhcp",
    "dummy": "reference_plugins.dummy:Dummy",
    "firewall": "reference_plugins.firewall:Firewall",
    "host-device": "reference_plugins.host_device:HostDevice",
    "host-local": "reference_plugins.host_local:HostLocal",
    "ipvlan": "reference_plugins.ipvlan:Ipvlan",
    "loopback": "reference_plugins.loopback:Loopback",
    "macvlan": "reference_plugins.macvlan:Macvlan",
    "portmap": "reference_plugins.portmap:Portmap",
    "ptp": "reference_plugins.ptp:Ptp",
    "sbr": "reference_plugins.sbr:Sbr",
    "static": "reference_plugins.static:Static",
    "tap": "reference_plugins.tap:Tap",
    "tuning": "reference_plugins.tuning:Tuning",
    "vlan": "reference_plugins.vlan:Vlan",
    "vrf": "reference_plugins.vrf:Vrf",
}
"""CNI type name -> where the plugin's class is."""
