"""What all verbs of a namespace stand on: its links by name, its sysctls, errors that name the object."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net._protocol import Kernel
from cnisdk._net._types import Link
from cnisdk._result import Interface, IpAddress


if TYPE_CHECKING:
    from cnisdk._names import Attachment
    from cnisdk._net._firewall import Firewall
    from cnisdk._rollback import Rollback


_UP = {True: "up", False: "down"}


class Space:
    """A network namespace: reading, comparing a link, sysctls."""

    def __init__(
        self,
        kernel: Kernel,
        firewall: Callable[[], Firewall],
        *,
        path: str = "",
        owner: Attachment | None = None,
        rollback: Rollback | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        """Wrap a kernel's namespace.

        Args:
            kernel: Links, addresses, routes, sysctls.
            firewall: Opens the packet filter when it is first needed.
            path: CNI_NETNS; "" for the host.
            owner: The attachment what is made here belongs to.
            rollback: Receives the undo steps.
            deadline: Bounds every wait.
        """
        self.path = path
        """CNI_NETNS as given; "" for the host. What a result's ``sandbox`` holds."""
        self.kernel = kernel
        """The primitives; for what the verbs do not cover."""
        self._open_firewall = firewall
        self._firewall: Firewall | None = None
        self._owner = owner
        self._rollback = rollback
        self._deadline = deadline or Deadline.never()

    def __str__(self) -> str:
        return self.path or "the host"

    def link(self, name: str) -> Link | None:
        """The link of this name; None when there is none."""
        with self._named(f'interface "{name}"'):
            return self.kernel.link(name)

    def interface(self, name: str) -> Interface:
        """A link as a result shows it.

        Raises:
            errors.CniError: there is no such link.
        """
        return self._shown(self.expect_link(name))

    def link_towards(self, address: IpAddress) -> Link | None:
        """The link that packets to an address leave by; None when there is no route.

        Args:
            address: The destination; one of this namespace's own addresses gives the link ``lo``.
        """
        with self._named(f"route to {address}"):
            index = self.kernel.way_to(address)
            return None if index is None else self.kernel.link_by_index(index)

    def expect_link(
        self,
        name: str,
        *,
        kind: str | None = None,
        mac: str | None = None,
        mtu: int | None = None,
        up: bool | None = None,
    ) -> Link:
        """The link of this name, as it should be.

        Args:
            name: The link.
            kind: Its kind.
            mac: Its hardware address.
            mtu: Its MTU in bytes.
            up: Its administrative state.

        Raises:
            errors.CniError: names the link and both values.
        """
        link = self.link(name)
        if link is None:
            raise errors.CniError(f'interface "{name}" not found in {self}')
        self._compare(link, kind=kind, mac=mac, mtu=mtu, up=up)
        return link

    def _compare(
        self,
        link: Link,
        *,
        kind: str | None = None,
        mac: str | None = None,
        mtu: int | None = None,
        up: bool | None = None,
    ) -> None:
        wanted: tuple[tuple[str, object, object], ...] = (
            ("kind", kind, link.kind),
            ("MAC", mac.lower() if mac else None, link.mac),
            ("MTU", mtu, link.mtu),
            ("state", None if up is None else _UP[up], _UP[link.up]),
        )
        for what, value, found in wanted:
            if value is not None and value != found:
                raise errors.CniError(
                    f'interface "{link.name}" in {self}: {what} is {found}, not {value}'
                )

    def sysctl(self, name: str) -> str | None:
        """A value below /proc/sys/net; None when the kernel has no such setting.

        Args:
            name: For example ``ipv4/conf/eth0/arp_notify``, or with dots and without ``net.``.
        """
        with self._named(f"sysctl {name}"):
            return self.kernel.sysctl(_sysctl_path(name))

    def expect_sysctl(self, name: str) -> str:
        """A value below /proc/sys/net that a configuration names.

        Args:
            name: As for `sysctl`.

        Raises:
            errors.InvalidConfig: the kernel has no such setting (code 7).
        """
        value = self.sysctl(name)
        if value is None:
            raise self._no_sysctl(name)
        return value

    def readable_sysctl(self, name: str) -> str | None:
        """A value as `expect_sysctl` gives it; None for a setting that can only be written now.

        Such are net.ipv4.route.flush, and the stable_secret of an interface before it has one.

        Args:
            name: As for `sysctl`.

        Raises:
            errors.InvalidConfig: the kernel has no such setting (code 7).
        """
        with self._named(f"sysctl {name}"):
            try:
                value = self.kernel.sysctl(_sysctl_path(name))
            except OSError as failure:
                if errors.is_shortage(failure):
                    raise
                return None
        if value is None:
            raise self._no_sysctl(name)
        return value

    def _no_sysctl(self, name: str) -> errors.InvalidConfig:
        return errors.InvalidConfig(f"sysctl: {name} does not exist in {self}")

    def set_sysctl(self, name: str, value: str, *, required: bool = True) -> None:
        """Write a value below /proc/sys/net, unless it is that already.

        Args:
            name: As for `sysctl`.
            value: The text to write.
            required: Fail when it cannot be written; otherwise a missing or read-only setting is fine.
        """
        path = _sysctl_path(name)
        with self._named(f"sysctl net/{path}"):
            try:
                if not self._is_set(path, value):
                    self.kernel.set_sysctl(path, value)
            except OSError as failure:
                if required or errors.is_shortage(failure):
                    raise

    def _is_set(self, path: str, value: str) -> bool:
        try:
            return self.kernel.sysctl(path) == value
        except OSError as failure:
            if errors.is_shortage(failure):
                raise
            return False  # some can only be written

    @property
    def identity(self) -> str:
        """What tells this namespace from all others that exist now, whatever paths lead to it."""
        return self.kernel.identity()

    def close(self) -> None:
        """Let go of the namespace. For who has opened it: what an operation has, the SDK closes."""
        if self._firewall is not None:
            self._firewall.close()
        self.kernel.close()

    @contextmanager
    def _named(self, what: str) -> Generator[None]:
        """Turn the kernel's error into one that names the object."""
        try:
            yield
        except TimeoutError as failure:
            raise errors.TryAgainLater(f"{what}: the kernel did not answer") from failure
        except OSError as failure:
            text = failure.strerror or str(failure)
            if errors.is_shortage(failure):
                raise errors.TryAgainLater(f"{what}: {text}") from failure
            name = errno.errorcode.get(failure.errno or 0, "")
            hint = "; the plugin needs CAP_NET_ADMIN" if failure.errno == errno.EPERM else ""
            raise errors.CniError(f"{what}: {text}", details=f"{name}{hint}") from failure

    def _shown(self, link: Link) -> Interface:
        return Interface(link.name, link.mac, link.mtu, self.path)


def _sysctl_path(name: str) -> str:
    """The name as a path: as in sysctl(8), the separator that comes first is the separator.

    With dots in front, a slash stands for a dot of an interface name: ``ipv4.conf.eth0/100.forwarding``.
    """
    dot, slash = name.find("."), name.find("/")
    if dot >= 0 and (slash < 0 or dot < slash):
        name = name.translate(str.maketrans("./", "/."))
    path = name.removeprefix("net/")
    if not all(part.strip(".") for part in path.split("/")):
        raise errors.InvalidConfig(
            f'"{name}" is no name of a sysctl below net', details="for example ipv4/ip_forward"
        )
    return path
