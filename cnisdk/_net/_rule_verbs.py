"""Packet-filter rules that a plugin describes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from cnisdk._net._filtering import FilterVerbs


if TYPE_CHECKING:
    from cnisdk._names import Attachment
    from cnisdk._net._conntrack import Flow
    from cnisdk._net._rules import Also, FoundRule, RuleTable
    from cnisdk._result import IpAddress


class RuleVerbs(FilterVerbs):
    """The verbs of `Namespace` for rules; `cnisdk.RuleTable` has an example."""

    def add_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        *,
        also: Also | None = None,
        containing: str = "",
    ) -> None:
        """Make what tables say, in place of what an earlier ADD of the attachment has made there.

        All tables of nftables change in one transaction, each table of iptables in one. When ADD fails,
        the rules are removed, and what attachments share too if this ADD has made it and no other uses it.

        Args:
            attachment: The owner.
            tables: What should be there.
            also: Tells rules that another implementation made of this attachment, to be replaced too.
            containing: A text that such rules contain, in comment or target; others need not be looked at.

        Raises:
            errors.CniError: nftables or iptables refused (code 999), with its own words.
            errors.TryAgainLater: the lock of iptables was held for too long (code 11).
        """
        if self._rollback is not None:
            new = [table for table in tables if not self.firewall.has_shared(table)]
            self._rollback.add(self.firewall.remove_unused, new)
            self._rollback.add(self.firewall.remove_rules, attachment, tables, also, containing)
        self.firewall.add_rules(attachment, tables, also, containing)

    def remove_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        *,
        also: Also | None = None,
        containing: str = "",
    ) -> list[FoundRule]:
        """Remove an attachment's rules, and its chains; needs nothing installed for nftables.

        Args:
            attachment: The owner.
            tables: Where to look: ``chains`` and ``own_chains`` count, ``rules`` do not.
            also: Tells rules that another implementation made of this attachment.
            containing: A text that such rules contain, in comment or target; others need not be looked at.

        Returns:
            The rules that were there.

        Raises:
            errors.CniError: the kernel or iptables refused (code 999).
        """
        return self.firewall.remove_rules(attachment, tables, also, containing)

    def retain_rules(
        self,
        network: str,
        valid: Collection[Attachment],
        tables: Sequence[RuleTable],
        *,
        also: Also | None = None,
    ) -> list[FoundRule]:
        """Remove the rules and chains of a network's attachments, but for the valid ones (GC).

        Args:
            network: The network's name.
            valid: Whose rules stay.
            tables: Where to look: ``chains`` count, ``own_chains`` and ``rules`` do not.
            also: Tells rules without owner tag that another implementation made, and that go too.

        Returns:
            The rules that were removed.

        Raises:
            errors.CniError: the kernel or iptables refused (code 999).
        """
        return self.firewall.retain_rules(network, valid, tables, also)

    def expect_rules(self, attachment: Attachment, tables: Sequence[RuleTable]) -> None:
        """Compare chains and rules with what `add_rules` makes.

        Args:
            attachment: The owner.
            tables: What should be there.

        Raises:
            errors.CniError: names the first chain or rule that is missing, altered or too much (code 999).
        """
        self.firewall.expect_rules(attachment, tables)

    def rules(
        self, table: RuleTable, chains: Collection[str] = (), *, ports: Collection[int] = ()
    ) -> list[FoundRule]:
        """The rules that are there.

        Args:
            table: Whose ``backend``, ``family`` and ``name`` count.
            chains: The chains to read; all of the table when empty.
            ports: Only rules that may compare one of these ports; a few others may come too.
        """
        return self.firewall.rules(table, chains, ports)

    def forget_flows(
        self,
        version: int,
        protocol: str,
        port: int,
        *,
        address: IpAddress | None = None,
        answered_by: IpAddress | None = None,
        not_answered_by: IpAddress | None = None,
    ) -> int:
        """Forget connections (conntrack) to a port of this host, so that their next packet meets the rules.

        Args:
            version: 4 or 6.
            protocol: ``tcp``, ``udp`` or ``sctp``.
            port: The port their first packet was sent to.
            address: The address it was sent to; None for any address of this namespace.
            answered_by: Only connections that this address answers, whatever they were sent to.
            not_answered_by: Not those that this address answers.

        Returns:
            How many there were.

        Raises:
            errors.CniError: the kernel refused (code 999).
        """

        def unwanted(flow: Flow) -> bool:
            if answered_by is not None:
                return flow.answered_by == answered_by
            if flow.answered_by == not_answered_by:
                return False
            return flow.destination == address if address else self._is_own(flow.destination)

        return self.firewall.forget_flows(version, protocol, port, unwanted)

    def _is_own(self, address: IpAddress) -> bool:
        link = self.link_towards(address)
        return link is not None and link.name == "lo"

    def firewall_backend(self) -> str:
        """``nftables`` where it can be used, else ``iptables``.

        Raises:
            errors.CniError: neither can be used; the details say why (code 999).
        """
        return self.firewall.choose(None, "add rules")
