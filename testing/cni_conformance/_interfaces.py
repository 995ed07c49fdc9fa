"""Whether a container has an interface, asked of the kernel by name, however odd the name is."""

from __future__ import annotations

import socket

from cni_conformance import _kernel
from cni_conformance._testbed import Attachment


def has_interface(attachment: Attachment) -> bool:
    """Whether its namespace has an interface named CNI_IFNAME."""
    with _kernel.inside_netns(attachment.netns):
        try:
            return socket.if_nametoindex(attachment.ifname) > 0
        except OSError:
            return False
