#!/usr/bin/env python3
"""A correct port mapper: nft rules for `runtimeConfig.portMappings`."""

from __future__ import annotations

import ipaddress
import json
from typing import ClassVar

from _cni import INVALID, NOT_AS_EXPECTED, UNSUPPORTED_FIELD, CniError, Json
from _conntrack import forget_udp
from _filtering import Filtering
from _results import family


Mapping = tuple[str, int, str, int]  # protocol, port of the host, address and port of the container


class Portmap(Filtering):
    prefix = "double_portmap_"
    chains: ClassVar[dict[str, str]] = {
        "prerouting": "type nat hook prerouting priority -100",
        "output": "type nat hook output priority -100",
    }

    def validate(self) -> None:
        if self.command != "STATUS":
            self.previous()
        for row in self.mappings():
            self.validate_mapping(row)

    def mappings(self) -> list[Json]:
        runtime_config = self.config.get("runtimeConfig", {})
        rows = runtime_config.get("portMappings") if isinstance(runtime_config, dict) else 0
        rows = [] if rows is None else rows
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CniError(INVALID, "invalid network config: portMappings is not a list of objects")
        return rows

    def validate_mapping(self, row: Json) -> None:
        for key in ("hostPort", "containerPort"):
            if type(row.get(key)) is not int or not 0 < row[key] < 65536:
                raise CniError(INVALID, f"invalid network config: {key} is not a port")
        if row.get("protocol", "tcp") not in ("tcp", "udp"):
            raise CniError(
                UNSUPPORTED_FIELD,
                f"unsupported protocol in portMappings: {json.dumps(row['protocol'])}",
            )
        try:
            ipaddress.ip_address(row.get("hostIP") or "0.0.0.0")
        except ValueError:
            raise CniError(INVALID, "invalid network config: hostIP is not an address") from None

    # -- rules -----------------------------------------------------------------------------------

    def targets(self) -> list[str]:
        """The first address of each family the container has."""
        found: dict[str, str] = {}
        for ip in self.previous()["ips"]:
            address = str(ipaddress.ip_interface(str(ip.get("address"))).ip)
            found.setdefault(family(address), address)
        return list(found.values())

    def wanted_rules(self) -> list[tuple[str, str]]:
        return [
            (chain, self.rule(row, target))
            for row in self.mappings()
            for target in self.targets()
            if not row.get("hostIP") or family(row["hostIP"]) == family(target)
            for chain in self.chains
        ]

    def rule(self, row: Json, target: str) -> str:
        key = "ip6" if family(target) == "6" else "ip"
        port = f"{row.get('protocol', 'tcp')} dport {row['hostPort']}"
        to = f"[{target}]" if key == "ip6" else target
        action = f"dnat {key} to {to}:{row['containerPort']}"
        nfproto = "ipv6" if key == "ip6" else "ipv4"
        return f"meta nfproto {nfproto} {self.condition(row, key)} {port} {action}"

    def condition(self, row: Json, key: str) -> str:
        """Only what is meant for the host itself."""
        condition = "fib daddr type local"
        address = row.get("hostIP") or "0.0.0.0"
        if not ipaddress.ip_address(address).is_unspecified:
            condition += f" {key} daddr {address}"
        return condition

    @staticmethod
    def udp_ports(rules: list[Json]) -> set[int]:
        """The ports of the host whose UDP packets are rewritten."""
        return {port for protocol, port, _, _ in map(mapping_of, rules) if protocol == "udp"}

    def forget_connections(self, ports: set[int]) -> None:
        """What the kernel remembers would keep it from looking at the new rules."""
        forget_udp(ports)

    # -- the commands ----------------------------------------------------------------------------

    def add(self) -> Json | None:
        rules = self.wanted_rules()
        if rules:
            self.undo.append(self.remove_own_rules)
            try:
                self.add_rules(rules)
            except BaseException:
                self.roll_back()
                raise
            udp = {row["hostPort"] for row in self.mappings() if row.get("protocol") == "udp"}
            self.forget_connections(udp)
        return self.result()

    def result(self) -> Json:
        return {**self.config["prevResult"], "cniVersion": self.cni_version}

    def delete(self) -> None:
        self.forget_connections(self.udp_ports(self.remove_own_rules()))

    def check(self) -> None:
        wanted = {
            (row.get("protocol", "tcp"), row["hostPort"], target, row["containerPort"])
            for row in self.mappings()
            for target in self.targets()
            if not row.get("hostIP") or family(row["hostIP"]) == family(target)
        }
        if not wanted:
            return
        rules = self.own_rules()
        for chain in self.chains:
            there = {mapping_of(rule) for rule in rules if rule["chain"] == chain}
            self.compare(wanted, there)

    def compare(self, wanted: set[Mapping], there: set[Mapping]) -> None:
        for protocol, port, _, _ in wanted - there:
            raise CniError(NOT_AS_EXPECTED, f"the rule for {protocol} port {port} is missing")

    def gc(self) -> None:
        valid = self.valid_owners()
        if valid is not None:
            removed = self.remove_rules(lambda owner: owner not in valid)
            self.forget_connections(self.udp_ports(removed))

    def status(self) -> None:
        self.need("nft")


def mapping_of(rule: Json) -> Mapping:
    """What a rule does, from its listing."""
    protocol, port, address, to = "", 0, "", 0
    for part in rule["expr"]:
        left = part.get("match", {}).get("left", {}).get("payload", {})
        if left.get("field") == "dport":
            protocol, port = left["protocol"], part["match"]["right"]
        if "dnat" in part:
            address, to = part["dnat"].get("addr", ""), part["dnat"].get("port", 0)
    return protocol, port, address, to


if __name__ == "__main__":
    Portmap().main()
