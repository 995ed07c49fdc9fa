"""An interface in a container's namespace, opened for one exchange: nothing of it is held in between."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._net import Link, open_namespace
from cnisdk._net._netlink import Netlink
from cnisdk.dhcp._lease import Lease, Place, now


if TYPE_CHECKING:
    from cnisdk._net import Namespace

_GROUP_LINK = 1
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Why a namespace cannot be opened that may well be there."""


class Gone(errors.CniError):
    """The interface is not there any more, or is another one of the same name."""


class Interface:
    """An interface, to be closed after use.

    Args:
        netns: Path of its namespace.
        ifname: Its name.

    Raises:
        Gone: there is no such namespace or interface.
        OSError: it cannot be told at the moment.
    """

    def __init__(self, netns: str, ifname: str) -> None:
        self.ifname = ifname
        try:
            self.namespace: Namespace = open_namespace(netns)
        except errors.InvalidNetns as gone:
            reason = gone.__context__
            if isinstance(reason, OSError) and reason.errno in _PASSING:
                raise reason from None
            raise Gone(gone.msg, details=gone.details) from None
        try:
            self.link: Link = self._look_up()
            self.netns_fd = self._descriptor()
            status = os.fstat(self.netns_fd)
        except BaseException:
            self.close()
            raise
        self.place = Place(device=status.st_dev, inode=status.st_ino, index=self.link.index)

    @classmethod
    def of(cls, lease: Lease) -> Interface:
        """The interface a lease was given to.

        Raises:
            Gone: it is there no more.
        """
        found = cls(lease.netns, lease.attachment.ifname)
        if found.place != lease.place:
            found.close()
            raise Gone(
                f'the interface "{lease.attachment.ifname}" in {lease.netns} is not the one that '
                f"{lease.address} was leased for",
                details=f"expected {lease.place}, found {found.place}",
            )
        return found

    async def bring_up(self, seconds: float) -> None:
        """Set it up; wait until it can send, or the time is over."""
        loop = asyncio.get_running_loop()
        until = now() + seconds
        events = Netlink(self.netns_fd, _GROUP_LINK)
        woken = asyncio.Event()
        loop.add_reader(events.fileno(), woken.set)
        try:
            if not self.link.up:
                self.namespace.kernel.change_link(self.link.index, up=True)
            while self._look_up().operstate not in {"up", "unknown"}:
                await asyncio.wait_for(woken.wait(), max(until - now(), 0.001))
                woken.clear()
                events.wait(0)
        except TimeoutError:
            return  # it may still work: not every driver tells
        finally:
            loop.remove_reader(events.fileno())
            events.close()

    def set_down(self) -> None:
        """Stop all traffic."""
        self.namespace.kernel.change_link(self.link.index, up=False)

    def has_address(self, address: str) -> bool:
        """Whether it has an address."""
        found = self.namespace.kernel.addresses(self.link.index)
        return any(str(each.interface.ip) == address for each in found)

    def close(self) -> None:
        """Let go of it."""
        self.namespace.kernel.close()

    def _look_up(self) -> Link:
        link = self.namespace.kernel.link(self.ifname)
        if link is None:
            raise Gone(f'error looking up "{self.ifname}": Link not found')
        return link

    def _descriptor(self) -> int:
        fd: int | None = getattr(self.namespace.kernel, "netns_fd", None)
        if fd is None:
            raise Gone("the namespace has no descriptor")
        return fd
