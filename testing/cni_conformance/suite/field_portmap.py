"""What the field has learned about port mappings: what is rewritten, and what must not be."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Generator

from cni_conformance import _kernel, _results
from cni_conformance._case import case
from cni_conformance._leftovers import differences, warm_up
from cni_conformance._testbed import Attachment, Testbed


_CLIENT = "/run/netns/conformance-client"
_CLIENT_ADDRESS = "10.98.0.2"
_HOST_ADDRESS = "10.98.0.1"
_ELSEWHERE = "203.0.113.9"
_PORT = 18080
_SECONDS = 1.5


@case("field/portmap/1", kinds=["chained"])
def without_mappings_nothing_happens(testbed: Testbed) -> None:
    """A port mapper without mappings changes nothing and hands prevResult on."""
    _mappings(testbed)
    warm_up(testbed)
    for what, runtime_config in (
        ("no runtimeConfig", None),
        ("an empty list", {"portMappings": []}),
    ):
        attachment = testbed.attachment("portless" if runtime_config is None else "empty")
        attachment.config = {"runtimeConfig": runtime_config}
        before = testbed.observe()
        call = attachment.add()
        if not testbed.expect(
            "field/portmap/1",
            call.ok,
            expected=f"ADD with {what} succeeds",
            actual=call,
        ):
            return
        given = _results.addresses(attachment.previous or {})
        testbed.expect(
            "field/portmap/1",
            set(given) <= set(_results.addresses(call.result)),
            expected=f"ADD with {what} hands prevResult on, with {', '.join(given)}",
            actual=call,
        )
        attachment.delete()
        changes = differences(before, testbed.observe())
        testbed.expect(
            "field/portmap/1",
            not changes,
            expected=f"ADD and DEL with {what} make no rule, chain or table",
            actual=f"{len(changes)} differences, see the list",
            diff=changes,
        )


@case("field/portmap/2", kinds=["chained"], configurations="each")
def traffic_for_others_passes(testbed: Testbed) -> None:
    """A connection through the host to a mapped port of another machine is not taken."""
    _mappings(testbed)
    _make_client(testbed)
    attachment = _mapped(testbed, "server", "tcp")
    with _listening(attachment, socket.SOCK_STREAM):
        if not _connects(_HOST_ADDRESS):
            testbed.block("needs a mapped port that can be reached at the host's address")
        testbed.expect(
            "field/portmap/2",
            not _connects(_ELSEWHERE),
            expected=f"a connection through the host to {_ELSEWHERE}:{_PORT} does not reach the container",
            actual="the container accepted it",
        )


@case("field/portmap/3", kinds=["chained"])
def udp_takes_the_new_way(testbed: Testbed) -> None:
    """UDP packets of an old flow go where the mapping leads now."""
    _mappings(testbed)
    _make_client(testbed)
    with contextlib.ExitStack() as stack:
        on_host = stack.enter_context(_udp_socket())
        on_host.bind(("0.0.0.0", _PORT))  # noqa: S104
        with _kernel.inside_netns(_CLIENT):
            client = stack.enter_context(_udp_socket())
        client.bind((_CLIENT_ADDRESS, 40000))
        _send(client)
        if not _receives(on_host):
            testbed.block("needs a host that receives UDP packets")
        holder: Attachment | None = None
        for label, what in (("first", "a mapping appeared"), ("second", "it moved")):
            if holder is not None and not holder.delete().ok:
                testbed.block("needs a DEL that succeeds")
            holder = _mapped(testbed, label, "udp")
            with _listening(holder, socket.SOCK_DGRAM) as server:
                if not _new_flow_reaches(server):
                    testbed.block("needs a mapped UDP port that can be reached")
                _send(client)
                testbed.expect(
                    "field/portmap/3",
                    _receives(server),
                    expected=f"after {what}, the next packet of an old flow reaches the container",
                    actual=f"a packet of a new flow reaches {label}, that of the old one does not",
                )
                if testbed.violations:
                    return
        if holder and not holder.delete().ok:
            testbed.block("needs a DEL that succeeds")
        _drain(on_host)
        _send(client)
        testbed.expect(
            "field/portmap/3",
            _receives(on_host),
            expected="after the mapping went, the next packet of an old flow reaches the host",
            actual="it does not: the kernel still sends it to the container",
        )


def _mappings(testbed: Testbed) -> None:
    if not testbed.configuration.runtime_config.get("portMappings"):
        testbed.not_applicable("the configuration has no runtimeConfig.portMappings")


def _make_client(testbed: Testbed) -> None:
    """A machine whose packets come through the host, which tracks connections."""
    testbed.observer.ignored.add(_CLIENT)
    _kernel.make_netns(_CLIENT)
    name = os.path.basename(_CLIENT)
    testbed.note("setup", "a machine beside the host", ["ip", "netns", "add", name])
    testbed.command("ip", "link", "add", "cfhost", "type", "veth", "peer", "name", "cfclient")
    testbed.command("ip", "link", "set", "cfclient", "netns", name)
    testbed.command("ip", "addr", "add", f"{_HOST_ADDRESS}/24", "dev", "cfhost")
    testbed.command("ip", "link", "set", "cfhost", "up")
    for words in (
        ("addr", "add", f"{_CLIENT_ADDRESS}/24", "dev", "cfclient"),
        ("link", "set", "cfclient", "up"),
        ("route", "add", "default", "via", _HOST_ADDRESS),
    ):
        testbed.command("ip", *words, inside=_CLIENT)
    testbed.command("sh", "-ec", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    for rule in (
        "table ip cfconformance",
        "chain ip cfconformance track { type filter hook prerouting priority 0 ; }",
        "rule ip cfconformance track ct state established counter",
    ):
        testbed.command("nft", "add", *rule.split())


def _mapped(testbed: Testbed, label: str, protocol: str) -> Attachment:
    mapping = {"hostPort": _PORT, "containerPort": _PORT, "protocol": protocol}
    return testbed.attached(label, changes={"runtimeConfig": {"portMappings": [mapping]}})


@contextlib.contextmanager
def _listening(attachment: Attachment, kind: socket.SocketKind) -> Generator[socket.socket]:
    with _kernel.inside_netns(attachment.netns):
        server = socket.socket(socket.AF_INET, kind)
    with server:
        server.settimeout(_SECONDS)
        server.bind(("0.0.0.0", _PORT))  # noqa: S104
        if kind == socket.SOCK_STREAM:
            server.listen()
        yield server


def _connects(address: str) -> bool:
    with _kernel.inside_netns(_CLIENT):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with client:
        client.settimeout(_SECONDS)
        try:
            client.connect((address, _PORT))
        except OSError:
            return False
        return True


def _udp_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _send(client: socket.socket) -> None:
    with contextlib.suppress(OSError):  # that the port was closed before is told now
        client.sendto(b"conformance", (_HOST_ADDRESS, _PORT))
        return
    client.sendto(b"conformance", (_HOST_ADDRESS, _PORT))


def _new_flow_reaches(server: socket.socket) -> bool:
    with _kernel.inside_netns(_CLIENT):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        _send(client)
        return _receives(server)


def _receives(server: socket.socket) -> bool:
    server.settimeout(_SECONDS)
    try:
        server.recvfrom(100)
    except OSError:
        return False
    return True


def _drain(server: socket.socket) -> None:
    server.settimeout(0.05)
    with contextlib.suppress(OSError):
        while True:
            server.recvfrom(100)
