"""A private machine in a process: its own network and mount namespace, without root if need be.

Nothing outside is changed; everything in here ends with the process.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time


_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def enter() -> None:
    """Move this process into namespaces of its own; it is root there."""
    uid, gid = os.getuid(), os.getgid()
    flags = _CLONE_NEWNET | _CLONE_NEWNS
    if uid != 0:
        flags |= _CLONE_NEWUSER
    try:
        _call("unshare", flags)
    except OSError as failure:
        sys.exit(
            f"cannot make a private sandbox: {failure}\n"
            "Run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1"
        )
    if uid != 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def new_netns(path: str) -> None:
    """Make a network namespace and keep it under a path, as runtimes do."""
    with open(path, "w", encoding="ascii"):
        pass
    child = os.fork()
    if child == 0:
        try:
            _call("unshare", _CLONE_NEWNET)
            _call("mount", b"/proc/self/ns/net", path.encode(), None, _MS_BIND, None)
        except OSError as failure:
            os.write(2, f"{failure}\n".encode())
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        sys.exit(f"cannot make a network namespace at {path}")


def remove_netns(path: str) -> None:
    """Let a network namespace go."""
    _call("umount2", path.encode(), _MNT_DETACH)
    os.unlink(path)


def ping(netns: str, address: str, *, timeout: float = 3.0) -> float | None:
    """Send ICMP echo requests from a namespace.

    Returns:
        The round trip in milliseconds, or None when nothing answers.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"none"
        try:
            _setns(netns)
            answer = str(_echo(address, timeout)).encode()
        except OSError as failure:
            os.write(2, f"ping {address}: {failure}\n".encode())
        os.write(writer, answer)
        os._exit(0)
    os.close(writer)
    text = os.read(reader, 100).decode()
    os.close(reader)
    os.waitpid(child, 0)
    return float(text) if text not in {"none", "None", ""} else None


def interfaces(netns: str | None = None) -> list[str]:
    """The names of a namespace's interfaces; of this process's own without a path."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if netns is not None:
            _setns(netns)
        os.write(writer, ",".join(name for _, name in socket.if_nameindex()).encode())
        os._exit(0)
    os.close(writer)
    text = os.read(reader, 4096).decode()
    os.close(reader)
    os.waitpid(child, 0)
    return text.split(",") if text else []


def _echo(address: str, timeout: float) -> float | None:
    end = time.monotonic() + timeout
    identifier = os.getpid() & 0xFFFF
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(0.5)
        sequence = 0
        while time.monotonic() < end:
            sequence += 1
            start = time.monotonic()
            raw.sendto(_echo_request(identifier, sequence), (address, 0))
            try:
                while True:
                    packet = raw.recv(2048)
                    header = (packet[0] & 15) * 4
                    kind, _, _, theirs, number = struct.unpack_from("!BBHHH", packet, header)
                    if (kind, theirs, number) == (0, identifier, sequence):
                        return (time.monotonic() - start) * 1000
            except TimeoutError:
                continue
    return None


def _echo_request(identifier: int, sequence: int) -> bytes:
    message = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence) + b"cnisdk demo."
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total >> 16) + (total & 0xFFFF)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return message[:2] + struct.pack("!H", checksum) + message[4:]


def _setns(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    _call("setns", fd, _CLONE_NEWNET)
    os.close(fd)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
