"""A fake packet filter: what `cnisdk._net._firewall.Firewall` promises, over plain values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._result import IpInterface
from cnisdk.testing._fake_rules import FakeRules


class FakeFirewall(FakeRules):
    """Masquerading and spoof checks as rules (kind, owner tag, what they match).

    Args:
        rules: The namespace's rules, changed in place.
        change: Told before each change; fails at the chosen one.
    """

    def __init__(self, rules: set[tuple[str, ...]], change: Callable[[str], None]) -> None:
        super().__init__(rules, change)

    def add_masquerade(
        self, attachment: Attachment, addresses: Sequence[IpInterface], *, backend: str | None
    ) -> None:
        """Masquerade the addresses."""
        self._change("add masquerade")
        self._remove("masquerade", attachment)
        for address in addresses:
            self.found.add(("masquerade", attachment.owner_tag, str(address)))

    def remove_masquerade(self, attachment: Attachment) -> None:
        """Remove the attachment's masquerading."""
        self._remove("masquerade", attachment)

    def retain_masquerade(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove the network's masquerading but for the valid attachments."""
        self._retain("masquerade", network, valid)

    def expect_masquerade(
        self, attachment: Attachment, addresses: Sequence[IpInterface], *, backend: str | None
    ) -> None:
        """Raise when a rule is missing."""
        for address in addresses:
            if ("masquerade", attachment.owner_tag, str(address)) not in self.found:
                raise errors.CniError(f"the masquerading rule for {address} is missing")

    def add_spoof_check(self, attachment: Attachment, ifname: str, mac: str) -> None:
        """Check the source MAC of a port."""
        self._change("add spoof check")
        self._remove("spoof", attachment)
        self.found.add(("spoof", attachment.owner_tag, f"{ifname} {mac}"))

    def remove_spoof_check(self, attachment: Attachment) -> None:
        """Remove the attachment's spoof check."""
        self._remove("spoof", attachment)

    def retain_spoof_checks(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove the network's spoof checks but for the valid attachments."""
        self._retain("spoof", network, valid)

    def expect_spoof_check(
        self, attachment: Attachment, ifname: str, mac: str, *, tagged: bool = False
    ) -> None:
        """Raise when the rule is missing."""
        if ("spoof", attachment.owner_tag, f"{ifname} {mac}") not in self.found:
            raise errors.CniError(f"the spoof check of {ifname} is missing")

    def usable(self, backend: str | None = None) -> str:
        """Always usable."""
        return ""

    def close(self) -> None:
        """Nothing to let go of."""

    def choose(self, backend: str | None, purpose: str) -> str:
        """Nftables unless told otherwise."""
        return backend or "nftables"
