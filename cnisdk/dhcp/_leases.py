"""All leases of this node: one for each attachment, kept in memory and on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk.dhcp._exchange import Client, Patience
from cnisdk.dhcp._interface import Gone, Interface
from cnisdk.dhcp._keeper import Keeper
from cnisdk.dhcp._lease import Lease, now
from cnisdk.dhcp._options import Wishes


if TYPE_CHECKING:
    from cnisdk._log import Log
    from cnisdk._names import Attachment
    from cnisdk._store._records import Record, Store

_STORE_SECONDS = 10.0


@attrs.frozen(kw_only=True)
class Request:
    """What a plugin wants for an attachment."""

    attachment: Attachment
    netns: str = ""
    """Path of the container's namespace, as this process sees it."""
    wishes: Wishes = attrs.field(factory=Wishes)
    seconds: float = float("inf")
    """The time the plugin has."""


class Leases:
    """The leases.

    Args:
        store: Where they are kept; locked by the caller for as long as this lives.
        patience: How long to wait for servers.
        log: Told what happens.
    """

    def __init__(self, store: Store, patience: Patience, log: Log) -> None:
        self._store = store
        self._patience = patience
        self._log = log
        self._keepers: dict[Attachment, Keeper] = {}
        self._waiting: dict[Attachment, tuple[asyncio.Lock, list[None]]] = {}
        self._acquiring: dict[Attachment, asyncio.Task[Lease]] = {}

    def __len__(self) -> int:
        return len(self._keepers)

    def resume(self) -> None:
        """Go on with what an earlier daemon kept, where namespace and interface are still the same."""
        for key, record in self._store.items():
            try:
                lease = Lease.of_record(record.data)
                self._expect_place(lease, record)
            except (Gone, LookupError, TypeError, ValueError) as reason:
                self._log.info("lease not resumed", record=key, reason=str(reason))
                self._store.remove(key, Deadline(_STORE_SECONDS))
                continue
            self._log.info("lease resumed", lease=lease.address, attachment=str(lease.attachment))
            self._keep(lease)

    def _expect_place(self, lease: Lease, record: Record) -> None:
        if record.is_from_earlier_boot:
            raise Gone("the machine has been rebooted since")
        try:
            Interface.of(lease).close()
        except OSError as failure:
            # Not to be told now; the lease's next step will.
            self._log.warning("interface of a lease", lease=lease.address, reason=str(failure))

    async def allocate(self, request: Request) -> Lease:
        """The attachment's lease: the one it has, or a new one.

        Raises:
            errors.CniError: there is no such interface, or no server gives a lease.
        """
        attachment = request.attachment
        async with self._exclusive(attachment):
            with closing(Interface(request.netns, attachment.ifname)) as interface:
                keeper = self._keepers.get(attachment)
                if keeper is not None and _is_good(keeper, interface):
                    return attrs.evolve(keeper.lease, wishes=request.wishes)
                if keeper is not None:
                    await self._forget(keeper)
                lease = await self._acquired(request, interface)
            self._save(lease)
            self._keep(lease)
            self._log.info("lease got", lease=lease.address, attachment=str(attachment))
            return lease

    async def check(self, request: Request, addresses: Collection[str]) -> Lease:
        """The attachment's lease, once it is in order and for one of these addresses.

        A lease this daemon does not know, for it was got through another one, is asked about at the
        servers, and kept from then on.

        Raises:
            errors.CniError: says what is wrong.
        """
        attachment = request.attachment
        async with self._exclusive(attachment):
            with closing(Interface(request.netns, attachment.ifname)) as interface:
                keeper = self._keepers.get(attachment)
                if keeper is None:
                    keeper = await self._adopted(request, interface, addresses)
                lease = keeper.lease
                if keeper.trouble:
                    raise errors.CniError(f"{attachment}: {keeper.trouble}")
                if interface.place != lease.place:
                    raise errors.CniError(
                        f'{lease.address} was leased for another interface than the "'
                        f'{attachment.ifname}" that {request.netns} has now'
                    )
            self._expect_record(lease)
            if lease.address not in addresses:
                raise errors.CniError(
                    f"the lease of {attachment} is for {lease.address}, which prevResult has not",
                    details=f"prevResult has {', '.join(addresses) or 'no addresses'}",
                )
            return lease

    async def release(self, attachment: Attachment) -> None:
        """Give an attachment's lease back; one that is not there is no error."""
        if attachment in self._acquiring:
            self._acquiring[attachment].cancel()
        async with self._exclusive(attachment):
            keeper = self._keepers.get(attachment)
            if keeper is not None:
                await self._forget(keeper)

    async def retain(self, network: str, valid: Collection[Attachment]) -> list[Attachment]:
        """Give back all leases of a network but those of the valid attachments.

        Returns:
            The attachments whose leases were given back.
        """
        gone = [each for each in self._keepers if each.network == network and each not in valid]
        for attachment in gone:
            await self.release(attachment)
        return gone

    async def stop(self) -> None:
        """Stop the upkeep; the leases stay, for the next daemon."""
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers.values()))

    # ---- inside ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def _exclusive(self, attachment: Attachment) -> AsyncGenerator[None]:
        """One request about an attachment at a time (W-DH-8)."""
        lock, users = self._waiting.setdefault(attachment, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._waiting[attachment]

    def _expect_record(self, lease: Lease) -> None:
        """Without it, the next daemon would not know of the lease."""
        record = self._store.get(lease.attachment.key)
        if record is None or record.data != lease.record():
            path = f"{self._store.directory}/{lease.attachment.key}.json"
            raise errors.CniError(
                f"the record of the lease of {lease.address} is missing, or not as it was written: "
                f"{path}",
                details="it is written anew when the lease is renewed",
            )

    async def _acquired(self, request: Request, interface: Interface) -> Lease:
        attachment = request.attachment
        task = asyncio.create_task(self._acquire(request, interface))
        self._acquiring[attachment] = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise errors.TryAgainLater(f"{attachment} was released meanwhile") from None
        finally:
            del self._acquiring[attachment]

    async def _acquire(self, request: Request, interface: Interface) -> Lease:
        until = now() + min(self._patience.total, request.seconds)
        try:
            await interface.bring_up(min(self._patience.timeout, until - now()))
            with closing(self._client(interface, request)) as client:
                lease = await client.acquire(until)
                try:
                    _ = lease.interface
                except errors.CniError:
                    await client.give_back(lease)
                    raise
                return lease
        except BaseException:
            if not interface.link.up:  # it was down, so it is left like that
                with suppress(OSError):
                    interface.set_down()
            raise

    def _client(self, interface: Interface, request: Request) -> Client:
        return Client(interface, request.attachment, request.wishes, self._patience)

    async def _adopted(
        self, request: Request, interface: Interface, addresses: Collection[str]
    ) -> Keeper:
        until = now() + min(2 * self._patience.timeout, request.seconds)
        for address in addresses:
            if not interface.has_address(address):
                continue
            with closing(self._client(interface, request)) as client:
                lease = await client.confirm(address, until)
            if lease is not None:
                self._save(lease)
                return self._keep(lease)
        raise errors.CniError(
            f"the DHCP daemon keeps no lease of {request.attachment}",
            details="no server confirmed one either; delete the attachment and add it again",
        )

    def _keep(self, lease: Lease) -> Keeper:
        keeper = Keeper(
            lease, self._patience, on_change=self._save, on_end=self._ended, log=self._log
        )
        self._keepers[lease.attachment] = keeper
        keeper.start()
        return keeper

    async def _forget(self, keeper: Keeper) -> None:
        await keeper.stop()
        if not keeper.trouble:
            await keeper.give_back()
        lease = keeper.lease
        self._log.info("lease ended", lease=lease.address, attachment=str(lease.attachment))
        self._keepers.pop(keeper.lease.attachment, None)
        self._remove(keeper.lease)

    def _ended(self, keeper: Keeper) -> None:
        self._remove(keeper.lease)
        if not keeper.trouble:
            self._keepers.pop(keeper.lease.attachment, None)

    def _save(self, lease: Lease) -> None:
        try:
            self._store.put(lease.attachment.key, lease.record(), Deadline(_STORE_SECONDS))
        except errors.IoFailure as failure:
            # It works all the same, until the daemon is restarted.
            self._log.error("lease not saved", lease=lease.address, reason=str(failure))

    def _remove(self, lease: Lease) -> None:
        try:
            self._store.remove(lease.attachment.key, Deadline(_STORE_SECONDS))
        except errors.IoFailure as failure:
            self._log.error("record not removed", lease=lease.address, reason=str(failure))


def _is_good(keeper: Keeper, interface: Interface) -> bool:
    return (
        not keeper.trouble
        and keeper.lease.place == interface.place
        and now() < keeper.lease.expires
    )
