"""Masquerading and MAC spoof checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnisdk._net._space import Space


if TYPE_CHECKING:
    from cnisdk._names import Attachment
    from cnisdk._net._firewall import Firewall
    from cnisdk._result import IpInterface


class FilterVerbs(Space):
    """The verbs of `Namespace` for its packet filter."""

    @property
    def firewall(self) -> Firewall:
        """Masquerading and spoof checks of this namespace."""
        if self._firewall is None:
            self._firewall = self._open_firewall()
        return self._firewall

    def add_masquerade(
        self,
        attachment: Attachment,
        addresses: Sequence[IpInterface],
        *,
        backend: str | None = None,
    ) -> None:
        """Masquerade what leaves the addresses' subnets.

        Args:
            attachment: The owner.
            addresses: The container's addresses with prefix length.
            backend: nftables, iptables, or None for nftables where it is usable.
        """
        if self._rollback is not None:
            self._rollback.add(self.firewall.remove_masquerade, attachment)
        self.firewall.add_masquerade(attachment, addresses, backend=backend)

    def expect_masquerade(
        self,
        attachment: Attachment,
        addresses: Sequence[IpInterface],
        *,
        backend: str | None = None,
    ) -> None:
        """Raise an error naming the masquerading rule that is missing or altered."""
        self.firewall.expect_masquerade(attachment, addresses, backend=backend)

    def add_spoof_check(self, attachment: Attachment, name: str, mac: str) -> None:
        """Drop frames from a container with another source than its own hardware address."""
        if self._rollback is not None:
            self._rollback.add(self.firewall.remove_spoof_check, attachment)
        self.firewall.add_spoof_check(attachment, name, mac)

    def expect_spoof_check(self, attachment: Attachment, name: str, mac: str) -> None:
        """Raise an error naming the spoof check rule that is missing or altered."""
        link = self.link(name)
        tagged = link is not None and attachment.owns(link.alias)  # else it is of the Go plugin
        self.firewall.expect_spoof_check(attachment, name, mac, tagged=tagged)

    def firewall_problem(self, backend: str | None = None) -> str:
        """Why rules cannot be made here; "" when they can.

        Args:
            backend: nftables, iptables, or None when either will do.
        """
        return self.firewall.usable(backend)
