"""Links that exist before the container does: found by their device, lent to it, taken back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._net._addresses import AddressVerbs
from cnisdk._net._links import LinkVerbs, normal_mac
from cnisdk._net._routing import RoutingVerbs
from cnisdk._net._types import IFA_F_PERMANENT, Link
from cnisdk._result import Interface


if TYPE_CHECKING:
    from cnisdk._net._link_settings import LinkSettings
    from cnisdk._net._namespace import Namespace


_PROTO_RA = 9
"""Routes a router has advertised: it will do so again."""


class DeviceVerbs(LinkVerbs, AddressVerbs, RoutingVerbs):
    """The verbs of `Namespace` for links of hardware."""

    def link_by_mac(self, mac: str) -> Link | None:
        """The link with this hardware address; one with a device of its own before those on top of it.

        Args:
            mac: The address, in any of the usual forms.

        Raises:
            errors.InvalidConfig: it is no hardware address (code 7).
        """
        wanted = normal_mac(mac)
        with self._named(f"links of {self}"):
            found = [each for each in self.kernel.links() if each.mac == wanted]
        return min(found, key=lambda each: (bool(each.kind), each.index), default=None)

    def device_links(self, path: str) -> list[str]:
        """The names of a device's links, the first port first.

        Args:
            path: The device's directory below /sys.

        Raises:
            errors.CniError: there is no such device.
        """
        with self._named(f"device {path}"):
            return self.kernel.device_links(path)

    def device_driver(self, path: str) -> str | None:
        """The driver a device is bound to.

        Args:
            path: The device's directory below /sys.

        Returns:
            The driver's name, "" for a device without driver, None when there is no such device.
        """
        with self._named(f"device {path}"):
            try:
                return self.kernel.device_driver(path)
            except FileNotFoundError:
                return None

    def settings(self, name: str) -> LinkSettings:
        """What `take_back` has to bring back of a link.

        Raises:
            errors.CniError: there is no such link.
        """
        from cnisdk._net._link_settings import LinkSettings  # noqa: PLC0415  # few lend links

        link, routes = self.expect_link(name), self.routes(name)
        with self._named(f'addresses of "{name}"'):
            found = self.kernel.addresses(link.index)
            master = self.kernel.link_by_index(link.master) if link.master else None
        lasting = [each for each in found if each.flags & IFA_F_PERMANENT]
        return LinkSettings(
            name=name,
            alias=link.alias,
            mac=link.mac,
            mtu=link.mtu,
            up=link.up,
            promisc=link.promisc,
            allmulti=link.allmulti,
            tx_queue_length=link.tx_queue_length,
            master=master.name if master else "",
            sysctls=self._link_sysctls(name),
            addresses=tuple(each for each in lasting if not each.interface.is_link_local),
            routes=tuple(each for each in routes if each.protocol != _PROTO_RA),
        )

    def _link_sysctls(self, name: str) -> dict[str, str]:
        with self._named(f'sysctls of "{name}"'):
            return self.kernel.link_sysctls(name)

    def lend(self, link: LinkSettings, *, into: Namespace, rename: str) -> Interface:
        """Move a link of this namespace into a container; undone when ADD fails.

        Its alias becomes the name it had, as with Go's host-device.

        Args:
            link: The link, as `settings` has found it here.
            into: The container's namespace.
            rename: Its name in the container.

        Raises:
            errors.InvalidEnvironment: the container already has an interface of that name (code 4).
            errors.CniError: there is no such link, or the kernel does not let it go.
        """
        index = self.expect_link(link.name).index
        self._refuse_taken(rename, into)
        if self._rollback is not None:
            self._rollback.add(self.take_back, link, out_of=into)
        with self._named(f'interface "{link.name}" to {into}'):
            self.kernel.change_link(index, into=into.kernel, name=rename, alias=link.name)
        return into.interface(rename)

    def take_back(self, lent: LinkSettings, *, out_of: Namespace | None) -> bool:
        """Give a lent link its name and settings back, wherever it is by now.

        Args:
            lent: What it was like.
            out_of: The container's namespace; None when that has gone, and the kernel has moved what
                is no virtual link here, under the name it had there.

        Returns:
            Whether it was found.

        Raises:
            errors.CniError: another link has the name meanwhile; the link stays as it is.
        """
        space = self if out_of is None else out_of
        link = space.lent_link(lent)
        if link is None or (out_of is None and (link.alias, link.mac) != (lent.name, lent.mac)):
            return False
        if (out_of is not None or link.name != lent.name) and self.link(lent.name) is not None:
            raise errors.CniError(
                f'cannot return "{link.name}" of {space}: {self} has another interface "{lent.name}"',
                details=f"rename or remove that one: ip link set {lent.name} name NAME",
            )
        with self._named(f'interface "{lent.name}"'):
            into = None if out_of is None else self.kernel
            space.kernel.change_link(link.index, name=lent.name, into=into)
            self._make_like(lent)
            # Last: by the alias another try finds the link, should this one end half-way.
            self.kernel.change_link(self.expect_link(lent.name).index, alias=lent.alias)
        return True

    def lent_link(self, lent: LinkSettings) -> Link | None:
        """The link that is a lent one: by the alias it got, or by what it was like before.

        Args:
            lent: What it was like when it was lent.
        """
        with self._named(f"links of {self}"):
            links = self.kernel.links()
        aliased = [each for each in links if each.alias == lent.name]
        # Killed in between, it has no alias yet; and whoever rules in a container can change aliases.
        others = [each for each in links if each.mac == lent.mac and each.alias in {"", lent.alias}]
        found = [*aliased, *others]
        return min(
            found, key=lambda each: (each.mac != lent.mac, bool(each.lower_index)), default=None
        )

    def _make_like(self, lent: LinkSettings) -> None:
        link = self.expect_link(lent.name)
        self.kernel.change_link(link.index, **lent.differences(link))
        for setting, value in lent.sysctls.items():
            self.set_sysctl(setting, value, required=False)
        if lent.master:
            with _as_far_as_others_allow(), self._named(f'"{lent.name}" in "{lent.master}"'):
                self.kernel.change_link(link.index, master=self.expect_link(lent.master).index)
        self._bring_back_addresses(link, lent.addresses)
        if lent.up:
            with _as_far_as_others_allow():
                self._bring_back_routes(lent.name, lent.routes)


@contextmanager
def _as_far_as_others_allow() -> Generator[None]:
    """Other links may have changed meanwhile: the bridge has gone, the next hop's address has."""
    try:
        yield
    except errors.TryAgainLater:
        raise
    except errors.CniError:
        pass
