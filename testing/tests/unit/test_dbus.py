"""The system bus, played by a thread that has its lines."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cnisdk import BusFailure, Deadline, SystemBus, errors


WHERE = ("org.example.Daemon", "/org/example", "org.example.Daemon", "Speak")
Answer = Callable[[int], bytes]


def answer(
    serial: int, signature: str = "", body: bytes = b"", *, kind: int = 2, error: str = ""
) -> bytes:
    """A message that answers a call."""
    fields = struct.pack("<BB2sI", 5, 1, b"u\0", serial)
    if error:
        fields += struct.pack("<BB2sI", 4, 1, b"s\0", len(error)) + error.encode() + b"\0"
        fields += bytes(-len(fields) % 8)
    fields += struct.pack("<BB2sB", 8, 1, b"g\0", len(signature)) + signature.encode() + b"\0"
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), 7, len(fields)) + fields
    return head + bytes(-len(head) % 8) + body


def text(value: str) -> bytes:
    data = struct.pack("<I", len(value)) + value.encode() + b"\0"
    return data + bytes(-len(data) % 4)


class Bus:
    """Answers the call of each number by its line; hangs up where there is none."""

    def __init__(self, path: Path) -> None:
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.server.settimeout(20)
        self.greeting = b"OK 0123\r\n"
        self.lines: list[Answer] = [lambda serial: answer(serial, "s", text(":1.5"))]
        self.calls: list[bytes] = []
        self.thread = threading.Thread(target=self._play)

    def _play(self) -> None:
        link, _ = self.server.accept()
        with link:
            link.settimeout(20)
            assert link.recv(4096).startswith(b"\0AUTH EXTERNAL ")
            link.sendall(self.greeting)
            data = link.recv(4096).removeprefix(b"BEGIN\r\n")
            for number, line in enumerate(self.lines, start=1):
                while not data:
                    data = link.recv(4096)
                    if not data:
                        return
                self.calls.append(data)
                data = b""
                link.sendall(line(number))

    def close(self) -> None:
        if self.thread.is_alive():
            self.thread.join()
        self.server.close()


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    made = Bus(tmp_path / "a bus")
    address = f"tcp:host=x;unix:path={tmp_path}/nobody;unix:path={tmp_path}/a%20bus,guid=12"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    made.thread.start()
    yield made
    made.close()


def opened() -> SystemBus:
    return SystemBus(Deadline(20))


def test_values_of_every_kind(bus: Bus) -> None:
    body = text("one") + struct.pack("<IiI", 1, -2, 3) + b"\x04" + bytes(3) + text("/five")
    bus.lines.append(lambda serial: answer(serial, "sbiuyo", body))
    with opened() as link:
        assert link.call(*WHERE, "a", "bc") == ["one", True, -2, 3, 4, "/five"]
    assert bus.calls[1].endswith(text("a")[:6] + bytes(2) + b"\2\0\0\0bc\0")


def test_signals_and_answers_to_others_are_passed_over(bus: Bus) -> None:
    bus.lines.append(
        lambda serial: answer(99, kind=4) + answer(99, "s", text("no")) + answer(serial)
    )
    with opened() as link:
        assert link.call(*WHERE) == []


def test_an_error_by_name(bus: Bus) -> None:
    bus.lines.append(lambda n: answer(n, "s", text("no way"), kind=3, error="org.example.No"))
    with opened() as link, pytest.raises(BusFailure) as failure:
        link.call(*WHERE, "x")
    assert (failure.value.name, failure.value.msg) == ("org.example.No", "no way")


def test_an_error_without_words(bus: Bus) -> None:
    bus.lines.append(lambda serial: answer(serial, kind=3, error="org.example.No"))
    with opened() as link, pytest.raises(BusFailure, match="org.example.No"):
        link.call(*WHERE, "x")


@pytest.mark.parametrize("data", [b"B" + bytes(40), b"l" + b"\xff" * 40], ids=["order", "size"])
def test_nonsense(bus: Bus, data: bytes) -> None:
    bus.lines.append(lambda _: data)
    with opened() as link, pytest.raises(errors.CniError, match="what is no answer"):
        link.call(*WHERE)


def test_hanging_up(bus: Bus) -> None:
    bus.lines.append(lambda _: b"l")
    with opened() as link, pytest.raises(errors.CniError, match="was lost"):
        link.call(*WHERE)


def test_refusing(bus: Bus) -> None:
    bus.greeting = b"REJECTED EXTERNAL\r\n"
    with pytest.raises(errors.CniError, match="the system bus refused: REJECTED"):
        opened()


def test_no_time_left(bus: Bus) -> None:
    bus.lines.append(answer)
    link = opened()
    link._deadline = Deadline(0)
    with link, pytest.raises(errors.TryAgainLater, match="to answer Speak"):
        link.call(*WHERE)


@pytest.mark.parametrize("address", ["unix:path=/nonexistent/bus", "unix:abstract=nobody", "tcp:x"])
def test_no_bus(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with pytest.raises(errors.CniError, match="cannot reach the system bus at"):
        opened()
