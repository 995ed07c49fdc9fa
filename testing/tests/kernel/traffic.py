"""Servers and clients in the namespaces of a test machine: real packets, no processes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from machine import Machine, Netns

from cnisdk._names import Attachment


SECONDS = 2.0
_KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@contextmanager
def serving(netns: Netns, protocol: str, port: int, *, version: int = 4) -> Generator[None]:
    """A server that answers each client with the address it sees it by."""
    with netns.entered():
        server = socket.socket(_family(version), _KIND[protocol])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if version == 6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind(("", port))
    if protocol == "tcp":
        server.listen()

    def serve() -> None:
        with suppress(OSError):
            while True:
                if protocol == "tcp":
                    client, address = server.accept()
                    client.sendall(address[0].encode())
                    client.close()
                else:
                    _, address = server.recvfrom(100)
                    if not address:
                        return  # shut down
                    server.sendto(address[0].encode(), address)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(SECONDS)


def asked(
    netns: Netns,
    protocol: str,
    address: str,
    port: int,
    *,
    source_port: int = 0,
    seconds: float = SECONDS,
) -> str:
    """Whom the server takes a client in this namespace for; "" when there is no answer."""
    family = _family(6 if ":" in address else 4)
    with netns.entered():
        client = socket.socket(family, _KIND[protocol])
    with client:
        client.settimeout(seconds)
        if source_port:
            client.bind(("", source_port))
        try:
            client.connect((address, port))
            if protocol == "udp":
                client.send(b"?")
            return client.recv(100).decode()
        except OSError:
            return ""


def awake(*spaces: Netns) -> None:
    """Loopback up, and no waiting for duplicates of IPv6 addresses on the links to come."""
    for space in spaces:
        space.ip("link set lo up")
        for each in ("all", "default"):
            space.set_sysctl(f"ipv6/conf/{each}/accept_dad", "0")


def neighbour(machine: Machine, number: int = 2) -> Netns:
    """Another machine on a network with the host: 192.0.N.2 and 2001:db8:N::2; the host has .1 and ::1."""
    other, host = machine.container(), machine.host
    awake(host, other)
    owner = Attachment("outside", f"n{number}", "eth0")
    veth = host.namespace(owner, path="").add_veth(peer="eth0", into=other.namespace())
    for space, name, last in ((host, veth.host.name, 1), (other, "eth0", 2)):
        space.ip(f"link set {name} up")
        space.ip(f"address add 192.0.{number}.{last}/24 dev {name}")
        space.ip(f"address add 2001:db8:{number}::{last}/64 dev {name} nodad")
    other.ip(f"route add default via 192.0.{number}.1")
    other.ip(f"route add default via 2001:db8:{number}::1")
    return other


def throughput(sender: Netns, receiver: Netns, address: str) -> float:
    """Bytes a second of a TCP connection, once the burst is over."""
    with receiver.entered():
        server = socket.create_server((address, 0))
    with sender.entered():
        client = socket.create_connection(server.getsockname(), timeout=10)
    incoming, _ = server.accept()
    incoming.settimeout(10)
    running = True

    def send() -> None:
        with suppress(OSError):  # closed at the end
            while running:
                client.send(bytes(8192))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        received, start, first = 0, time.monotonic(), 0.0
        while (now := time.monotonic()) < start + 3:
            size = len(incoming.recv(65536))
            if now > start + 0.7:
                first = first or now
                received += size
        return received / (now - first)
    finally:
        running = False
        for each in (incoming, server, client):
            each.close()
        thread.join()


def _family(version: int) -> socket.AddressFamily:
    return socket.AF_INET6 if version == 6 else socket.AF_INET
