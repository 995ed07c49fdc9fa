"""Links that live in the container alone: on top of another link (macvlan, ipvlan, vlan), or a dummy."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk._names import Attachment, short_hash
from cnisdk._net._links import LinkVerbs, normal_mac
from cnisdk._net._protocol import ContainerLinkSpec
from cnisdk._net._types import MAIN_TABLE, Link
from cnisdk._result import Interface


if TYPE_CHECKING:
    from cnisdk._net._namespace import Namespace


class ContainerLinkVerbs(LinkVerbs):
    """The verbs of `Namespace` for links that are wholly in the container.

    `add_macvlan`, `add_ipvlan` and `add_vlan` are verbs of the namespace the master is in.
    """

    def add_macvlan(
        self,
        name: str,
        *,
        master: str,
        into: Namespace,
        mode: str = "bridge",
        mac: str | None = None,
        mtu: int = 0,
        bcqueuelen: int = 0,
    ) -> Interface:
        """Make a macvlan on a link of this namespace.

        Args:
            name: Its name in the container.
            master: The link here that it is on.
            into: The container's namespace.
            mode: bridge, private, vepa or passthru.
            mac: Hardware address; None for a random one.
            mtu: In bytes, at most the master's; 0 for the master's.
            bcqueuelen: Length of the queue for broadcasts, in packets; 0 for the kernel's default.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.InvalidConfig: ``mtu`` or ``mac`` cannot be (code 7).
        """
        mac = normal_mac(mac) if mac else ""
        spec = ContainerLinkSpec(kind="macvlan", mode=mode, mac=mac, mtu=mtu, bcqueuelen=bcqueuelen)
        return self._add_on_top(name, spec, master, into)

    def add_ipvlan(
        self, name: str, *, master: str, into: Namespace, mode: str = "l2", mtu: int = 0
    ) -> Interface:
        """Make an ipvlan on a link of this namespace.

        Args:
            name: Its name in the container.
            master: The link here that it is on.
            into: The container's namespace.
            mode: l2, l3 or l3s; all ipvlans of a master have the mode of the last one made.
            mtu: In bytes, at most the master's; 0 for the master's.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.InvalidConfig: ``mtu`` is larger than the master's (code 7).
        """
        spec = ContainerLinkSpec(kind="ipvlan", mode=mode, mtu=mtu)
        return self._add_on_top(name, spec, master, into)

    def add_vlan(
        self, name: str, *, master: str, vlan_id: int, into: Namespace, mtu: int = 0
    ) -> Interface:
        """Make a VLAN subinterface of a link of this namespace.

        Args:
            name: Its name in the container.
            master: The link here that it is on.
            vlan_id: 0 to 4094.
            into: The container's namespace.
            mtu: In bytes, at most the master's; 0 for the master's.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.InvalidConfig: ``mtu`` is larger than the master's (code 7).
        """
        spec = ContainerLinkSpec(kind="vlan", vlan_id=vlan_id, mtu=mtu)
        return self._add_on_top(name, spec, master, into)

    def add_dummy(
        self, name: str, *, into: Namespace, mac: str | None = None, mtu: int = 0
    ) -> Interface:
        """Make a dummy interface in a container.

        Args:
            name: Its name in the container.
            into: The container's namespace.
            mac: Hardware address; None for a random one.
            mtu: In bytes; 0 for the kernel's default.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.InvalidConfig: ``mac`` is no hardware address (code 7).
        """
        spec = ContainerLinkSpec(kind="dummy", mac=normal_mac(mac) if mac else "", mtu=mtu)
        with self._named(f'dummy "{name}" in {into}'):
            return self._add_to_container(name, spec, into)

    def add_tap(
        self,
        name: str,
        *,
        into: Namespace,
        mac: str | None = None,
        mtu: int = 0,
        master: str = "",
        owner: int | None = None,
        group: int | None = None,
        multi_queue: bool = False,
    ) -> Interface:
        """Make a tap device in a container, for a virtual machine to use.

        Args:
            name: Its name in the container.
            into: The container's namespace.
            mac: Hardware address; None for a random one.
            mtu: In bytes; 0 for the kernel's default.
            master: Bridge in the container the tap becomes a port of.
            owner: User id that may open it; None for any user with the right to.
            group: Group id that may open it; None for any.
            multi_queue: Whether it may be opened more than once, a queue each.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.InvalidConfig: ``mac`` is no hardware address (code 7).
        """
        mac = normal_mac(mac) if mac else ""
        with self._named(f'tap "{name}" in {into}'):
            bridge = into.expect_link(master, kind="bridge").index if master else None
            temporary, tag = self._announce(name, "tun", into)
            tap = into.kernel.add_tap(temporary, owner=owner, group=group, multi_queue=multi_queue)
            into.kernel.change_link(
                tap.index, name=name, alias=tag, mac=mac, mtu=mtu, master=bridge
            )
        return into.interface(name)

    def remove_interface(self, name: str, *, kind: str) -> bool:
        """Remove the container's interface, unless it is another attachment's or of another kind.

        Also removes what an ADD that was killed has left under a temporary name.

        Args:
            name: The interface.
            kind: For example "macvlan".

        Returns:
            Whether there was one to remove.
        """
        with self._named(f'interface "{name}"'):
            if self._owner is not None:
                self._remove_if_owned(_temporary(self._owner))
            link = self.kernel.link(name)
            if link is None or link.kind != kind or self._is_foreign(link):
                return False
            return self._remove(link)

    def default_interface(self) -> str:
        """The interface of the default route with the lowest metric, IPv4 before IPv6.

        Raises:
            errors.CniError: there is no default route.
        """
        with self._named(f"default route of {self}"):
            routes = [
                each
                for each in self.kernel.routes()
                if not each.dst.prefixlen and each.table == MAIN_TABLE and each.index
            ]
            routes.sort(key=lambda each: (each.dst.version, each.priority))
            link = self.kernel.link_by_index(routes[0].index or 0) if routes else None
        if link is None:
            raise errors.CniError(
                f"no default route interface found on {self}",
                details="name the interface with the key master",
            )
        return link.name

    def expect_on_top(self, link: Link, master: str) -> None:
        """Raise an error when a container's link is not on the link ``master`` of this namespace.

        Args:
            link: The macvlan, ipvlan or vlan.
            master: The link here that it should be on.

        Raises:
            errors.CniError: there is no such master, or it is on another one.
        """
        lower = self.expect_link(master)
        if link.lower_index != lower.index:
            raise errors.CniError(f'interface "{link.name}" is not on "{master}" of {self}')

    def _add_on_top(
        self, name: str, spec: ContainerLinkSpec, master: str, into: Namespace
    ) -> Interface:
        lower = self.link(master)
        if lower is None:
            raise errors.CniError(
                f'master: interface "{master}" not found in {self}',
                details="the interface this one is to be made on does not exist",
            )
        if not 0 <= spec.mtu <= lower.mtu:
            raise errors.InvalidConfig(
                f"invalid MTU {spec.mtu}, must be [0, master MTU({lower.mtu})]",
                hint=f'the key is mtu, the master is "{master}"',
            )
        with self._named(f'{spec.kind} "{name}" on "{master}"'):
            try:
                return self._add_to_container(name, attrs.evolve(spec, lower=lower.index), into)
            except FileExistsError:
                if spec.vlan_id is None:
                    raise
                raise errors.InvalidConfig(
                    f'VLAN {spec.vlan_id} of "{master}" is in use by another interface',
                    details="the kernel makes one for each master and VLAN, in whichever container it is",
                ) from None
            except OSError as failure:
                port_of = self.kernel.link_by_index(lower.master) if lower.master else None
                if failure.errno != errno.EBUSY or port_of is None:
                    raise
                text = f'"{master}" is in use: it is a port of "{port_of.name}"'
                raise OSError(errno.EBUSY, text) from failure

    def _add_to_container(self, name: str, spec: ContainerLinkSpec, into: Namespace) -> Interface:
        temporary, tag = self._announce(name, spec.kind, into)
        link = self.kernel.add_container_link(
            name, spec, into=into.kernel, temporary=temporary, alias=tag
        )
        return Interface(name, link.mac, link.mtu, into.path)

    def _announce(self, name: str, kind: str, into: Namespace) -> tuple[str, str]:
        """Make room for a new link; its temporary name and its owner tag."""
        owner, rollback = self._owner, self._rollback
        self._refuse_taken(name, into)
        temporary = _temporary(owner or Attachment("", into.path, name))
        if rollback is not None:
            # Queued first, so that nothing can come between making and queueing.
            rollback.add(into.remove_interface, name, kind=kind)
        into.remove_link(temporary, kind=kind)  # what a crash of an earlier ADD left
        return temporary, owner.owner_tag if owner is not None else ""


def _temporary(owner: Attachment) -> str:
    """A name until the link has its own, by hash so that DEL finds it without asking anybody."""
    return f"cni{short_hash(owner.key)[:10]}"
