"""The primitives of one network namespace: what the kernel does, and what the test kit's fake repeats."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import attrs


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._net._qdisc import Qdisc, Redirect
    from cnisdk._net._types import Address, KernelRoute, Link, PolicyRule, PortVlan
    from cnisdk._result import IpAddress, IpInterface


@attrs.frozen(kw_only=True)
class PeerSpec:
    """The other end of a veth pair to be made."""

    kernel: Kernel
    """The namespace it is made in."""
    name: str
    mac: str


@attrs.frozen(kw_only=True)
class ContainerLinkSpec:
    """A link to be made for a container: on top of another one (macvlan, ipvlan, vlan), or a dummy."""

    kind: str
    lower: int = 0
    """Index of the link it is on, in the namespace it is made from; 0 for none."""
    mode: str = ""
    vlan_id: int | None = None
    bcqueuelen: int = 0
    mac: str = ""
    mtu: int = 0


class Kernel(Protocol):
    """One network namespace.

    Every method raises OSError with the kernel's errno; `Namespace` turns that into a CniError.
    """

    def link(self, name: str) -> Link | None:
        """The link of this name."""
        ...

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index."""
        ...

    def links(self) -> list[Link]:
        """All links; a dump, for GC only."""
        ...

    def add_link(
        self,
        name: str,
        kind: str,
        *,
        mac: str,
        mtu: int = 0,
        alias: str = "",
        master: int | None = None,
        peer: PeerSpec | None = None,
        vlan_filtering: bool = False,
    ) -> Link:
        """Make a link; owner, MTU, MAC, master and peer are there as soon as the link is."""
        ...

    def add_container_link(
        self, name: str, spec: ContainerLinkSpec, *, into: Kernel, temporary: str, alias: str = ""
    ) -> Link:
        """Make a link in another namespace, on top of one of this namespace.

        The kernel looks for a link of the new one's name here too, so it gets a temporary name first.
        """
        ...

    def add_tap(
        self, name: str, *, owner: int | None, group: int | None, multi_queue: bool
    ) -> Link:
        """Make a tap device that stays when nobody has it open."""
        ...

    def change_link(
        self,
        index: int,
        *,
        name: str = "",
        master: int | None = None,
        up: bool | None = None,
        mac: str = "",
        mtu: int = 0,
        alias: str | None = None,
        promisc: bool | None = None,
        hairpin: bool | None = None,
        allmulti: bool | None = None,
        tx_queue_length: int | None = None,
        isolated: bool | None = None,
        vlan_filtering: bool = False,
        into: Kernel | None = None,
    ) -> None:
        """Change what is given, leave the rest.

        ``master`` 0 takes the link out of what it is in. ``into`` is another namespace to move it to,
        before all else: its name may be taken there when ``name`` is given.
        """
        ...

    def port_vlans(self, index: int) -> list[PortVlan]:
        """The VLANs of a bridge port, by id."""
        ...

    def change_port_vlans(
        self, index: int, *, add: Sequence[PortVlan], remove: Collection[int] = ()
    ) -> None:
        """Take a bridge port out of VLANs, then put it into others.

        With ``add`` also the flags of a VLAN it is in are changed; what is to be removed may be missing.
        """
        ...

    def remove_link(self, index: int) -> None:
        """Remove a link."""
        ...

    def addresses(self, index: int) -> list[Address]:
        """The addresses of a link."""
        ...

    def add_address(self, index: int, address: IpInterface) -> None:
        """Add an address."""
        ...

    def put_back_addresses(self, index: int, addresses: Sequence[Address]) -> None:
        """Add addresses as they were found; no duplicate address detection."""
        ...

    def remove_address(self, index: int, address: IpInterface) -> None:
        """Remove an address."""
        ...

    def routes(self) -> list[KernelRoute]:
        """All unicast routes of all tables but the local one."""
        ...

    def way_to(self, address: IpAddress) -> int | None:
        """Index of the link packets to an address go by; that of lo for a local one, None without route."""
        ...

    def configure(
        self,
        index: int,
        *,
        addresses: Sequence[IpInterface],
        routes: Sequence[KernelRoute],
        up: bool,
        dad: bool,
        connected: bool = True,
    ) -> None:
        """Add addresses, set the link up, add routes: one batch.

        With ``connected`` off, the kernel makes no routes to the addresses' subnets.
        """
        ...

    def change_routes(
        self, index: int, *, add: Sequence[KernelRoute], remove: Sequence[KernelRoute]
    ) -> None:
        """Add routes that are not there, behind others for the same; then remove those that are."""
        ...

    def policy_rules(self) -> list[PolicyRule]:
        """All policy rules that look into a table."""
        ...

    def add_policy_rule(self, rule: PolicyRule) -> None:
        """Add a policy rule."""
        ...

    def remove_policy_rule(self, rule: PolicyRule) -> None:
        """Remove a policy rule, if it is there."""
        ...

    def add_vrf(self, name: str, table: int) -> None:
        """Make a VRF."""
        ...

    def has_vrf(self) -> bool:
        """Whether the kernel knows VRFs."""
        ...

    def device_links(self, path: str) -> list[str]:
        """The links of a device below /sys, the first port first."""
        ...

    def device_driver(self, path: str) -> str:
        """The driver of a device below /sys; "" when it has none."""
        ...

    def exclusive(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Hold the namespace's lock; TimeoutError when the deadline comes first."""
        ...

    def wait_link(
        self, name: str, ready: Callable[[Link], bool], deadline: Deadline
    ) -> Link | None:
        """Wait for a state of a link; returns its last state when the deadline comes first."""
        ...

    def wait_addresses(
        self, index: int, deadline: Deadline, *, of: Collection[IpInterface] | None = None
    ) -> list[Address]:
        """Wait until no address is tentative, or none of some; returns the addresses as they are then."""
        ...

    def qdisc(self, index: int, parent: int) -> Qdisc | None:
        """The queueing discipline at a link's root or ingress; None where it is the kernel's own."""
        ...

    def set_qdisc(self, index: int, qdisc: Qdisc) -> None:
        """Make a queueing discipline, or give the one that is there these numbers."""
        ...

    def remove_qdisc(self, index: int, qdisc: Qdisc) -> None:
        """Remove a queueing discipline, with its filters."""
        ...

    def redirects(self, index: int) -> list[Redirect]:
        """The filters of a link that redirect what comes in, in their order."""
        ...

    def has_filters(self, index: int) -> bool:
        """Whether a link has any filter for what comes in."""
        ...

    def add_redirect(self, index: int, redirect: Redirect) -> None:
        """Send all that comes in by a link out by another one."""
        ...

    def remove_redirects(self, index: int, priority: int) -> None:
        """Remove the filters of one priority for packets that come in."""
        ...

    def sysctl(self, name: str) -> str | None:
        """A value below /proc/sys/net by slash-separated name; None when there is no such file."""
        ...

    def set_sysctl(self, name: str, value: str) -> None:
        """Write a value below /proc/sys/net."""
        ...

    def link_sysctls(self, name: str) -> dict[str, str]:
        """The settings of a link that are not what a new link gets, by name as for `sysctl`; no MTUs."""
        ...

    def identity(self) -> str:
        """What tells this namespace from all others that exist now."""
        ...

    def close(self) -> None:
        """Let go of the namespace."""
        ...
