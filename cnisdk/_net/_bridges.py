"""Bridges, and the VLANs of their ports."""

from __future__ import annotations

import errno
from collections.abc import Collection

from cnisdk import errors
from cnisdk._names import short_hash
from cnisdk._net._links import LinkVerbs, random_mac
from cnisdk._net._protocol import PeerSpec
from cnisdk._net._types import Link, PortVlan
from cnisdk._result import Interface


_ALL_VLANS = range(1, 4095)
_NAME_BYTES = 15
_NAME_TRIES = 3


class BridgeVerbs(LinkVerbs):
    """The verbs of `Namespace` for bridges and VLANs."""

    def ensure_bridge(
        self,
        name: str,
        *,
        mtu: int = 0,
        promisc: bool | None = None,
        vlan_filtering: bool = False,
    ) -> Interface:
        """Make a bridge unless it is there, set it up.

        Args:
            name: The bridge's name.
            mtu: Of a new bridge, in bytes; 0 for the kernel's default. The kernel keeps the MTU of a
                bridge at that of its smallest port, see `add_veth`.
            promisc: Set the bridge promiscuous; None to leave it.
            vlan_filtering: Let the bridge tell VLANs apart; otherwise it is left as it is. The ports it
                has stay in the bridge's default VLAN.

        Raises:
            errors.InvalidConfig: the name is another device's (code 7).
            errors.CniError: the kernel has no VLAN filtering.
        """
        with self._named(f'bridge "{name}"'):
            bridge = self.kernel.link(name) or self._new_bridge(
                name, mtu, vlan_filtering=vlan_filtering
            )
            if bridge.kind != "bridge":
                raise errors.InvalidConfig(
                    f'"{name}" already exists but is not a bridge '
                    f"({bridge.kind or 'a plain device'})",
                    details="remove or rename it, or configure another bridge name",
                )
            if vlan_filtering and bridge.vlan_filtering is None:
                raise _no_filtering(name)
            # CVE-2020-10749: no router advertisements from containers, whoever made the bridge.
            self.set_sysctl(f"ipv6/conf/{name}/accept_ra", "0", required=False)
            wanted_promisc = promisc if promisc and not bridge.promiscuity else None
            # W-BR-5: a bridge that somebody else made is made to filter, too.
            turn_on = vlan_filtering and not bridge.vlan_filtering
            if not bridge.up or wanted_promisc or turn_on:
                self.kernel.change_link(
                    bridge.index, up=True, promisc=wanted_promisc, vlan_filtering=turn_on
                )
                return self.interface(name)
        return self._shown(bridge)

    def _new_bridge(self, name: str, mtu: int, *, vlan_filtering: bool) -> Link:
        try:
            # A MAC of its own: otherwise it changes with the lowest of its ports (cni#285).
            return self.kernel.add_link(
                name, "bridge", mac=random_mac(), mtu=mtu, vlan_filtering=vlan_filtering
            )
        except FileExistsError:
            return self.expect_link(name)  # another container's ADD was faster
        except OSError as failure:
            if vlan_filtering and failure.errno == errno.EOPNOTSUPP:
                raise _no_filtering(name) from None
            raise

    def set_port_vlans(
        self, port: str, *, pvid: int = 0, tagged: Collection[int] = (), keep_others: bool = False
    ) -> None:
        """Put a bridge port into VLANs.

        Args:
            port: The port.
            pvid: VLAN of the frames without a tag, 1 to 4094; 0 for none.
            tagged: VLANs of the frames with a tag.
            keep_others: Leave the port in the other VLANs it is in, such as the bridge's default VLAN;
                otherwise it is taken out of them.

        Raises:
            errors.CniError: the link is no port, or the kernel has no VLAN filtering.
        """
        with self._named(f'VLANs of the bridge port "{port}"'):
            self._set_port_vlans(self.expect_link(port), pvid, tagged, keep_others=keep_others)

    def _set_port_vlans(
        self, port: Link, pvid: int, tagged: Collection[int], *, keep_others: bool
    ) -> None:
        wanted = _vlans(pvid, tagged)
        others = set(_ALL_VLANS) - {each.id for each in wanted}
        self.kernel.change_port_vlans(
            port.index, add=wanted, remove=() if keep_others else sorted(others)
        )

    def expect_port_vlans(
        self, port: str, *, pvid: int = 0, tagged: Collection[int] = (), keep_others: bool = False
    ) -> None:
        """Raise an error when a bridge does not filter, or a port is in other VLANs than it should be.

        Args:
            port: The port.
            pvid: As for `set_port_vlans`.
            tagged: As for `set_port_vlans`.
            keep_others: The port is in the bridge's default VLAN, too; no other is expected.

        Raises:
            errors.CniError: names the port and the VLANs that are missing, altered or too many.
        """
        with self._named(f'VLANs of the bridge port "{port}"'):
            link = self.expect_link(port)
            bridge = self.kernel.link_by_index(link.master) if link.master else None
            if bridge is None or not bridge.vlan_filtering:
                raise errors.CniError(
                    f'the bridge of the port "{port}" does not tell VLANs apart any more',
                    details=f"vlan_filtering is off on {bridge.name}"
                    if bridge
                    else "it is no port",
                )
            wanted = {each.id: each for each in _vlans(pvid, tagged)}
            if keep_others and bridge.default_vlan:
                default = PortVlan(bridge.default_vlan, pvid=not pvid, untagged=True)
                wanted.setdefault(bridge.default_vlan, default)
            _compare(port, wanted, {each.id: each for each in self.kernel.port_vlans(link.index)})

    def ensure_vlan_gateway(
        self, bridge: str, vlan: int, *, keep_others: bool = False
    ) -> Interface:
        """Make the host's own interface in a VLAN of a bridge, unless it is there, and set it up.

        It is a veth pair: one end is named after bridge and VLAN, as ``cni0.100``, the other one is a
        port of the bridge. All containers of the VLAN share it.

        Args:
            bridge: The bridge; it tells VLANs apart.
            vlan: VLAN id, 1 to 4094.
            keep_others: As for `set_port_vlans`, for the end at the bridge.

        Returns:
            The end that takes the addresses.

        Raises:
            errors.InvalidConfig: the name is too long, or is another device's (code 7).
        """
        name = _gateway_name(bridge, vlan)
        with self._named(f'interface "{name}" of VLAN {vlan} on "{bridge}"'):
            master = self.expect_link(bridge, kind="bridge")
            end = self.kernel.link(name) or self._new_gateway(name, master)
            port = self._gateway_port(end)
            if port is None or port.master not in {None, master.index}:
                raise errors.InvalidConfig(
                    f'"{name}" already exists but leads not to the bridge "{bridge}"',
                    details=f"it is a {end.kind or 'plain'} device; remove or rename it, or configure "
                    "another bridge name",
                )
            # All of it each time: what a kill left half-made is completed, and nothing else changes.
            lower = master.mtu if end.mtu > master.mtu else 0
            for each in (end, port):
                self.set_sysctl(f"ipv6/conf/{each.name}/accept_ra", "0", required=False)
            if port.master is None or lower:
                self.kernel.change_link(port.index, master=master.index, mtu=lower)
            self._set_port_vlans(port, vlan, (), keep_others=keep_others)
            for each in (end, port):
                if not each.up or lower:
                    self.kernel.change_link(each.index, up=True, mtu=lower)
        return self._shown(end)

    def _new_gateway(self, name: str, master: Link) -> Link:
        peer = PeerSpec(kernel=self.kernel, name=name, mac=random_mac())
        for attempt in range(_NAME_TRIES):
            port = f"veth{short_hash(f'{name}-{attempt}')[:8]}"
            try:
                self.kernel.add_link(
                    port, "veth", mac=random_mac(), mtu=master.mtu, master=master.index, peer=peer
                )
            except FileExistsError:
                made = self.kernel.link(name)  # another container's ADD was faster
            else:
                made = self.kernel.link(name)
            if made is not None:
                return made
        raise errors.TryAgainLater(f'no free name for the veth of "{name}" on {self}')

    def _gateway_port(self, end: Link) -> Link | None:
        """The other end of a pair that is wholly here."""
        if end.kind != "veth" or not end.peer_index:
            return None
        port = self.kernel.link_by_index(end.peer_index)
        return port if port is not None and port.peer_index == end.index else None

    def expect_vlan_gateway(self, bridge: str, vlan: int, *, keep_others: bool = False) -> Link:
        """The host's interface in a VLAN of a bridge, as `ensure_vlan_gateway` makes it.

        Args:
            bridge: The bridge.
            vlan: VLAN id.
            keep_others: As for `expect_port_vlans`.

        Raises:
            errors.CniError: names what is missing or altered.
        """
        name = _gateway_name(bridge, vlan)
        end = self.expect_link(name, kind="veth", up=True)
        with self._named(f'the port of "{name}"'):
            port = self._gateway_port(end)
        if port is None or port.master != self.expect_link(bridge).index:
            raise errors.CniError(f'"{name}" is not connected to the bridge "{bridge}" any more')
        self._compare(port, up=True)
        self.expect_port_vlans(port.name, pvid=vlan, keep_others=keep_others)
        return end


def _gateway_name(bridge: str, vlan: int) -> str:
    name = f"{bridge}.{vlan}"
    if len(name.encode()) > _NAME_BYTES:
        # W-BR-8
        raise errors.InvalidConfig(
            f'bridge "{bridge}" with vlan {vlan}: the gateway\'s interface would be "{name}", which '
            f"is longer than {_NAME_BYTES} bytes",
            details="configure a shorter bridge name",
        )
    return name


def _vlans(pvid: int, tagged: Collection[int]) -> list[PortVlan]:
    found = [PortVlan(pvid, pvid=True, untagged=True)] if pvid else []
    return found + [PortVlan(each) for each in sorted(set(tagged) - {pvid})]


def _compare(port: str, wanted: dict[int, PortVlan], found: dict[int, PortVlan]) -> None:
    differences = [
        f"VLAN {each} is missing"
        if each not in found
        else f"it is in VLAN {found[each]} as well"
        if each not in wanted
        else f"VLAN {wanted[each]} is {found[each]}"
        for each in sorted({*wanted, *found})
        if wanted.get(each) != found.get(each)
    ]
    if differences:
        raise errors.CniError(
            f'bridge port "{port}": {differences[0]}', details="; ".join(differences[1:])
        )


def _no_filtering(name: str) -> errors.CniError:
    return errors.CniError(
        f'bridge "{name}": this kernel cannot tell VLANs apart',
        details="it was built without CONFIG_BRIDGE_VLAN_FILTERING; remove vlan and vlanTrunk",
    )
