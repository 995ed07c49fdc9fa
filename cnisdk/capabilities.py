"""Typed values of the well-known capabilities (CNI conventions)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import attrs

from cnisdk._config import config


if TYPE_CHECKING:
    from cnisdk._range_conf import IpRange

__all__ = ["PROTOCOLS", "Bandwidth", "IpRange", "PortMapping", "unsigned"]


PROTOCOLS = ("tcp", "udp", "sctp")
"""What a port mapping's protocol may be, in lower case."""
_LAST_PORT = 65535
unsigned: Callable[[Any, attrs.Attribute[int], int], Any] = attrs.validators.and_(
    attrs.validators.ge(0), attrs.validators.lt(2**64)
)
"""A validator: 0 to 2^64-1, as rates and bursts are sent to the kernel."""


@config
class PortMapping:
    """One entry of the ``portMappings`` capability."""

    host_port: int
    """Port on the host, 1 to 65535."""
    container_port: int
    """Port in the container, 1 to 65535."""
    protocol: str = "tcp"
    """tcp, udp or sctp."""
    host_ip: str = ""
    """Address on the host the mapping is bound to; "" for all."""

    def __attrs_post_init__(self) -> None:
        for what, port in (("container", self.container_port), ("host", self.host_port)):
            if not 0 < port <= _LAST_PORT:
                raise ValueError(f"Invalid {what} port number: {port}; must be 1 to {_LAST_PORT}")
        if self.proto not in PROTOCOLS:
            raise ValueError(f'protocol: must be tcp, udp or sctp, got "{self.protocol}"')
        if self.host_ip:
            ip_address(self.host_ip)

    @property
    def proto(self) -> str:
        """The protocol in lower case."""
        return self.protocol.lower()


@config
class Bandwidth:
    """The ``bandwidth`` capability; rates in bits per second, bursts in bits."""

    ingress_rate: int = attrs.field(default=0, validator=unsigned)
    """Limit of traffic into the container, bits per second; 0 for none."""
    ingress_burst: int = attrs.field(default=0, validator=unsigned)
    """Burst of traffic into the container, in bits."""
    egress_rate: int = attrs.field(default=0, validator=unsigned)
    """Limit of traffic out of the container, bits per second; 0 for none."""
    egress_burst: int = attrs.field(default=0, validator=unsigned)
    """Burst of traffic out of the container, in bits."""


def __getattr__(name: str) -> Any:
    if name == "IpRange":
        from cnisdk._range_conf import IpRange  # noqa: PLC0415  # for IPAM plugins alone

        return IpRange
    raise AttributeError(f"module 'cnisdk.capabilities' has no attribute '{name}'")
