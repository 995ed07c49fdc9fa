"""The daemon that keeps DHCP leases: its options, its start, its end."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import attrs

from cnisdk import _directories, errors
from cnisdk._deadline import Deadline
from cnisdk._log import LEVELS, Log
from cnisdk._store._records import Store
from cnisdk.dhcp import _sockets
from cnisdk.dhcp._client import DEFAULT_SOCKET
from cnisdk.dhcp._exchange import Patience
from cnisdk.dhcp._leases import Leases
from cnisdk.dhcp._service import LONGEST, Service


_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_FLAGS: Final = {
    "pidfile": "file to write the process id to; an absolute path",
    "hostprefix": "directory in which this process sees the host's root: the socket and the network "
    "namespaces are looked for below it",
    "socketpath": f"where plugins reach the daemon (default {DEFAULT_SOCKET})",
    "statedir": "directory for the leases (default beside the socket)",
    "broadcast": "ask servers to broadcast their answers",
    "timeout": "longest wait for an answer before a message is sent again (default 10s)",
    "resendmax": "longest pause between attempts to get a lease (default 1m2s)",
    "resendtimeout": "time after which a lease is refused (default 3m28s)",
}
_LOCK_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Settings:
    """How the daemon runs; the flags of the Go daemon, and ``state_dir``."""

    socket_path: str = DEFAULT_SOCKET
    """Where plugins reach it."""
    state_dir: str = ""
    """Where leases are kept; "" for a directory beside the socket."""
    pidfile: str = ""
    """Where its process id is written; "" for nowhere."""
    host_prefix: str = ""
    """Prepended to the paths of the socket and of namespaces."""
    patience: Patience = attrs.field(factory=Patience)
    """How long to wait for servers."""


def seconds(text: str) -> float:
    """A duration as Go writes it: ``10s``, ``1m2.5s``; a bare number means seconds.

    Raises:
        ValueError: it is none.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'invalid duration "{text}": expected for example 10s or 1m30s')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def settings_of(arguments: Sequence[str]) -> Settings:
    """Read flags as the Go daemon takes them: ``-flag value``, ``-flag=value``, also with two dashes.

    Raises:
        ValueError: a flag that does not exist, or a value that makes no sense.
    """
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        name = flag.removeprefix("-").removeprefix("-")
        if not flag.startswith("-") or name not in _FLAGS:
            raise ValueError(f"unknown flag {flag}")
        if name == "broadcast":
            value = value if equals else "true"
        elif not equals:
            if not rest:
                raise ValueError(f"flag {flag} needs a value")
            value = rest.pop(0)
        given[name] = value
    if given.get("broadcast", "true").lower() not in {"true", "false", "1", "0", "t", "f"}:
        raise ValueError(f'-broadcast: expected true or false, got "{given["broadcast"]}"')
    default = Patience()
    return Settings(
        socket_path=given.get("socketpath") or DEFAULT_SOCKET,
        state_dir=given.get("statedir", ""),
        pidfile=given.get("pidfile", ""),
        host_prefix=given.get("hostprefix", ""),
        patience=Patience(
            timeout=seconds(given.get("timeout", str(default.timeout))),
            longest_pause=seconds(given.get("resendmax", str(default.longest_pause))),
            total=seconds(given.get("resendtimeout", str(default.total))),
            broadcast=given.get("broadcast", "false").lower() in {"true", "1", "t"},
        ),
    )


def usage() -> str:
    """The flags, one a line."""
    return "\n".join(f"  -{name:14} {meaning}" for name, meaning in _FLAGS.items())


def main(arguments: Sequence[str]) -> int:
    """``dhcp daemon``: run with the flags of the Go daemon, until told to end.

    Returns:
        The exit status.
    """
    if {"-h", "-help", "--help"} & set(arguments):
        sys.stdout.write(f"The daemon that keeps DHCP leases.\n\n{usage()}\n")
        return 0
    try:
        serve(settings_of(arguments), os.environ)
    except ValueError as problem:
        sys.stderr.write(f"dhcp daemon: {problem}\n\n{usage()}\n")
        return 2
    except errors.CniError as failure:
        sys.stderr.write(f"dhcp daemon: {failure.msg}\n{failure.details}\n".rstrip() + "\n")
        return 1
    return 0


def serve(settings: Settings, env: Mapping[str, str]) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises:
        errors.CniError: it cannot be started.
    """
    if settings.pidfile and not os.path.isabs(settings.pidfile):
        raise errors.InvalidConfig(f'Error writing pidfile "{settings.pidfile}": path not absolute')
    path = settings.host_prefix + settings.socket_path
    log = _log(env)
    _raise_limit()
    store = Store(settings.state_dir or f"{path.removesuffix('.sock')}.leases", log=log)
    _make_directory(os.path.dirname(os.path.abspath(path)))
    # Held until the end: no two daemons may keep the same leases.
    with store.locked(Deadline(_LOCK_SECONDS), f"keeping DHCP leases for {path}"):
        listener = _sockets.activated(env)
        bound = "" if listener else path
        listener = listener or _sockets.listen(path)
        _write_pidfile(settings.pidfile)
        try:
            asyncio.run(_serve(listener, store, settings, log))
        finally:
            for file in filter(None, (bound, settings.pidfile)):
                with suppress(FileNotFoundError):
                    os.unlink(file)


async def _serve(listener: socket.socket, store: Store, settings: Settings, log: Log) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    leases = Leases(store, settings.patience, log)
    leases.resume()
    service = Service(leases, settings.host_prefix, log)
    running: set[asyncio.Task[None]] = set()
    # Not start_unix_server: from Python 3.13 on that one removes the socket at the end, systemd's too.
    server = await asyncio.start_server(
        partial(_tracked, service, running), sock=listener, limit=LONGEST
    )
    log.info("ready", socket=settings.socket_path, leases=len(leases))
    await ended.wait()
    server.close()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await leases.stop()
    log.info("ended", leases=len(leases))


async def _tracked(
    service: Service,
    running: set[asyncio.Task[None]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    task = asyncio.current_task()
    if task is not None:
        running.add(task)
        task.add_done_callback(running.discard)
    await service.serve(reader, writer)


class _OnStderr(Log):
    """For a daemon that nobody gave a log: whoever started it sees what happens."""

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if LEVELS[level] >= self.threshold:
            words = "".join(f" {key}={value}" for key, value in fields.items())
            sys.stderr.write(f"{level}: {message}{words}\n")


def _log(env: Mapping[str, str]) -> Log:
    target, level = env.get("CNI_LOG_FILE", ""), env.get("CNI_LOG_LEVEL", "info")
    return (Log if target else _OnStderr)(target, level, {"daemon": "dhcp"})


def _raise_limit() -> None:
    """An exchange takes some five descriptors, and a node that was booted has many at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _make_directory(path: str) -> None:
    try:
        _directories.make(path, 0o700)
    except OSError as failure:
        raise errors.IoFailure(f"cannot make {path}: {failure.strerror}") from failure


def _write_pidfile(path: str) -> None:
    if not path:
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as failure:
        raise errors.IoFailure(f'Error writing pidfile "{path}": {failure.strerror}') from failure
