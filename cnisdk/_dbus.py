"""Calls over the system's D-Bus, for the few words a plugin has with a daemon.

The client programs (dbus-send, busctl, firewall-cmd) are not installed everywhere, and the last takes half
a second to start. Arguments are strings, results strings, numbers and booleans.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Self

from cnisdk import errors


if TYPE_CHECKING:
    import socket

    from cnisdk._deadline import Deadline

_DEFAULT = "unix:path=/run/dbus/system_bus_socket"
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_CALL, _RETURN, _ERROR = 1, 2, 3
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8
_LONGEST_WAIT = 30.0
_LARGEST = 1 << 24

Value = str | int | bool


class BusFailure(errors.CniError):
    """A daemon, or the bus itself, answered with an error.

    Args:
        name: The error's name, such as ``org.freedesktop.DBus.Error.ServiceUnknown``.
        text: What the daemon says.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text or name, details=name)
        self.name = name


class SystemBus:
    """A connection to the system bus, or to the one DBUS_SYSTEM_BUS_ADDRESS names.

    Args:
        deadline: Bounds every wait.

    Raises:
        errors.CniError: there is no bus, or it does not let the plugin in (code 999).
        errors.TryAgainLater: no time is left (code 11).
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._serial = 0
        self._data = b""
        address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or _DEFAULT
        self._socket = _connected(address)
        try:
            with deadline.step("waiting for the system bus"):
                self._log_in()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bus."""
        self._socket.close()

    def has_owner(self, service: str) -> bool:
        """Whether a daemon serves a name, such as ``org.fedoraproject.FirewallD1``."""
        return bool(self.call(*_BUS, "NameHasOwner", service)[0])

    def call(
        self, service: str, path: str, interface: str, method: str, *arguments: str
    ) -> list[Value]:
        """Call a method of a daemon.

        Args:
            service: Name of the daemon.
            path: The object.
            interface: The method's interface.
            method: The method.
            arguments: Its arguments.

        Returns:
            What it returns.

        Raises:
            BusFailure: the daemon's error, by name (code 999).
            errors.TryAgainLater: it did not answer in time (code 11).
            errors.CniError: the connection was lost (code 999).
        """
        self._serial += 1
        where = ((_PATH, path), (_INTERFACE, interface), (_MEMBER, method))
        message = _message(self._serial, (*where, (_DESTINATION, service)), arguments)
        with self._deadline.step(f"waiting for {service} to answer {method}"):
            self._send(message)
            while True:
                kind, fields, body = self._receive()
                if fields.get(_REPLY) == self._serial and kind in {_RETURN, _ERROR}:
                    break
        values = _values(str(fields.get(_SIGNATURE, "")), body, 0)
        if kind == _ERROR:
            raise BusFailure(str(fields.get(_ERROR_NAME, "")), str(values[0]) if values else "")
        return values

    def _log_in(self) -> None:
        user = str(os.geteuid()).encode().hex()
        self._send(b"\0AUTH EXTERNAL " + user.encode() + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self._read()
        if not answer.startswith(b"OK "):
            raise errors.CniError(
                f"the system bus refused: {answer.decode(errors='replace').strip()}"
            )
        self._send(b"BEGIN\r\n")
        self.call(*_BUS, "Hello")

    def _receive(self) -> tuple[int, dict[int, Value], bytes]:
        order, kind, _, _, length, _, rest = struct.unpack("<cBBBIII", self._exactly(16))
        if order != b"l" or length + rest > _LARGEST:
            raise errors.CniError("the system bus sent what is no answer")
        fields = _fields(self._exactly(rest + -rest % 8)[:rest])
        return kind, fields, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._data += self._read()
        found, self._data = self._data[:size], self._data[size:]
        return found

    def _send(self, data: bytes) -> None:
        self._prepare()
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise self._deadline.expired() from None
        except OSError as failure:
            raise _lost(failure.strerror) from failure

    def _read(self) -> bytes:
        self._prepare()
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            raise self._deadline.expired() from None
        except OSError as failure:
            raise _lost(failure.strerror) from failure
        if not data:
            raise _lost("it hung up")
        return data

    def _prepare(self) -> None:
        self._deadline.check()
        self._socket.settimeout(min(self._deadline.remaining(), _LONGEST_WAIT))


def _lost(why: str | None) -> errors.CniError:
    return errors.CniError(f"the connection to the system bus was lost: {why}")


def _connected(addresses: str) -> socket.socket:
    """A connection to the first address that answers, such as ``unix:path=/run/bus,guid=1``."""
    import socket
    from urllib.parse import unquote

    problem = "no unix: address"
    for address in addresses.split(";"):
        transport, _, rest = address.partition(":")
        keys: dict[str, str] = {}
        for pair in rest.split(","):
            key, _, value = pair.partition("=")
            keys[key] = value
        path = unquote(keys.get("path", ""))
        if not path and "abstract" in keys:
            path = "\0" + unquote(keys["abstract"])
        if transport != "unix" or not path:
            continue
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        link.settimeout(_LONGEST_WAIT)
        try:
            link.connect(path)
        except OSError as failure:
            link.close()
            problem = failure.strerror or str(failure)
        else:
            return link
    raise errors.CniError(f"cannot reach the system bus at {addresses}: {problem}")


def _message(serial: int, fields: tuple[tuple[int, str], ...], arguments: tuple[str, ...]) -> bytes:
    body = b""
    for each in arguments:
        body = _padded(body, 4) + _string(each)
    header = b""
    for code, value in (*fields, (_SIGNATURE, "s" * len(arguments))):
        kind = {_PATH: b"o", _SIGNATURE: b"g"}.get(code, b"s")
        # A signature's length is one byte; what follows the type of a string is aligned already.
        text = _string(value) if kind != b"g" else bytes([len(value)]) + value.encode() + b"\0"
        header = _padded(header, 8) + struct.pack("<BB1sB", code, 1, kind, 0) + text
    start = struct.pack("<cBBBIII", b"l", _CALL, 0, 1, len(body), serial, len(header))
    return _padded(start + header, 8) + body


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)


def _fields(data: bytes) -> dict[int, Value]:
    """The header's fields by their codes."""
    found: dict[int, Value] = {}
    start = 0
    while start + 4 < len(data):
        code, size = data[start], data[start + 1]
        kind = data[start + 2 : start + 2 + size].decode()
        value, start = _value(kind, data, start + 3 + size)
        found[code] = value
        start += -start % 8
    return found


def _values(signature: str, data: bytes, start: int) -> list[Value]:
    found: list[Value] = []
    for kind in signature:
        if kind not in "sogbuiy":
            break  # a container; nobody here asks for one
        value, start = _value(kind, data, start)
        found.append(value)
    return found


def _value(kind: str, data: bytes, start: int) -> tuple[Value, int]:
    if kind in {"g", "y"}:
        size = data[start]
        if kind == "y":
            return size, start + 1
        return data[start + 1 : start + 1 + size].decode(), start + size + 2
    start += -start % 4
    (number,) = struct.unpack_from("<i" if kind == "i" else "<I", data, start)
    start += 4
    if kind in {"s", "o"}:
        return data[start : start + number].decode(errors="replace"), start + number + 1
    return (bool(number) if kind == "b" else number), start
