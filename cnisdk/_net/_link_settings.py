"""What a link of the host was like before a container got it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen(kw_only=True)
class LinkSettings:
    """What a link of the host was like before it was lent to a container; all of it fits into JSON."""

    name: str
    """Its name."""
    alias: str = ""
    """Its alias."""
    mac: str = ""
    """Its hardware address."""
    mtu: int = 0
    """In bytes."""
    up: bool = False
    """Administrative state."""
    addresses: Sequence[str] = ()
    """Its addresses in CIDR notation, but for link-local ones."""
