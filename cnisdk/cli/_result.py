"""A CNI result as a table."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from cnisdk._result_json import decode
from cnisdk.cli._output import clean, fields, print_table


def print_result(document: dict[str, Any], version: str) -> None:
    """Print interfaces with their addresses, routes and DNS of a CNI result."""
    result = decode(document, version, where="result")
    interfaces = list(result.interfaces)
    rows: list[list[str | Text]] = []
    for index, each in enumerate(interfaces):
        ips = [ip for ip in result.ips if ip.interface == index]
        rows.append(
            [
                Text(clean(each.name), "bold"),
                each.sandbox or "host",
                each.mac,
                "\n".join(str(ip.address) for ip in ips),
                "\n".join(str(ip.gateway or "") for ip in ips),
            ]
        )
    loose = [ip for ip in result.ips if ip.interface is None]
    columns = ["interface", "where", "mac", "address", "gateway"]
    rows.extend(["", "", "", str(ip.address), str(ip.gateway or "")] for ip in loose)
    if not interfaces:  # from an IPAM plugin
        columns, rows = columns[3:], [row[3:] for row in rows]
    if rows:
        print_table(columns, rows, whole=["mac", "address"])
    dns = result.dns
    fields(
        [
            (
                "routes",
                ", ".join(f"{r.dst} via {r.gw}" if r.gw else str(r.dst) for r in result.routes),
            ),
            ("dns", ", ".join(dns.nameservers)),
            ("domain", dns.domain),
            ("search", ", ".join(dns.search)),
        ]
    )
