"""Typed values of the well-known capabilities (CNI conventions)."""

from __future__ import annotations

from ipaddress import ip_address

from cnisdk._config import config
from cnisdk._result import IpNetwork


PROTOCOLS = ("tcp", "udp", "sctp")
"""What a port mapping's protocol may be, in lower case."""
_LAST_PORT = 65535


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

    ingress_rate: int = 0
    """Limit of traffic into the container, bits per second; 0 for none."""
    ingress_burst: int = 0
    """Burst of traffic into the container, in bits."""
    egress_rate: int = 0
    """Limit of traffic out of the container, bits per second; 0 for none."""
    egress_burst: int = 0
    """Burst of traffic out of the container, in bits."""


@config
class IpRange:
    """One range of the ``ipRanges`` capability."""

    subnet: IpNetwork
    """Subnet in CIDR notation."""
    range_start: str = ""
    """First address handed out; "" for the subnet's first."""
    range_end: str = ""
    """Last address handed out; "" for the subnet's last."""
    gateway: str = ""
    """Gateway of the subnet; "" for the subnet's first address."""
