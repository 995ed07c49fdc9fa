"""Masquerading by iptables, for configurations with ``"ipMasqBackend": "iptables"``.

iptables-nft keeps its rules where `_nft_wire` can read and delete them, so removing and checking
start no process. Only iptables-legacy does, and only where its nat table is in use (W-MASQ-3).
Adding is one ``iptables-save`` and one ``iptables-restore``, whatever is added (W-MASQ-4).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk._names import Attachment, short_hash
from cnisdk._net import _iptables
from cnisdk._net._iptables_programs import legacy, required
from cnisdk._net._masquerade_chain import (
    MULTICAST,
    FoundRule,
    Gone,
    belongs_to,
    by_chain,
    chain_name,
    doomed,
    ifname_mark,
    is_stale,
    lines,
    mark_of,
)
from cnisdk._net._nft_decode import network_text
from cnisdk._net._nft_wire import IPV4, IPV6, Wire, WireChain, WireRule


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._result import IpInterface

_LAYER = {4: "ip", 6: "ip6"}
_FAMILY = {4: IPV4, 6: IPV6}
_TABLES = {4: "iptables", 6: "ip6tables"}
_ATTEMPTS = 5


@attrs.frozen
class IptablesMasquerade:
    """The iptables form in one network namespace."""

    wire: Wire | None
    netns_fd: int | None
    deadline: Deadline | None

    def add(self, attachment: Attachment, addresses: Sequence[IpInterface]) -> None:
        """Masquerade what leaves the subnet of each address; replaces an earlier ADD's rules."""
        for version in (4, 6):
            wanted = [a for a in addresses if a.version == version]
            if wanted:
                self._add(version, attachment, wanted)
            else:
                self._remove((version,), chain_name(attachment), belongs_to(attachment))

    def _add(self, version: int, attachment: Attachment, addresses: Sequence[IpInterface]) -> None:
        chain, purpose = chain_name(attachment), f"masquerade {attachment}"
        reader = required(f"{_TABLES[version]}-save", purpose)
        writer = required(f"{_TABLES[version]}-restore", purpose)
        gone, ifname = belongs_to(attachment), ifname_mark(attachment.ifname)

        def read() -> _iptables.NatTable:
            return _iptables.save(reader, chain, netns_fd=self.netns_fd, deadline=self.deadline)

        def write(table: _iptables.NatTable) -> None:
            stale, _ = doomed(table.rules, chain, lambda m: gone(m) and m.ifname == ifname)
            kept = [rule.text for rule in table.rules if rule not in stale]
            script = [] if chain in table.chains else [f"-N {chain}"]
            script += [f"-D {rule.line}" for rule in stale]
            for address in addresses:
                *inner, jump = lines(attachment, address)
                script += [f"-A {line}" for line in inner]
                if _iptables.parse(f"*nat\n-A {jump}").rules[0].text not in kept:
                    script.append(f"-A {jump}")
            _iptables.restore(
                writer, script, purpose, netns_fd=self.netns_fd, deadline=self.deadline
            )

        _iptables.change(read, write)

    def remove(self, attachment: Attachment) -> None:
        """Remove the attachment's rules, whoever made them; nothing there costs two messages."""
        self._remove((4, 6), chain_name(attachment), belongs_to(attachment))

    def retain(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove the rules of a network that belong to no valid attachment."""
        gone = is_stale(network, valid)
        texts = [f'name: "{name}" id: "' for name in (network, short_hash(network))]
        versions = [
            version
            for version in (4, 6)
            if self.wire and any(self._read(version, text) for text in texts)
        ]
        self._sweep_kernel(versions, "", gone)
        for version in (4, 6):
            self._sweep_legacy(version, "", gone)

    def has_rules(self, attachment: Attachment) -> bool:
        """Whether there are rules in or to the attachment's chain."""
        return any(self._rules(version, chain_name(attachment)) for version in (4, 6))

    def expect(self, attachment: Attachment, addresses: Sequence[IpInterface]) -> None:
        """Raise `errors.CniError` naming the first rule that is missing or was changed."""
        chain, gone = chain_name(attachment), belongs_to(attachment)
        for version in sorted({address.version for address in addresses}):
            rules = self._rules(version, chain)
            owned = [rule for rule in rules if (mark := mark_of(rule)) and gone(mark)]
            inner = [rule.text for rule in owned if rule.chain == chain]
            jumps = [rule.text for rule in owned if rule.chain == "POSTROUTING"]
            for address in (a for a in addresses if a.version == version):
                source = f"{_LAYER[version]} saddr == {address.ip}"
                destination = f"{_LAYER[version]} daddr"
                accept = (f"{destination} == {network_text(address.network)}", "accept")
                masquerade = (f"{destination} != {MULTICAST[version]}", "masquerade")
                for where, place, wanted in (
                    (jumps, "POSTROUTING", (source, f"jump {chain}")),
                    (inner, chain, accept),
                    (inner, chain, masquerade),
                ):
                    if wanted not in where and (source, *wanted) not in where:
                        raise errors.CniError(
                            f"masquerading of {address.ip}: the iptables rule "
                            f'"{" ".join(wanted)}" is missing from chain {place}',
                            details=f"expected in table nat, for {attachment}",
                        )
                accepted, masqueraded = (
                    min(inner.index(each) for each in (what, (source, *what)) if each in inner)
                    for what in (accept, masquerade)
                )
                if masqueraded < accepted:
                    raise errors.CniError(
                        f"masquerading of {address.ip}: in chain {chain} the iptables rule "
                        f'"{" ".join(accept)}" comes too late'
                    )

    def _read(self, version: int, text: str) -> list[WireRule]:
        return self.wire.rules(_FAMILY[version], "nat", containing=text) if self.wire else []

    def _rules(self, version: int, chain: str) -> list[FoundRule]:
        found: list[FoundRule] = [*self._read(version, chain)]
        reader = legacy(_TABLES[version], "nat", self.netns_fd, "save")
        if not found and reader:
            saved = _iptables.save(reader, chain, netns_fd=self.netns_fd, deadline=self.deadline)
            found += saved.rules
        return found

    def _remove(self, versions: Sequence[int], chain: str, gone: Gone) -> None:
        wire = self.wire
        present = [v for v in versions if wire and wire.chain(_FAMILY[v], "nat", chain) is not None]
        self._sweep_kernel(present, chain, gone)
        for version in versions:
            self._sweep_legacy(version, chain, gone)

    def _sweep_kernel(self, versions: Sequence[int], only: str, gone: Gone) -> None:
        """Delete what iptables-nft made: rules first, then the chains nothing jumps to."""
        wire = self.wire
        if wire is None or not versions:
            return

        def going() -> list[WireRule | WireChain]:
            result: list[WireRule | WireChain] = []
            for version in versions:
                family = _FAMILY[version]
                for chain, related in by_chain(self._read(version, only or "CNI-"), only):
                    leaving, empty = doomed(related, chain, gone)
                    result += leaving
                    if empty and wire.chain(family, "nat", chain) is not None:
                        result.append(WireChain(family, "nat", chain))
            return result

        wire.delete_found(going)

    def _sweep_legacy(self, version: int, only: str, gone: Gone) -> None:
        reader, writer = (
            legacy(_TABLES[version], "nat", self.netns_fd, "save"),
            legacy(_TABLES[version], "nat", self.netns_fd, "restore"),
        )
        if not reader or not writer:
            return
        for attempt in range(_ATTEMPTS):
            table = _iptables.save(reader, only, netns_fd=self.netns_fd, deadline=self.deadline)
            script: list[str] = []
            for chain, related in by_chain(table.rules, only):
                leaving, empty = doomed(related, chain, gone)
                script += [f"-D {rule.line}" for rule in leaving]
                script += [f"-X {chain}"] if empty and chain in table.chains else []
            if not script:
                return
            try:
                _iptables.restore(
                    writer,
                    script,
                    "remove masquerading",
                    netns_fd=self.netns_fd,
                    deadline=self.deadline,
                )
            except errors.TryAgainLater:
                raise
            except errors.CniError:
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return
