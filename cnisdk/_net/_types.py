"""Facts about links, addresses and routes as the kernel reports them."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from cnisdk._result import Interface, IpAddress, IpInterface, IpNetwork


IFA_F_NODAD = 0x02
IFA_F_NOPREFIXROUTE = 0x200
IFA_F_DADFAILED = 0x08
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80
MAIN_TABLE = 254
SCOPE_LINK = 253
SCOPE_HOST = 254
PROTO_KERNEL = 2
PROTO_BOOT = 3


@attrs.frozen(kw_only=True)
class Link:
    """A network interface as the kernel describes it."""

    index: int
    """Interface index in its namespace."""
    name: str
    """Interface name."""
    kind: str = ""
    """bridge, veth and so on; "" for a plain device."""
    mac: str = ""
    """Hardware address in colon form."""
    mtu: int = 0
    """In bytes."""
    up: bool = False
    """Administrative state."""
    master: int | None = None
    """Index of the bridge the link is a port of, or of the VRF it is in."""
    alias: str = ""
    """Free text; holds the owner tag of what the SDK makes."""
    operstate: str = "unknown"
    """up, down, lowerlayerdown, unknown and so on (RFC 2863)."""
    peer_index: int | None = None
    """Index of a veth's other end, in that end's namespace."""
    lower_index: int | None = None
    """Index of the link a macvlan, ipvlan or vlan is on, in that link's namespace."""
    mode: str = ""
    """Mode of a macvlan (bridge, private, vepa, passthru) or ipvlan (l2, l3, l3s); tap or tun."""
    vlan_id: int = 0
    """VLAN id of a vlan, 0 to 4094."""
    owner: int | None = None
    """User id that may open a tap; None for any user with the right to."""
    group: int | None = None
    """Group id that may open a tap; None for any."""
    multi_queue: bool | None = None
    """Whether a tap may be opened more than once; None where the kernel does not tell."""
    vrf_table: int = 0
    """Routing table of a VRF."""
    parent: str = ""
    """The device on a bus that the link belongs to, for example 0000:00:1f.6; "" for a virtual one."""
    parent_bus: str = ""
    """The bus that device is on: pci, virtio and so on."""
    bcqueuelen: int = 0
    """Broadcast queue length of a macvlan, in packets; 0 where the kernel does not tell."""
    promiscuity: int = 0
    """How many users want the link promiscuous."""
    promisc: bool = False
    """Whether it was set promiscuous."""
    allmulti: bool = False
    """Whether it was set to receive all multicast packets."""
    tx_queue_length: int = 0
    """Length of the transmit queue, in packets."""
    hairpin: bool | None = None
    """Bridge port flag; None when the link is no port."""
    isolated: bool | None = None
    """Bridge port flag; None when the link is no port."""
    forwards: bool | None = None
    """Whether a bridge port is in the state forwarding; None when the link is no port."""
    stp: bool = False
    """Whether a bridge runs the spanning tree protocol, which decides over its ports' states."""
    vlan_filtering: bool | None = None
    """Whether a bridge tells VLANs apart; None when the link is no bridge or the kernel cannot."""
    default_vlan: int = 0
    """VLAN that a bridge puts new ports into; 0 for none."""

    @property
    def is_bridge_port(self) -> bool:
        """Whether the link is a port of a bridge."""
        return self.forwards is not None


class PortVlan(NamedTuple):
    """A VLAN that a bridge port is in."""

    id: int
    """1 to 4094."""
    pvid: bool = False
    """Frames that come in without a tag belong to it."""
    untagged: bool = False
    """Its frames go out without a tag."""

    def __str__(self) -> str:
        return f"{self.id}{' pvid' * self.pvid}{' untagged' * self.untagged}"


@attrs.frozen(kw_only=True)
class Address:
    """An address on a link."""

    interface: IpInterface
    """Address with prefix length."""
    flags: int = 0
    """IFA_F_* bits."""
    peer: IpAddress | None = None
    """The other end of a point-to-point link, whose the prefix length is then; None for none."""
    broadcast: IpAddress | None = None
    """The subnet's broadcast address; None for none, or for IPv6."""
    label: str = ""
    """IPv4: the link's name, or that with a colon and more."""
    priority: int = 0
    """Metric of the subnet's route; 0 for the kernel's default."""
    scope: int = 0
    """0 global, 253 link, 254 host."""

    @property
    def tentative(self) -> bool:
        """Whether duplicate address detection is still under way."""
        return bool(self.flags & IFA_F_TENTATIVE)

    @property
    def duplicate(self) -> bool:
        """Whether duplicate address detection found another owner."""
        return bool(self.flags & IFA_F_DADFAILED)


@attrs.frozen(kw_only=True)
class KernelRoute:
    """A route, to be made or as found."""

    dst: IpNetwork
    """Destination."""
    gw: IpAddress | None = None
    """Next hop; None for a destination on the link."""
    index: int | None = None
    """Index of the outgoing link."""
    table: int = MAIN_TABLE
    """Routing table."""
    priority: int = 0
    """Metric; 0 for the kernel's default."""
    scope: int | None = None
    """0 global, 253 link, 254 host; None lets the kernel choose."""
    mtu: int = 0
    """Path MTU in bytes; 0 for none."""
    advmss: int = 0
    """Advertised segment size in bytes; 0 for none."""
    src: IpAddress | None = None
    """Source address for packets that have none yet."""
    protocol: int = PROTO_BOOT
    """Who made it: 2 the kernel, 3 an administrator's or a plugin's call, others see rt_protos."""
    onlink: bool = False
    """The gateway is on the link, even if no route says so."""


class PolicyRule(NamedTuple):
    """A policy rule: which packets look into which routing table."""

    src: IpNetwork | None
    """Packets from these addresses; None for all of the family."""
    table: int
    """The routing table they look into."""
    version: int
    """Address family, 4 or 6."""
    priority: int = 0
    """Rules are tried from the lowest number up; 0 lets the kernel choose when one is made."""
    other: bool = False
    """Whether it matches by more than the source: mark, interface, protocol and so on."""


@attrs.frozen
class Veth:
    """Both ends of a veth pair."""

    host: Interface
    """The end that stays on the host."""
    peer: Interface
    """The end in the container."""
