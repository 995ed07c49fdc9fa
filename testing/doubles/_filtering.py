"""A plugin with rules of nft, for the small plugins that filter or translate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import ClassVar

from _cni import CniError, Json, tag
from _plugin import Plugin


class Filtering(Plugin):
    """A plugin with rules in an nft table of its own, each with its owner as comment."""

    chains: ClassVar[dict[str, str]]
    prefix: str

    @property
    def table(self) -> str:
        return self.prefix + tag(self.network)

    def rules(self) -> list[Json]:
        """The rules of the table, each with `chain`, `handle`, `comment` and `expr`."""
        try:
            output = self.run("nft", "-j", "-a", "list", "table", "inet", self.table)
        except CniError as failure:
            if "No such file or directory" in failure.details:
                return []
            raise
        return [row["rule"] for row in json.loads(output)["nftables"] if "rule" in row]

    def own_rules(self) -> list[Json]:
        return [rule for rule in self.rules() if rule.get("comment") == self.owner]

    def add_rules(self, rules: list[tuple[str, str]]) -> None:
        """Add rules, each with its chain, in one transaction; those of this owner are replaced."""
        with self.lock():
            lines = [f"delete {self.address_of(rule)}" for rule in self.own_rules()]
            lines.append(f"add table inet {self.table}")
            for chain, hook in self.chains.items():
                lines.append(f"add chain inet {self.table} {chain} {{ {hook} ; }}")
            for chain, rule in rules:
                lines.append(f'add rule inet {self.table} {chain} {rule} comment "{self.owner}"')
            self.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")

    def remove_rules(self, is_stale: Callable[[str], bool]) -> list[Json]:
        """Remove the rules of some owners, and the table with the last of them."""
        with self.lock():
            rules = self.rules()
            stale = [rule for rule in rules if is_stale(rule.get("comment", ""))]
            if len(stale) == len(rules) and rules:
                self.run("nft", "delete", "table", "inet", self.table)
            elif stale:
                lines = [f"delete {self.address_of(rule)}" for rule in stale]
                self.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")
        return stale

    def remove_own_rules(self) -> list[Json]:
        return self.remove_rules(lambda owner: owner == self.owner)

    def address_of(self, rule: Json) -> str:
        return f"rule inet {self.table} {rule['chain']} handle {rule['handle']}"
