"""Rules that plugins describe, in a real namespace: which backend does what."""

# ruff: noqa: PLC0415  # late imports: few plugins filter

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, cast


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._names import Attachment
    from cnisdk._net._conntrack import Flow
    from cnisdk._net._nft_wire import Wire
    from cnisdk._net._rules import Also, FoundRule, RuleTable
    from cnisdk._net._rules_iptables import IptablesRules


class RuleFilter(Protocol):
    """The part of `Firewall` for rules that plugins describe; see the verbs of `RuleVerbs`."""

    def add_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str = "",
    ) -> None:
        """Make what the tables say, in place of what an earlier ADD has made."""
        ...

    def remove_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str = "",
    ) -> list[FoundRule]:
        """Remove the attachment's rules and chains; returns the rules."""
        ...

    def retain_rules(
        self,
        network: str,
        valid: Collection[Attachment],
        tables: Sequence[RuleTable],
        also: Also | None,
    ) -> list[FoundRule]:
        """Remove those of the network that belong to no valid attachment; returns the rules."""
        ...

    def expect_rules(self, attachment: Attachment, tables: Sequence[RuleTable]) -> None:
        """Raise `errors.CniError` naming the first rule or chain that is missing or altered."""
        ...

    def rules(
        self, table: RuleTable, chains: Collection[str], ports: Collection[int] = ()
    ) -> list[FoundRule]:
        """The rules of some chains, or of all."""
        ...

    def has_shared(self, table: RuleTable) -> bool:
        """Whether any of the chains that attachments share is there."""
        ...

    def remove_unused(self, tables: Sequence[RuleTable]) -> None:
        """Remove the chains and rules that attachments share, where none has a rule there."""
        ...

    def forget_flows(
        self, version: int, protocol: str, port: int, unwanted: Callable[[Flow], bool]
    ) -> int:
        """Delete tracked connections to a port; returns how many."""
        ...


class KernelRules:
    """What `KernelFirewall` has of `RuleFilter`."""

    _netns_fd: int | None
    _deadline: Deadline | None
    _wire: Callable[[], Wire]
    _wire_if_any: Callable[[], Wire | None]
    _explained: Callable[[str], AbstractContextManager[None]]

    def add_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str = "",
    ) -> None:
        """See `RuleFilter.add_rules`."""
        from cnisdk._net import _rules_nft

        nft, iptables = _split(tables)
        with self._explained(f"add rules of {attachment}"):
            for table in iptables:
                self._rules_by_iptables().add(attachment, table, also)
            if nft:
                _rules_nft.add(
                    self._wire(),
                    attachment,
                    nft,
                    also,
                    containing=containing,
                    netns_fd=self._netns_fd,
                    deadline=self._deadline,
                )

    def remove_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str = "",
    ) -> list[FoundRule]:
        """See `RuleFilter.remove_rules`."""
        from cnisdk._net import _rules_nft

        with self._explained(f"remove rules of {attachment}"):
            return self._swept(
                tables,
                lambda wire, nft: _rules_nft.remove(
                    wire, attachment, nft, also, containing=containing
                ),
                lambda iptables, its: iptables.remove(attachment, its, also, containing),
            )

    def retain_rules(
        self,
        network: str,
        valid: Collection[Attachment],
        tables: Sequence[RuleTable],
        also: Also | None,
    ) -> list[FoundRule]:
        """See `RuleFilter.retain_rules`."""
        from cnisdk._net import _rules_nft

        with self._explained(f"remove stale rules of {network}"):
            return self._swept(
                tables,
                lambda wire, nft: _rules_nft.retain(wire, network, valid, nft, also),
                lambda iptables, its: iptables.retain(network, valid, its, also),
            )

    def _swept(
        self,
        tables: Sequence[RuleTable],
        by_nft: Callable[[Wire, list[RuleTable]], list[FoundRule]],
        by_iptables: Callable[[IptablesRules, list[RuleTable]], list[FoundRule]],
    ) -> list[FoundRule]:
        """Let each backend remove rules from its own tables; returns the rules."""
        nft, iptables = _split(tables)
        wire = self._wire_if_any()
        gone = by_nft(wire, nft) if nft and wire else []
        return gone + (by_iptables(self._rules_by_iptables(), iptables) if iptables else [])

    def expect_rules(self, attachment: Attachment, tables: Sequence[RuleTable]) -> None:
        """See `RuleFilter.expect_rules`."""
        from cnisdk._net import _rules_nft

        nft, iptables = _split(tables)
        with self._explained(f"check rules of {attachment}"):
            if nft:
                _rules_nft.expect(self._wire(), attachment, nft, deadline=self._deadline)
            for table in iptables:
                self._rules_by_iptables().expect(attachment, table)

    def rules(
        self, table: RuleTable, chains: Collection[str], ports: Collection[int] = ()
    ) -> list[FoundRule]:
        """See `RuleFilter.rules`."""
        from cnisdk._net import _rules_nft

        with self._explained(f"read the rules of table {table.family} {table.name}"):
            if table.backend == "iptables":
                return self._rules_by_iptables().read(table, chains, ports)
            wire = self._wire_if_any()
            return _rules_nft.read(wire, table, chains, ports) if wire else []

    def has_shared(self, table: RuleTable) -> bool:
        """See `RuleFilter.has_shared`."""
        from cnisdk._net import _rules_nft

        with self._explained(f"read the chains of table {table.family} {table.name}"):
            wire = self._wire_if_any()
            return wire is not None and _rules_nft.has_shared(wire, table)

    def remove_unused(self, tables: Sequence[RuleTable]) -> None:
        """See `RuleFilter.remove_unused`; what iptables-legacy has made stays."""
        from cnisdk._net import _rules_nft

        wire = self._wire_if_any()
        for table in tables if wire is not None else ():
            with self._explained(f"remove the chains of table {table.family} {table.name}"):
                _rules_nft.remove_unused(cast("Wire", wire), table)

    def forget_flows(
        self, version: int, protocol: str, port: int, unwanted: Callable[[Flow], bool]
    ) -> int:
        """See `RuleFilter.forget_flows`."""
        from cnisdk._net import _conntrack

        number = _conntrack.PROTOCOLS[protocol]
        with self._explained(f"forget connections to {protocol} port {port}"):
            return _conntrack.forget(
                self._wire(),
                version,
                port,
                lambda flow: flow.protocol == number and unwanted(flow),
            )

    def _rules_by_iptables(self) -> IptablesRules:
        from cnisdk._net._rules_iptables import IptablesRules

        return IptablesRules(self._wire_if_any(), self._netns_fd, self._deadline)


def _split(tables: Sequence[RuleTable]) -> tuple[list[RuleTable], list[RuleTable]]:
    """Tables of nftables, tables of iptables."""
    nft = [table for table in tables if table.backend == "nftables"]
    return nft, [table for table in tables if table.backend == "iptables"]
