"""What a container's interface is like, asked of the kernel."""

from __future__ import annotations

import json
import socket
from typing import Any

from cni_conformance import _kernel
from cni_conformance._testbed import Attachment


def has_interface(attachment: Attachment) -> bool:
    """Whether its namespace has an interface named CNI_IFNAME."""
    with _kernel.inside_netns(attachment.netns):
        try:
            return socket.if_nametoindex(attachment.ifname) > 0
        except OSError:
            return False


def link_of(attachment: Attachment) -> dict[str, Any] | None:
    """The interface CNI_IFNAME with its addresses, as ip(8) shows it; None when it is missing."""
    shown = attachment.testbed.command("ip", "-d", "-j", "addr", "show", inside=attachment.netns)
    links: list[dict[str, Any]] = json.loads(shown)
    return next((link for link in links if link.get("ifname") == attachment.ifname), None)


def has_address(attachment: Attachment, address: str) -> bool:
    """Whether the interface CNI_IFNAME has an address, given with its prefix length."""
    link = link_of(attachment) or {}
    return any(f"{row['local']}/{row['prefixlen']}" == address for row in link.get("addr_info", []))
