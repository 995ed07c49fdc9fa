r"""How reservations are named and written: the directory layout of the Go host-local plugin.

    <data dir>/<network>/lock                   flock(2)ed by whoever changes something
    <data dir>/<network>/<address>              "<container id>\r\n<ifname>"; its existence reserves
    <data dir>/<network>/last_reserved_ip.<n>   where round robin goes on in range set n
    <data dir>/.cnisdk-index/<network>/         see `cnisdk._store._index`

Both plugins may work on one directory at the same time. A network's name starts with a letter or
digit, so the index directory is nobody's network.
"""

from __future__ import annotations

import ipaddress
import os
import stat
import time
from typing import Final

import attrs

from cnisdk import errors
from cnisdk._names import Attachment, ifname_problem, is_identifier
from cnisdk._result import IpAddress
from cnisdk._store import _atomic


INDEX_DIRECTORY: Final = ".cnisdk-index"
LAST_RESERVED: Final = "last_reserved_ip."
LOCK: Final = "lock"


@attrs.frozen
class Holder:
    """Who holds an address."""

    container_id: str
    """The container's id; "" when the reservation is empty or damaged."""
    ifname: str
    """The interface's name; "" in reservations of old releases of the Go plugin."""
    since: float
    """When it was reserved, in seconds of the epoch."""

    def is_for(self, attachment: Attachment) -> bool:
        """Whether the attachment may use and release the reservation."""
        return self.container_id == attachment.container_id and self.ifname in {
            "",
            attachment.ifname,
        }

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        if not self.container_id:
            return f"a damaged reservation of {since}, which GC removes"
        interface = f" interface {self.ifname}" if self.ifname else ""
        return f"container {self.container_id}{interface} since {since}"


def file_name(address: IpAddress) -> str:
    """The file that reserves an address: its canonical text.

    Raises:
        errors.InvalidConfig: the address has a scope, such as fe80::1%eth0 (code 7).
    """
    text = str(address)
    if "%" in text:
        raise errors.InvalidConfig(f'address "{text}" has a scope; only the address is wanted')
    return text


def parse_owner(content: bytes) -> tuple[str, str] | None:
    """Container id and ifname from a reservation; None when it is empty or damaged."""
    text = content.decode(errors="surrogateescape").strip()
    container_id, _, ifname = text.partition("\n")
    container_id, ifname = container_id.strip(), ifname.strip()
    if not is_identifier(container_id) or (ifname and ifname_problem(ifname)):
        return None
    return container_id, ifname


def holder_in(fd: int, name: str) -> Holder | None:
    """Who holds the address of this file name in an opened directory; None when it is free."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        content = _atomic.read(fd, name, 4096) if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        return None
    container_id, ifname = parse_owner(content or b"") or ("", "")
    return Holder(container_id, ifname, found.st_mtime)


def as_address(name: str) -> IpAddress | None:
    """The address a file name stands for; None for the other files of the directory."""
    # Cheap first look: a search calls this for every file.
    if not name or name[0] not in "0123456789abcdef:":
        return None
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
