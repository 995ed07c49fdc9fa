"""What a link of the host was like before it was lent to a container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs

from cnisdk._net._types import Address, KernelRoute, Link


@attrs.frozen(kw_only=True)
class LinkSettings:
    """What a link of the host was like before it was lent to a container."""

    name: str
    """Its name."""
    alias: str = ""
    """Its alias."""
    mac: str = ""
    """Its hardware address."""
    mtu: int = 0
    """In bytes."""
    up: bool = False
    """Administrative state."""
    promisc: bool | None = None
    """Whether it was set promiscuous; None when that is not known."""
    allmulti: bool | None = None
    """Whether it was set to receive all multicast packets; None when that is not known."""
    tx_queue_length: int | None = None
    """Length of the transmit queue, in packets; None when that is not known."""
    master: str = ""
    """The bridge, bond or VRF it was in; "" for none."""
    sysctls: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Its settings below /proc/sys/net that are not what a new link gets, by path."""
    addresses: tuple[Address, ...] = ()
    """Its addresses, but for link-local ones and those with an end."""
    routes: tuple[KernelRoute, ...] = ()
    """Its routes."""

    def differences(self, link: Link) -> dict[str, Any]:
        """What is to be changed of a link; its name, alias, master, addresses and routes are not compared."""
        wanted = {
            "mac": self.mac or None,
            "mtu": self.mtu or None,
            "up": self.up,
            "promisc": self.promisc,
            "allmulti": self.allmulti,
            "tx_queue_length": self.tx_queue_length,
        }
        return {
            name: value
            for name, value in wanted.items()
            if value is not None and value != getattr(link, name)
        }

    def document(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = json.loads(json.dumps(attrs.asdict(self), default=str))
        return found

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> LinkSettings:
        """From what `document` had made.

        Raises:
            ValueError: it is something else.
        """
        try:
            addresses = tuple(map(_address, document["addresses"]))
            routes = tuple(map(_route, document["routes"]))
            values: dict[str, Any] = {**document, "addresses": addresses, "routes": routes}
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as defect:
            raise ValueError(f"no settings of a link: {defect}") from defect


def _address(document: Mapping[str, Any]) -> Address:
    values: dict[str, Any] = {**document, "interface": ip_interface(document["interface"])}
    for key in ("peer", "broadcast"):
        values[key] = ip_address(values[key]) if values[key] is not None else None
    return Address(**values)


def _route(document: Mapping[str, Any]) -> KernelRoute:
    values: dict[str, Any] = {**document, "dst": ip_network(document["dst"])}
    for key in ("gw", "src"):
        values[key] = ip_address(values[key]) if values[key] is not None else None
    return KernelRoute(**values)
