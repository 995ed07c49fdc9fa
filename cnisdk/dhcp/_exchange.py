"""Talking to DHCP servers (RFC 2131): get a lease, extend it, give it back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk.dhcp import _options
from cnisdk.dhcp._interface import Interface
from cnisdk.dhcp._lease import Lease, client_id, now


if TYPE_CHECKING:
    from cnisdk._names import Attachment
    from cnisdk._net._kernel._dhcp import Packet
    from cnisdk.dhcp._options import Wishes

_DISCOVER, _OFFER, _REQUEST, _ACK, _NAK, _RELEASE = 1, 2, 3, 5, 6, 7
_FRAME = 4096
_MESSAGE_ROOM = (1500).to_bytes(2, "big")
_PAUSES = (2.0, 2.0, 2.0, 2.0, 8.0)
"""Seconds between attempts; then they double."""
_FIRST_WAITS = (0.15, 0.35, 0.75)
"""A bridge drops what comes before it knows that its new port is up, which takes the kernel up to a second."""
_UNFILTERED = {"ipvlan"}
"""Kinds of interfaces that share a hardware address, and get no frame for an address they do not have yet."""


class NoMoreTries(errors.TryAgainLater):
    """No server gave a lease in the time there was."""


class Refused(errors.CniError):
    """The server says that the lease is not the client's (any more)."""


@attrs.frozen(kw_only=True)
class Patience:
    """How long a client waits and tries; in seconds."""

    timeout: float = 10.0
    """The longest wait for an answer before a message is sent again; the first waits are shorter."""
    longest_pause: float = 62.0
    """The longest pause between two attempts to get a lease."""
    total: float = 208.0
    """After this time an attachment is refused."""
    broadcast: bool = False
    """Ask servers to broadcast their answers."""

    def waits(self) -> Iterable[float]:
        """How long to wait for the answer to each sending of a message."""
        later = (self.timeout / 4, self.timeout / 2, self.timeout)
        return [*(each for each in _FIRST_WAITS if each < self.timeout / 4), *later]

    def pauses(self) -> Iterable[float]:
        """How long to pause after each attempt; spread, so that many clients do not come at once."""
        pause = 0.0
        for pause in _PAUSES:
            yield min(pause, self.longest_pause) * random.uniform(0.5, 1.5)
        while True:
            pause = min(pause * 2, self.longest_pause)
            yield pause * random.uniform(0.9, 1.1)


class Client:
    """A DHCP client on an interface, for one exchange, to be closed after it.

    Args:
        interface: Where.
        attachment: Whose lease it is about; servers know it by this.
        wishes: Options to send and to ask for.
        patience: How long to try.
    """

    def __init__(
        self, interface: Interface, attachment: Attachment, wishes: Wishes, patience: Patience
    ) -> None:
        from cnisdk._net._kernel import _dhcp  # noqa: PLC0415  # 300 ms, while clients connect

        self._frames = _dhcp
        self._interface = interface
        self._attachment = attachment
        self._wishes = wishes
        self._patience = patience
        self._began = now()
        self._xid = random.getrandbits(32)
        self._broadcast = patience.broadcast or interface.link.kind in _UNFILTERED
        self._socket = _dhcp.open_socket(interface.netns_fd, interface.ifname)
        self._port = _dhcp.open_port(interface.netns_fd, interface.ifname)

    # ---- what a client does -----------------------------------------------------------------------

    async def acquire(self, until: float, *, address: str = "") -> Lease:
        """Get a lease.

        Args:
            until: When to give up.
            address: Only this one will do.

        Raises:
            NoMoreTries: nobody gave one.
        """
        for pause in self._patience.pauses():
            self._xid = random.getrandbits(32)
            lease = await self._attempt(until, address)
            if lease is not None:
                return lease
            if now() + pause >= until:
                await asyncio.sleep(max(until - now(), 0))
                break
            await asyncio.sleep(pause)
        raise NoMoreTries(
            "no more tries",
            hint=f'no DHCP server gave a lease to "{self._interface.ifname}" in '
            f"{now() - self._began:.0f} s; see that one is reachable and has free addresses",
        )

    async def _attempt(self, until: float, address: str) -> Lease | None:
        """Discover, offer, request, acknowledge."""
        wanted = {_options.REQUESTED_ADDRESS: _packed(address)} if address else {}

        def is_offer(packet: Packet) -> bool:
            return packet.kind == _OFFER and address in {"", packet.yiaddr}

        discover = self._message(_DISCOVER, wanted)
        offer = await self._ask(discover, is_offer, self._patience.waits(), until)
        if offer is None:
            return None
        server = offer.options.get(_options.SERVER) or _packed(offer.source)
        chosen = {_options.REQUESTED_ADDRESS: _packed(offer.yiaddr), _options.SERVER: server}

        def is_verdict(packet: Packet) -> bool:
            return packet.options.get(_options.SERVER, server) == server and (
                packet.kind == _NAK or (packet.kind == _ACK and packet.yiaddr == offer.yiaddr)
            )

        asked = now()
        request = self._message(_REQUEST, chosen)
        try:
            verdict = await self._ask(request, is_verdict, self._patience.waits(), until)
        except asyncio.CancelledError:
            await self.give_back(self._lease(offer, asked))
            raise
        if verdict is None or verdict.kind == _NAK:
            return None
        return self._lease(verdict, asked)

    async def confirm(self, address: str, until: float) -> Lease | None:
        """Ask whether an address that was leased before may still be used (INIT-REBOOT).

        Returns:
            The lease; None when no server knows of it.

        Raises:
            Refused: a server said no.
        """
        asked = now()
        request = self._message(_REQUEST, {_options.REQUESTED_ADDRESS: _packed(address)})
        answer = await self._ask(request, _is_verdict_on(address), self._patience.waits(), until)
        return self._extended(answer, asked)

    async def extend(self, lease: Lease, until: float, *, anybody: bool) -> Lease | None:
        """Renew a lease with its server, or rebind it with any; one question.

        Returns:
            The lease; None when nobody answered.

        Raises:
            Refused: a server said no.
        """
        asked = now()
        request = self._message(_REQUEST, {}, ciaddr=lease.address, source=lease.address)
        if not anybody:
            request = attrs.evolve(request, target=lease.server, target_mac=lease.server_mac)
        answer = await self._ask(
            request, _is_verdict_on(lease.address), [self._patience.timeout], until
        )
        return self._extended(answer, asked)

    async def give_back(self, lease: Lease) -> None:
        """Tell its server that a lease is needed no more; nobody answers that."""
        options = {_options.SERVER: _packed(lease.server)}
        message = self._message(_RELEASE, options, ciaddr=lease.address, source=lease.address)
        message = attrs.evolve(message, target=lease.server, target_mac=lease.server_mac)
        await self._send(message)

    # ---- messages -----------------------------------------------------------------------------------

    def _message(
        self, kind: int, options: dict[int, bytes], ciaddr: str = "", source: str = ""
    ) -> Packet:
        any_ = self._frames.ANY
        common: dict[int, bytes] = {_options.CLIENT: client_id(self._attachment)}
        if kind != _RELEASE:
            common[_options.PARAMETERS] = bytes(self._wishes.request)
            common[_options.LARGEST] = _MESSAGE_ROOM
            common |= self._wishes.provide
        elif _options.CLIENT in self._wishes.provide:
            common[_options.CLIENT] = self._wishes.provide[_options.CLIENT]
        return self._frames.Packet(
            xid=self._xid,
            options={_options.MESSAGE_TYPE: bytes([kind]), **common, **options},
            chaddr=self._interface.link.mac,
            # Who has an address can be sent to it.
            broadcast=self._broadcast and not ciaddr,
            ciaddr=ciaddr or any_,
            source=source or any_,
        )

    async def _ask(
        self,
        message: Packet,
        accept: Callable[[Packet], bool],
        waits: Iterable[float],
        until: float,
    ) -> Packet | None:
        """Send a message until the answer to it comes; None when none does."""
        for wait in waits:
            left = until - now()
            if left <= 0:
                return None
            await self._send(attrs.evolve(message, secs=int(now() - self._began)))
            try:
                async with asyncio.timeout(min(wait, left)):
                    return await self._answer(accept)
            except TimeoutError:
                continue
        return None

    async def _send(self, message: Packet) -> None:
        try:
            self._socket.send(self._frames.encode(message))
        except OSError:
            return  # down at the moment, or no room: as good as lost on the way

    async def _answer(self, accept: Callable[[Packet], bool]) -> Packet:
        loop = asyncio.get_running_loop()
        while True:
            try:
                frame = await loop.sock_recv(self._socket, _FRAME)
            except OSError:
                await asyncio.sleep(0.05)  # the interface went down; it may come back
                continue
            packet = self._frames.decode(frame)
            if packet is not None and packet.xid == self._xid and accept(packet):
                return packet

    def _extended(self, answer: Packet | None, asked: float) -> Lease | None:
        if answer is None:
            return None
        if answer.kind == _NAK:
            reason = _options.text(answer.options.get(_options.REASON))
            raise Refused(f"the DHCP server at {answer.source} refused: {reason or 'no reason'}")
        return self._lease(answer, asked)

    def _lease(self, answer: Packet, asked: float) -> Lease:
        servers = _options.addresses(answer.options.get(_options.SERVER))
        return Lease(
            attachment=self._attachment,
            netns=self._interface.namespace.path,
            place=self._interface.place,
            wishes=self._wishes,
            address=answer.yiaddr,
            options=answer.options,
            server=str(servers[0]) if servers else answer.source,
            server_mac=answer.source_mac,
            obtained=asked,
        )

    def close(self) -> None:
        """Let go of the sockets."""
        self._socket.close()
        if self._port is not None:
            self._port.close()


def _is_verdict_on(address: str) -> Callable[[Packet], bool]:
    def accept(packet: Packet) -> bool:
        return packet.kind == _NAK or (packet.kind == _ACK and packet.yiaddr == address)

    return accept


def _packed(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))
