"""Rules that plugins describe, in the fake packet filter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from cnisdk import errors
from cnisdk._names import Attachment, stale_owners
from cnisdk._net._conntrack import Flow
from cnisdk._net._rules import Also, FoundRule, Rule, RuleTable


class FakeRules:
    """Rules as (kind, owner tag, backend, family, table, chain, text, comment).

    Args:
        found: The namespace's rules, changed in place.
        change: Told before each change; fails at the chosen one.
    """

    def __init__(self, found: set[tuple[str, ...]], change: Callable[[str], None]) -> None:
        self.found = found
        self._change = change

    def add_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str = "",
    ) -> None:
        """Make what the tables say."""
        self._change("add rules")
        for table in tables:
            self._drop(table, lambda rule: attachment.owns(rule[1]), also)
            self.found.update(_wanted(attachment, table))

    def remove_rules(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str = "",
    ) -> list[FoundRule]:
        """Remove the attachment's rules."""
        return [
            gone
            for table in tables
            for gone in self._drop(table, lambda rule: attachment.owns(rule[1]), also)
        ]

    def retain_rules(
        self,
        network: str,
        valid: Collection[Attachment],
        tables: Sequence[RuleTable],
        also: Also | None,
    ) -> list[FoundRule]:
        """Remove the network's rules but for the valid attachments."""
        is_stale = stale_owners(network, valid)
        return [
            gone
            for table in tables
            for gone in self._drop(table, lambda rule: is_stale(rule[1]), also)
        ]

    def expect_rules(self, attachment: Attachment, tables: Sequence[RuleTable]) -> None:
        """Raise when a rule is missing."""
        for table in tables:
            for rule in _wanted(attachment, table):
                if rule not in self.found:
                    raise errors.CniError(f"the rule {rule[6]} in chain {rule[5]} is missing")

    def rules(
        self, table: RuleTable, chains: Collection[str], ports: Collection[int] = ()
    ) -> list[FoundRule]:
        """The rules of some chains, or of all."""
        return [
            _found(rule)
            for rule in sorted(self.found)
            if rule[2:5] == _place(table) and (not chains or rule[5] in chains)
        ]

    def has_shared(self, table: RuleTable) -> bool:
        """Whether there are rules that attachments share."""
        return any(rule[0] == "shared" and rule[2:5] == _place(table) for rule in self.found)

    def remove_unused(self, tables: Sequence[RuleTable]) -> None:
        """Remove the rules that attachments share, where none has a rule there."""
        for table in tables:
            there = [rule for rule in self.found if rule[2:5] == _place(table)]
            if all(rule[0] == "shared" for rule in there):
                self.found.difference_update(there)

    def forget_flows(
        self, version: int, protocol: str, port: int, unwanted: Callable[[Flow], bool]
    ) -> int:
        """Nothing passes here."""
        return 0

    def _drop(
        self, table: RuleTable, owned: Callable[[tuple[str, ...]], bool], also: Also | None
    ) -> list[FoundRule]:
        doomed = [
            rule
            for rule in sorted(self.found)
            if rule[0] == "rule"
            and rule[2:5] == _place(table)
            and (owned(rule) or (also is not None and not rule[1] and also(_found(rule))))
        ]
        self.found.difference_update(doomed)
        return [_found(rule) for rule in doomed]

    def _remove(self, kind: str, attachment: Attachment) -> None:
        self._keep(lambda rule: rule[0] != kind or not attachment.owns(rule[1]))

    def _retain(self, kind: str, network: str, valid: Collection[Attachment]) -> None:
        is_stale = stale_owners(network, valid)
        self._keep(lambda rule: rule[0] != kind or not is_stale(rule[1]))

    def _keep(self, wanted: Callable[[tuple[str, ...]], bool]) -> None:
        self.found.intersection_update([each for each in self.found if wanted(each)])


def _wanted(attachment: Attachment, table: RuleTable) -> list[tuple[str, ...]]:
    shared: list[tuple[str, ...]] = [
        ("shared", "", *_place(table), *_words(rule)) for rule in table.shared
    ]
    tag = attachment.owner_tag
    return shared + [("rule", tag, *_place(table), *_words(rule)) for rule in table.rules]


def _words(rule: Rule) -> tuple[str, str, str]:
    return rule.chain, rule.text, rule.comment or ""


def _place(table: RuleTable) -> tuple[str, str, str]:
    return table.backend, table.family, table.name


def _found(rule: tuple[str, ...]) -> FoundRule:
    return FoundRule(
        backend=rule[2],
        family=rule[3],
        table=rule[4],
        chain=rule[5],
        comment=rule[7] or rule[1],
        text=(rule[6],),
    )
