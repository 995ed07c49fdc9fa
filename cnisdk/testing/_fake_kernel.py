"""A fake kernel: the primitives of `cnisdk._net._protocol.Kernel` over plain values.

A contract test runs it side by side with the real one, so that the two cannot drift apart.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, cast

import attrs

from cnisdk._deadline import Deadline
from cnisdk._net._protocol import ContainerLinkSpec, Kernel, PeerSpec
from cnisdk._net._types import Address, Link
from cnisdk.testing._fake_routing import FakeRouting
from cnisdk.testing._fake_shaping import FakeShaping
from cnisdk.testing._fake_space import PER_LINK_SYSCTLS
from cnisdk.testing._fake_vlans import DEFAULT_VLAN, OF_A_NEW_PORT, FakeVlans
from cnisdk.testing._state import LinkState


if TYPE_CHECKING:
    from cnisdk._result import IpInterface

_DEFAULT_MTU = 1500
_IFB_QUEUE = 32
_MTUS = (68, 65535)
_MADE_UP_MAC = "02:00:00:00:00:99"


class FakeKernel(FakeShaping, FakeRouting, FakeVlans):
    """One fake namespace."""

    # ---- links ----------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        """The link of this name."""
        state = self.by_name.get(name)
        if state is None:
            return None
        peer = self.peer(state)
        is_port = bool(state.master) and self.by_name[state.master].kind == "bridge"
        return Link(
            index=self.index(name),
            name=name,
            kind=state.kind,
            mac=state.mac,
            mtu=state.mtu,
            up=state.up,
            master=self.index(state.master) if state.master else None,
            alias=state.alias,
            operstate=self.operstate(name),
            lower_index=self.lower_index(state),
            mode=state.mode,
            vlan_id=state.vlan_id,
            vrf_table=state.vrf_table,
            parent=state.parent,
            owner=state.owner,
            group=state.group,
            multi_queue=state.multi_queue,
            peer_index=peer[0].index(peer[1]) if peer else None,
            promisc=state.promisc,
            allmulti=state.allmulti,
            tx_queue_length=state.tx_queue_length,
            promiscuity=int(state.promisc) + int(is_port),
            hairpin=state.hairpin if is_port else None,
            isolated=state.isolated if is_port else None,
            forwards=self.operstate(name) == "up" if is_port else None,
            vlan_filtering=state.vlan_filtering if state.kind == "bridge" else None,
            default_vlan=DEFAULT_VLAN if state.kind == "bridge" else 0,
        )

    def lower_index(self, state: LinkState) -> int | None:
        """Index of the link another one is on."""
        if state.lower is None:
            return None
        path, name = state.lower
        return self.machine.spaces[path].index(name)

    def peer(self, state: LinkState) -> tuple[FakeKernel, str] | None:
        """Where a veth's other end is."""
        space = self.machine.spaces.get(state.peer[0]) if state.peer else None
        if space is None or state.peer is None or state.peer[1] not in space.by_name:
            return None
        return space, state.peer[1]

    def operstate(self, name: str) -> str:
        """Whether packets can pass: a veth needs both ends up, a bridge a port that is up."""
        state = self.by_name[name]
        if not state.up:
            return "down"
        if state.kind == "veth":
            peer = self.peer(state)
            return "up" if peer and peer[0].by_name[peer[1]].up else "lowerlayerdown"
        if state.kind == "bridge":
            ports = [each for each, port in self.by_name.items() if port.master == name]
            return "up" if any(self.operstate(each) == "up" for each in ports) else "down"
        return "unknown"

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index."""
        try:
            return self.link(self.name(index))
        except OSError:
            return None

    def links(self) -> list[Link]:
        """All links."""
        return [link for link in map(self.link, list(self.by_name)) if link is not None]

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
        """Make a link."""
        self.machine.change(f"add {kind} {name}")
        if name in self.by_name:
            raise FileExistsError(errno.EEXIST, "File exists")
        state = LinkState(
            kind=kind,
            mac=mac,
            mtu=mtu or _DEFAULT_MTU,
            alias=alias,
            vlan_filtering=vlan_filtering,
        )
        if kind == "ifb":
            state = attrs.evolve(state, tx_queue_length=_IFB_QUEUE)
        if master is not None:
            if self.link_by_index(master) is None:
                raise OSError(errno.EINVAL, "Invalid argument")
            state = attrs.evolve(state, master=self.name(master), vlans=OF_A_NEW_PORT)
        if peer is not None:
            other = cast("FakeKernel", peer.kernel)
            if peer.name in other.by_name:
                raise FileExistsError(errno.EEXIST, "File exists")
            state = attrs.evolve(state, peer=(other.path, peer.name))
            far = LinkState(kind=kind, mac=peer.mac, mtu=state.mtu, peer=(self.path, name))
            other.put(peer.name, far)
        self.put(name, state)
        self.fit_mtu(state.master)
        return cast("Link", self.link(name))

    def add_container_link(
        self, name: str, spec: ContainerLinkSpec, *, into: Kernel, temporary: str, alias: str = ""
    ) -> Link:
        """Make a link in another namespace."""
        self.machine.change(f"add {spec.kind} {temporary}")
        other = cast("FakeKernel", into)
        if temporary in other.by_name:
            raise FileExistsError(errno.EEXIST, "File exists")
        lower = self.by_name[self.name(spec.lower)] if spec.lower else None
        state = LinkState(
            kind=spec.kind,
            mac=spec.mac or (lower.mac if lower and spec.kind != "macvlan" else _MADE_UP_MAC),
            mtu=spec.mtu or (lower.mtu if lower else _DEFAULT_MTU),
            mode=spec.mode,
            vlan_id=spec.vlan_id or 0,
            lower=(self.path, self.name(spec.lower)) if spec.lower else None,
        )
        other.put(temporary, state)
        other.change_link(other.index(temporary), name=name, alias=alias)
        return cast("Link", other.link(name))

    def add_tap(
        self, name: str, *, owner: int | None, group: int | None, multi_queue: bool
    ) -> Link:
        """Make a tap device."""
        self.machine.change(f"add tap {name}")
        if name in self.by_name:
            raise OSError(errno.EBUSY, "Device or resource busy")
        made = LinkState(
            kind="tun",
            mode="tap",
            mac=_MADE_UP_MAC,
            owner=owner,
            group=group,
            multi_queue=multi_queue,
        )
        self.put(name, made)
        return cast("Link", self.link(name))

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
        """Change what is given."""
        old = self.name(index)
        self.machine.change(f"change {old}")
        if into is not None:
            other = cast("FakeKernel", into)
            at = other.index(self.move(old, other, name))
            other.change_link(at, name=name, up=up, mac=mac, mtu=mtu, alias=alias)
            return
        name = self.rename(old, name) if name not in {"", old} else old
        state = self.by_name[name]
        if mtu and not _MTUS[0] <= mtu <= _MTUS[1]:
            raise OSError(errno.EINVAL, "Invalid argument")
        if (hairpin is not None or isolated is not None) and not state.master:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        given: dict[str, Any] = {"mac": mac or None, "mtu": mtu or None, "alias": alias}
        given |= {"promisc": promisc, "hairpin": hairpin, "isolated": isolated}
        given |= {"allmulti": allmulti, "tx_queue_length": tx_queue_length}
        given["vlan_filtering"] = vlan_filtering or None
        if master is not None:
            self.enslave(name, self.name(master) if master else "")
            state = self.by_name[name]
        changes = {key: value for key, value in given.items() if value is not None}
        self.by_name[name] = attrs.evolve(state, **changes)
        if mtu:
            self.fixed_mtus.add(name)
            self.fit_mtu(state.master)
        if up is not None and up != state.up:
            self.switch(name, up=up)

    def rename(self, old: str, new: str) -> str:
        """Give a link another name; it keeps its index."""
        if new in self.by_name:
            raise FileExistsError(errno.EEXIST, "File exists")
        self.by_name[new] = self.by_name.pop(old)
        self.order = [new if each == old else each for each in self.order]
        self.route_set = {
            (*each[:2], new, *each[3:]) if each[2] == old else each for each in self.route_set
        }
        self.repoint((self.path, old), (self.path, new))
        return new

    def remove_link(self, index: int) -> None:
        """Remove a link, its peer and its ports' membership."""
        name = self.name(index)
        self.machine.change(f"remove {name}")
        self.drop(name)

    def drop(self, name: str) -> None:
        """Take a link and its peer away."""
        peer = self.peer(self.by_name[name])
        state = self.by_name.pop(name)
        self.fixed_mtus.discard(name)
        self.route_set = {each for each in self.route_set if each[2] != name}
        self.values = {
            key: value
            for key, value in self.values.items()
            if not (key.startswith(PER_LINK_SYSCTLS) and key.split("/")[2] == name)
        }
        for other, each in self.by_name.items():
            if each.master == name:
                free = attrs.evolve(each, master="", hairpin=False, isolated=False, vlans=())
                self.by_name[other] = free
        self.fit_mtu(state.master)
        if peer is not None:
            peer[0].drop(peer[1])
        for space in self.machine.spaces.values():
            upper = [key for key, it in space.by_name.items() if it.lower == (self.path, name)]
            for key in upper:
                space.drop(key)

    # ---- waiting --------------------------------------------------------------------------------

    def wait_link(
        self, name: str, ready: Callable[[Link], bool], deadline: Deadline
    ) -> Link | None:
        """Nothing changes by itself here."""
        return self.link(name)

    def wait_addresses(
        self, index: int, deadline: Deadline, *, of: Collection[IpInterface] | None = None
    ) -> list[Address]:
        """No address is ever tentative here."""
        return self.addresses(index)

    def close(self) -> None:
        """Nothing to let go of."""
