"""What a link of the host was like before it was lent to a container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs

from cnisdk._net._types import KernelRoute
from cnisdk._result import IpInterface


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
    addresses: tuple[IpInterface, ...] = ()
    """Its addresses, but for link-local ones and those with an end."""
    routes: tuple[KernelRoute, ...] = ()
    """Its routes."""

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
            addresses = tuple(map(ip_interface, document["addresses"]))
            routes = tuple(map(_route, document["routes"]))
            values: dict[str, Any] = {**document, "addresses": addresses, "routes": routes}
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as defect:
            raise ValueError(f"no settings of a link: {defect}") from defect


def _route(document: Mapping[str, Any]) -> KernelRoute:
    values: dict[str, Any] = {**document, "dst": ip_network(document["dst"])}
    for key in ("gw", "src"):
        values[key] = ip_address(values[key]) if values[key] is not None else None
    return KernelRoute(**values)
