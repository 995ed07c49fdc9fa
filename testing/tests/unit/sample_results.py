"""A result with everything in it, and its parts as they are printed; addresses of any kind."""

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from hypothesis import strategies as st

from cnisdk._result import Dns, Interface, Ip, Result, Route


V2 = ("0.1.0", "0.2.0")
V4 = ("0.3.0", "0.3.1", "0.4.0")
V10 = ("1.0.0", "1.1.0")

FULL = Result(
    interfaces=(
        Interface("br0", "02:00:00:00:00:01", 1500),
        Interface(
            "eth0", "02:00:00:00:00:02", 9000, "/run/netns/c1", "/run/s.sock", "0000:00:1f.6"
        ),
    ),
    ips=(
        Ip(ip_interface("10.1.0.5/16"), ip_address("10.1.0.1"), 1),
        Ip(ip_interface("fd00::5/64"), ip_address("fd00::1"), 0),
    ),
    routes=(
        Route(ip_network("0.0.0.0/0"), ip_address("10.1.0.1"), 1400, 1360, 50, 0, 0),
        Route(ip_network("fd01::/64"), table=100, scope=253),
        Route(ip_network("10.9.0.0/16")),
    ),
    dns=Dns(("10.1.0.1",), "example.org", ("a.example.org",), ("ndots:5",)),
)

DNS = {
    "nameservers": ["10.1.0.1"],
    "domain": "example.org",
    "search": ["a.example.org"],
    "options": ["ndots:5"],
}
ROUTES: list[dict[str, Any]] = [
    {
        "dst": "0.0.0.0/0",
        "gw": "10.1.0.1",
        "mtu": 1400,
        "advmss": 1360,
        "priority": 50,
        "table": 0,
        "scope": 0,
    },
    {"dst": "fd01::/64", "table": 100, "scope": 253},
    {"dst": "10.9.0.0/16"},
]

addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(
    lambda ip: getattr(ip, "ipv4_mapped", None) is None
)
cidrs = st.builds(
    lambda ip, length: ip_interface(f"{ip}/{length % (ip.max_prefixlen + 1)}"),
    addresses,
    st.integers(0, 128),
)
