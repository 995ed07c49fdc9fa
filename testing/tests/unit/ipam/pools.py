"""Addresses to hand out, and results that name some."""

from typing import Any


RANGES = {"ranges": [[{"subnet": "10.1.2.0/24"}]]}
DUAL = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}
SMALL = {"ranges": [[{"subnet": "10.1.2.0/29"}]]}


def prev(*ips: str, version: str = "1.1.0") -> dict[str, Any]:
    return {"cniVersion": version, "ips": [{"address": each} for each in ips]}
