"""Upkeep of one lease: renewed from T1 on, rebound from T2 on, given up when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk.dhcp._exchange import Client, NoMoreTries, Patience, Refused
from cnisdk.dhcp._interface import Gone, Interface
from cnisdk.dhcp._lease import Lease, now


if TYPE_CHECKING:
    from cnisdk._log import Log

_SHORTEST_PAUSE = 2.0
_LONGEST_SLEEP = 300.0
"""The loop's clock stands still in suspension, the lease's does not."""


class Keeper:
    """Keeps a lease in a task of its own, with nothing open between two exchanges.

    Args:
        lease: The lease.
        patience: How long to wait for answers.
        on_change: Called with every lease that takes the place of the one before.
        on_end: Called when there is nothing more to keep.
        log: Told what happens.
    """

    def __init__(
        self,
        lease: Lease,
        patience: Patience,
        *,
        on_change: Callable[[Lease], None],
        on_end: Callable[[Keeper], None],
        log: Log,
    ) -> None:
        self.lease = lease
        self.trouble = ""
        """Why the address may not be used any more; "" while it may."""
        self._patience = patience
        self._on_change = on_change
        self._on_end = on_end
        self._log = log
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep(), name=f"lease {self.lease.attachment}")

    async def stop(self) -> None:
        """End the upkeep; the lease itself stays as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def give_back(self) -> None:
        """Tell the server that the lease is needed no more, if its interface is still there."""
        try:
            with self._client() as client:
                await client.give_back(self.lease)
        except (errors.CniError, OSError) as failure:
            self._log.info("lease not given back", **self._fields(reason=str(failure)))

    async def _keep(self) -> None:
        try:
            if now() >= self.lease.expires:  # while no daemon was running
                self._replace(await self._regained(now() + 2 * self._patience.timeout))
            while True:
                await _sleep_until(self.lease.renew_at)
                self._replace(await self._extended())
        except Gone as gone:
            self._log.info("upkeep ended", **self._fields(reason=str(gone)))
            self._on_end(self)
        except (Refused, NoMoreTries) as lost:
            self.trouble = str(lost)
            self._stop_use()
            self._log.error("lease lost", **self._fields(reason=str(lost)))
            self._on_end(self)

    async def _extended(self) -> Lease:
        lease = self.lease
        while now() < lease.expires:
            rebinding = now() >= lease.rebind_at
            phase_end = lease.expires if rebinding else lease.rebind_at
            again = min(now() + max((phase_end - now()) / 2, _SHORTEST_PAUSE), phase_end)
            try:
                extended = await self._try(again, rebinding=rebinding)
            except Refused as no:
                # The server may have forgotten, and still give the same address.
                self._log.warning("renewal refused", **self._fields(reason=str(no)))
                return await self._regained(min(lease.expires, now() + 2 * self._patience.timeout))
            except OSError as failure:
                self._log.warning("renewal failed", **self._fields(reason=str(failure)))
                extended = None
            if extended is not None:
                return extended
            await _sleep_until(again)
        raise NoMoreTries(f"the lease of {lease.address} has expired; no server extended it")

    async def _try(self, until: float, *, rebinding: bool) -> Lease | None:
        with self._client() as client:
            half = (until + now()) / 2 if rebinding else until
            extended = await client.extend(self.lease, half, anybody=rebinding)
            if extended is not None or not rebinding:
                return extended
            # A server that was set up anew is silent about leases that it does not know.
            try:
                return await client.acquire(until, address=self.lease.address)
            except NoMoreTries:
                return None

    async def _regained(self, until: float) -> Lease:
        """Get the same address anew."""
        with self._client() as client:
            try:
                return await client.acquire(until, address=self.lease.address)
            except NoMoreTries:
                raise NoMoreTries(
                    f"no server gives {self.lease.address} to this client any more"
                ) from None

    @contextmanager
    def _client(self) -> Generator[Client]:
        lease = self.lease
        with (
            closing(Interface.of(lease)) as interface,
            closing(Client(interface, lease.attachment, lease.wishes, self._patience)) as client,
        ):
            yield client

    def _replace(self, lease: Lease) -> None:
        self.lease = lease
        self._log.debug("lease extended", **self._fields(seconds=lease.seconds))
        self._on_change(lease)

    def _stop_use(self) -> None:
        """RFC 2131 section 4.4.5: the client must stop using the address at once."""
        try:
            with closing(Interface.of(self.lease)) as interface:
                interface.set_down()
        except (errors.CniError, OSError) as failure:
            self._log.warning("interface not set down", **self._fields(reason=str(failure)))

    def _fields(self, **more: object) -> dict[str, object]:
        return {"lease": self.lease.address, "attachment": str(self.lease.attachment), **more}


async def _sleep_until(moment: float) -> None:
    while (left := moment - now()) > 0:  # noqa: ASYNC110  # it is about time
        await asyncio.sleep(min(left, _LONGEST_SLEEP))
