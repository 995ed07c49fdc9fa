"""What a plugin says to the daemon that keeps DHCP leases."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._names import Attachment
from cnisdk._result import Result
from cnisdk._result_json import decode
from cnisdk.versions import NEWEST


if TYPE_CHECKING:
    import socket

DEFAULT_SOCKET: Final = "/run/cni/dhcp.sock"
"""Where the daemon is reached unless a configuration says otherwise; the Go daemon's place."""
_RELEASE_SECONDS = 10.0
_PROC_SELF = re.compile("^/proc/(thread-)?self/")
_CODES: Final = {
    each.code: each for each in (errors.TryAgainLater, errors.InvalidConfig, errors.IoFailure)
}


class NoDaemon(errors.TryAgainLater):
    """Nobody answers at the daemon's socket; it may be started yet (11)."""


class Daemon:
    """The daemon that keeps DHCP leases, ``cnisdk dhcp-daemon``.

    Args:
        socket_path: Where it is reached.
        deadline: Bounds every wait; the daemon is told what is left.
    """

    def __init__(self, socket_path: str, deadline: Deadline) -> None:
        self.socket_path = socket_path
        self._deadline = deadline

    def allocate(
        self, attachment: Attachment, netns: str, ipam: Mapping[str, Any], args: Mapping[str, str]
    ) -> Result:
        """The attachment's lease: the one it has, or a new one.

        Args:
            attachment: Whose.
            netns: Path of the container's network namespace.
            ipam: ``provide``, ``request`` and ``priority`` as in a configuration.
            args: CNI_ARGS.

        Returns:
            The leased address, its routes and DNS settings.

        Raises:
            NoDaemon: nobody answers (code 11).
            errors.CniError: no lease is to be had: ``error calling DHCP.Allocate: ...``.
        """
        found = self._call("Allocate", self._arguments(attachment, netns, ipam, args))
        return decode(found, NEWEST, where="answer of the DHCP daemon")

    def check(
        self,
        attachment: Attachment,
        netns: str,
        ipam: Mapping[str, Any],
        args: Mapping[str, str],
        addresses: Collection[str],
    ) -> Result:
        """The attachment's lease, once it is in order.

        Args:
            attachment: Whose.
            netns: Path of the container's network namespace.
            ipam: As for `allocate`.
            args: As for `allocate`.
            addresses: Those of prevResult; the lease must be for one of them.

        Raises:
            NoDaemon: nobody answers (code 11).
            errors.CniError: the lease has ended, is another one, or is not there.
        """
        arguments = self._arguments(attachment, netns, ipam, args)
        found = self._call("Check", {**arguments, "Addresses": list(addresses)})
        return decode(found, NEWEST, where="answer of the DHCP daemon")

    def release(self, attachment: Attachment) -> None:
        """Give the attachment's lease back to its server; there may be none.

        Raises:
            NoDaemon: nobody answers, or not within ten seconds: what else DEL has to do must not wait for
                a daemon that hangs (code 11).
        """
        seconds = min(self._deadline.remaining(), _RELEASE_SECONDS)
        patient, self._deadline = self._deadline, Deadline(seconds)
        try:
            self._call("Release", self._arguments(attachment, "", {}, {}))
        except errors.TryAgainLater as failure:
            raise NoDaemon(failure.msg, details=failure.details) from failure
        finally:
            self._deadline = patient

    def retain(self, network: str, valid: Collection[Attachment]) -> list[str]:
        """Give back all leases of a network but those of the valid attachments.

        Returns:
            The attachments whose leases were given back, in words.

        Raises:
            NoDaemon: nobody answers (code 11).
        """
        pairs = [[each.container_id, each.ifname] for each in valid]
        found = self._call("Retain", {"Network": network, "Valid": pairs})
        return cast("list[str]", found["released"])

    def status(self) -> None:
        """Find out whether the daemon is there.

        Raises:
            NoDaemon: nobody answers (code 11).
        """
        self._call("Status", {})

    def _arguments(
        self, attachment: Attachment, netns: str, ipam: Mapping[str, Any], args: Mapping[str, str]
    ) -> dict[str, Any]:
        """The arguments in the form of the Go plugin's."""
        left = self._deadline.remaining()
        return {
            "ContainerID": attachment.container_id,
            "Netns": _PROC_SELF.sub(f"/proc/{os.getpid()}/", netns),
            "IfName": attachment.ifname,
            "Args": ";".join(f"{key}={value}" for key, value in args.items()),
            "StdinData": {"name": attachment.network, "ipam": dict(ipam)},
            "Seconds": None if left == float("inf") else max(left - 1, left / 2),
        }

    def _call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = f"DHCP.{method}"
        question = {"id": 1, "method": name, "params": [arguments]}
        with self._deadline.step(f"waiting for the DHCP daemon at {self.socket_path}"):
            try:
                with self._connected() as daemon:
                    daemon.sendall(json.dumps(question).encode() + b"\n")
                    line = self._line(daemon)
                if line.startswith(b"HTTP/"):
                    return self._call_go(method, arguments)
                answer = json.loads(line)
            except TimeoutError:
                raise self._deadline.expired() from None
            except (OSError, ValueError) as failure:
                raise NoDaemon(
                    f"error calling {name}: {failure}",
                    details=f"the daemon at {self.socket_path} ended, or is none for DHCP",
                ) from None
        if answer["error"]:
            raise _failure(name, answer["error"])
        return cast("dict[str, Any]", answer["result"])

    def _call_go(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The same of the Go daemon, which knows two methods only."""
        from cnisdk.dhcp import _go_client  # noqa: PLC0415  # rarely needed

        if method in {"Status", "Retain"}:
            return {"released": []}
        wanted = "Release" if method == "Release" else "Allocate"
        with self._connected() as daemon:
            try:
                found = _go_client.call(
                    daemon, lambda: self._receive(daemon), f"DHCP.{wanted}", arguments
                )
            except _go_client.Refusal as refusal:
                raise _failure(f"DHCP.{wanted}", {"code": 11, "msg": refusal}) from None
        addresses = [ip["address"].partition("/")[0] for ip in found["ips"]]
        if method == "Check" and not set(addresses) <= set(arguments["Addresses"]):
            raise errors.CniError(f"the lease is for {addresses[0]}, which prevResult has not")
        return found

    def _connected(self) -> socket.socket:
        import socket  # noqa: PLC0415  # 5 ms, not for VERSION

        daemon = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            daemon.settimeout(_bound(self._deadline))
            daemon.connect(self.socket_path)
        except OSError as failure:
            daemon.close()
            raise NoDaemon(
                f"error dialing DHCP daemon: dial unix {self.socket_path}: connect: "
                f"{(failure.strerror or str(failure)).lower()}",
                details="run cnisdk dhcp-daemon, or correct ipam.daemonSocketPath",
            ) from None
        return daemon

    def _line(self, daemon: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"\n"):
            part = self._receive(daemon)
            if not part:
                if data.startswith(b"HTTP/"):
                    break
                raise ValueError("unexpected EOF")
            data += part
        return data

    def _receive(self, daemon: socket.socket) -> bytes:
        daemon.settimeout(_bound(self._deadline))
        return daemon.recv(65536)


def _bound(deadline: Deadline) -> float | None:
    left = deadline.remaining()
    return None if left == float("inf") else max(left, 0.001)


def _failure(name: str, error: Mapping[str, Any]) -> errors.CniError:
    kind = _CODES.get(error.get("code", 0), errors.CniError)
    return kind(
        f"error calling {name}: {error.get('msg')}",
        details=error.get("details") or "",
        hint=error.get("hint") or "",
    )
