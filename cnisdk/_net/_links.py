"""Making, changing and removing links."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._names import Attachment, short_hash, stale_owners
from cnisdk._net._protocol import PeerSpec
from cnisdk._net._space import Space
from cnisdk._net._types import Link, Veth
from cnisdk._result import Interface


if TYPE_CHECKING:
    from cnisdk._net._namespace import Namespace

_NAME_TRIES = 3
_PORT_SECONDS = 10.0
_MAC_BYTES = 6
_KINDS = {"veth", "macvlan", "ipvlan", "vlan", "dummy", "tun", "ifb"}


class LinkVerbs(Space):
    """The verbs of `Namespace` for links."""

    def add_veth(
        self,
        *,
        peer: str,
        into: Namespace,
        mac: str | None = None,
        mtu: int = 0,
        master: str | None = None,
        hairpin: bool = False,
        isolated: bool = False,
    ) -> Veth:
        """Make a veth pair: one end here, the other in a container.

        Args:
            peer: Name of the container's end.
            into: The container's namespace.
            mac: Hardware address of the container's end; None for a random one.
            mtu: Of both ends, in bytes; 0 for the kernel's default. A bridge whose MTU somebody set by
                hand is lowered to it, or frames from the bridge would be lost.
            master: Bridge the end here becomes a port of.
            hairpin: Bridge port flag: frames may go back out where they came in.
            isolated: Bridge port flag: no traffic with other isolated ports.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.InvalidConfig: ``mac`` is no hardware address (code 7).
        """
        mac = normal_mac(mac) if mac else random_mac()
        self._refuse_taken(peer, into)
        with self._named(f'veth for "{peer}" in {into}'):
            bridge = self.expect_link(master) if master else None
            spec = PeerSpec(kernel=into.kernel, name=peer, mac=mac)
            host = self._add_host_end(spec, into, mtu, bridge.index if bridge else None)
            self.set_sysctl(f"ipv6/conf/{host.name}/accept_ra", "0", required=False)
            self.kernel.change_link(
                host.index, up=True, hairpin=hairpin or None, isolated=isolated or None
            )
            if bridge is not None:
                self._spare_bridge(bridge, host, mtu)
        container = into.expect_link(peer)
        return Veth(self._shown(host), Interface(peer, mac, container.mtu, into.path))

    def _spare_bridge(self, bridge: Link, port: Link, mtu: int) -> None:
        """What a new port has done to a bridge, and has not.

        A bridge that somebody made without an address of its own has taken the port's: it gets back the
        one by which containers and neighbours know it, and keeps that from then on. The MTU follows the
        smallest port, but not where somebody has set it (W-BR-5).
        """
        now = self.kernel.link_by_index(bridge.index)
        if now is None:
            return
        # All zeros: its last port has gone before.
        if now.mac == port.mac != bridge.mac and bridge.mac.strip("0:"):
            self.kernel.change_link(bridge.index, mac=bridge.mac)
        if mtu and now.mtu > mtu:
            self.kernel.change_link(bridge.index, mtu=mtu)

    def _refuse_taken(self, name: str, space: Namespace) -> None:
        taken = space.link(name)
        if taken is not None:
            raise errors.InvalidEnvironment(
                f'CNI_IFNAME: interface "{name}" already exists in {space}',
                details=f"it is a {taken.kind or 'plain'} device with MAC {taken.mac}; a DEL of the "
                "earlier attachment removes it",
            )

    def _add_host_end(self, peer: PeerSpec, into: Namespace, mtu: int, master: int | None) -> Link:
        owner, rollback = self._owner, self._rollback
        if owner is not None and rollback is not None:
            # Queued first, so that nothing can come between making and queueing.
            rollback.add(self._remove_veths_of, owner)
        for name in self._veth_names():
            for _ in range(2):  # a second time after removing what a crash of an earlier ADD left
                try:
                    host = self.kernel.add_link(
                        name,
                        "veth",
                        mac=random_mac(),
                        mtu=mtu,
                        alias=owner.owner_tag if owner is not None else "",
                        master=master,
                        peer=peer,
                    )
                except FileExistsError:
                    self._refuse_taken(peer.name, into)
                    if not self._remove_if_owned(name):
                        break  # W-VETH-1: somebody else's; another name will do
                else:
                    if owner is None and rollback is not None:
                        rollback.add(self.remove_link, name)
                    return host
        raise errors.TryAgainLater(f"no free name for a veth on {self}")

    def _veth_names(self) -> list[str]:
        """The names this attachment's host end may have; the first one nearly always is it."""
        if self._owner is None:
            return [f"veth{os.urandom(4).hex()}" for _ in range(_NAME_TRIES)]
        return veth_names(self._owner)

    def set_up(self, name: str) -> None:
        """Set a link up."""
        self._change(name, up=True)

    def set_down(self, name: str) -> None:
        """Set a link down."""
        self._change(name, up=False)

    def set_mac(self, name: str, mac: str) -> None:
        """Change a link's hardware address."""
        self._change(name, mac=normal_mac(mac))

    def set_alias(self, name: str, alias: str) -> None:
        """Change a link's alias."""
        self._change(name, alias=alias)

    def set_attributes(
        self,
        name: str,
        *,
        mac: str = "",
        mtu: int = 0,
        promisc: bool | None = None,
        allmulti: bool | None = None,
        tx_queue_length: int | None = None,
    ) -> None:
        """Change attributes of a link; what is not given stays.

        Args:
            name: The link.
            mac: Hardware address.
            mtu: In bytes.
            promisc: Whether it receives everything.
            allmulti: Whether it receives all multicast packets.
            tx_queue_length: Length of the transmit queue, in packets.

        Raises:
            errors.InvalidConfig: ``mac`` is no hardware address (code 7).
            errors.CniError: the kernel refused; what it had changed before stays changed.
        """
        mac = normal_mac(mac) if mac else ""
        with self._named(f'interface "{name}"'):
            self.kernel.change_link(
                self.expect_link(name).index,
                mac=mac,
                mtu=mtu,
                promisc=promisc,
                allmulti=allmulti,
                tx_queue_length=tx_queue_length,
            )

    def _change(
        self, name: str, *, up: bool | None = None, mac: str = "", alias: str | None = None
    ) -> None:
        with self._named(f'interface "{name}"'):
            self.kernel.change_link(self.expect_link(name).index, up=up, mac=mac, alias=alias)

    def remove_link(self, name: str, *, kind: str = "") -> bool:
        """Remove a link, if it is there.

        Args:
            name: The link.
            kind: Leave a link of another kind alone; "" for any.

        Returns:
            Whether there was one.
        """
        with self._named(f'interface "{name}"'):
            link = self.kernel.link(name)
            if link is None or (kind and link.kind != kind):
                return False
            return self._remove(link)

    def remove_veth(self, peer: str, into: Namespace) -> bool:
        """Remove a veth pair by the name of its container end, unless it is another attachment's.

        A late DEL finds a namespace whose path, and an interface whose name, has been given to
        another container meanwhile (kubernetes#100648).

        Args:
            peer: The name of the container end.
            into: The container's namespace.

        Returns:
            Whether there was one to remove.
        """
        link = into.link(peer)
        if link is None or link.kind != "veth":
            return False
        host = self.peer_of(link)
        if host is not None and self._is_foreign(host):
            return False
        return into.remove_link(peer, kind="veth")

    def peer_of(self, link: Link) -> Link | None:
        """The end here of a veth whose other end is ``link``; None when there is none here."""
        with self._named(f'host end of "{link.name}"'):
            peer = self.kernel.link_by_index(link.peer_index) if link.peer_index else None
        if peer is None or peer.kind != "veth" or peer.peer_index != link.index:
            return None
        return peer

    def _is_foreign(self, link: Link) -> bool:
        owner = self._owner
        return owner is not None and owner.is_tag(link.alias) and not owner.owns(link.alias)

    def _remove(self, link: Link) -> bool:
        try:
            self.kernel.remove_link(link.index)
        except OSError as failure:
            if failure.errno in {errno.ENODEV, errno.ENXIO}:
                return False  # gone meanwhile, for example with the container
            raise
        return True

    def _remove_veths_of(self, attachment: Attachment) -> None:
        with self._named(f"links of {attachment}"):
            for name in veth_names(attachment):
                self._remove_if_owned(name, attachment)

    def _remove_if_owned(self, name: str, owner: Attachment | None = None) -> bool:
        owner = owner or self._owner
        link = self.kernel.link(name)
        return (
            link is not None and owner is not None and is_owned(link, owner) and self._remove(link)
        )

    def _retain_links(self, network: str, valid: Collection[Attachment]) -> None:
        is_stale = stale_owners(network, valid)
        with self._named(f"links of network {network}"):
            for link in self.kernel.links():
                if is_stale(link.alias):
                    self._remove(link)

    def wait_port_up(self, name: str) -> None:
        """Wait until a bridge port can forward.

        Raises:
            errors.TryAgainLater: it does not come up in time (code 11).
        """
        with (
            self._named(f'interface "{name}"'),
            self._deadline.step(f"waiting for {name} to come up"),
        ):
            budget = Deadline(min(self._deadline.remaining(), _PORT_SECONDS))
            link = self.kernel.wait_link(name, _can_forward, budget)
        if link is None or not _can_forward(link):
            state = "gone" if link is None else link.operstate
            raise errors.TryAgainLater(f"bridge port {name} does not come up: it is {state}")


def veth_names(attachment: Attachment) -> list[str]:
    """Names for an attachment's host end, by hash so that DEL finds it without asking anybody."""
    return [
        f"veth{short_hash(f'{attachment.key}-{attempt}')[:8]}" for attempt in range(_NAME_TRIES)
    ]


def is_owned(link: Link, owner: Attachment) -> bool:
    """Whether a link of one of the owner's names is the owner's.

    A kill between making and tagging leaves it without a tag, and down.
    """
    return owner.owns(link.alias) or (link.kind in _KINDS and not link.alias and not link.up)


def normal_mac(mac: str) -> str:
    """A hardware address in colon form.

    Raises:
        errors.InvalidConfig: not six bytes in hexadecimal, or no station's address (code 7).
    """
    digits = mac.replace(":", "").replace("-", "").replace(".", "").lower()
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) != _MAC_BYTES or raw[0] & 1 or not any(raw):
        raise errors.InvalidConfig(
            f'invalid hardware address "{mac}"',
            details="expected six bytes such as 02:00:00:00:00:01, neither all zero nor multicast",
        )
    return ":".join(f"{byte:02x}" for byte in raw)


def random_mac() -> str:
    """A hardware address of its own: locally administered, a station's."""
    raw = os.urandom(_MAC_BYTES)
    return ":".join(f"{byte:02x}" for byte in bytes([raw[0] & 0xFC | 0x02]) + raw[1:])


def _can_forward(link: Link) -> bool:
    return link.operstate in {"up", "unknown"}
