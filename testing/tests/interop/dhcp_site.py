"""A site with DHCP: a server in a namespace, a host whose bridge reaches it, the daemon and the plugins."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest


sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))
if TYPE_CHECKING:
    from tests.kernel.machine import PATH, Machine, Netns, new_machine
else:
    from machine import PATH, Machine, Netns, new_machine

PROGRAMS = {"dnsmasq": "dnsmasq", "kea": "kea-dhcp4"}
PACKAGES = {"dnsmasq": "dnsmasq-base", "kea": "kea-dhcp4-server"}
FIRST, LAST = 100, 150


def wait_until(
    condition: Callable[[], object], seconds: float = 20, what: str = "the condition"
) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true in {seconds} s"
        time.sleep(0.03)


@attrs.define(kw_only=True)
class Offer:
    """What a server is set up with."""

    seconds: int = 3600
    t1: int = 0
    t2: int = 0
    first: int = FIRST
    last: int = LAST
    options: dict[int, str] = attrs.field(factory=dict)
    """Number -> value as dnsmasq reads it."""
    raw: dict[int, str] = attrs.field(factory=dict)
    """Number -> hex, for kea."""
    pings: bool = False
    """Whether dnsmasq tries an address out before it offers it."""
    extra: tuple[str, ...] = ()
    """Further arguments of dnsmasq."""


class Site:
    """A machine with a bridge, a DHCP server behind it, and the daemon.

    Args:
        machine: The host; its containers are made by the test.
        kind: dnsmasq or kea.
    """

    def __init__(self, machine: Machine, kind: str = "dnsmasq") -> None:
        self.machine = machine
        self.kind = kind
        self.root = machine.root
        self.socket = self.root / "dhcp.sock"
        self.server = Netns()
        self._interface = "s0"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.server_process: subprocess.Popen[bytes] | None = None
        self.daemon_process: subprocess.Popen[bytes] | None = None
        host = machine.host
        host.ip("link add br0 type bridge")
        host.ip("link set br0 up")
        host.ip("link add up0 type veth peer name s0")
        host.ip("link set up0 master br0")
        host.ip("link set up0 up")
        host.run("ip", "link", "set", "s0", "netns", f"/proc/{os.getpid()}/fd/{self.server.fd}")
        self.server.ip("link set lo up")
        self.server.ip("address add 10.66.0.1/24 dev s0")
        self.server.ip("link set s0 up")
        wait_until(lambda: self.server.link("s0")["operstate"] == "UP")

    # ---- the server -----------------------------------------------------------------------------

    def serve(self, offer: Offer | None = None, *, interface: str = "s0") -> None:
        """Start the server."""
        offer = offer or Offer()
        self._interface = interface
        start = {"dnsmasq": self._dnsmasq, "kea": self._kea}[self.kind]
        self.server_process = start(offer)

    def stop_serving(self, *, forget: bool = False) -> None:
        """Stop the server; with ``forget`` its leases are gone too."""
        assert self.server_process is not None
        self._end(self.server_process)
        if forget:
            for each in self.root.glob("server.leases*"):
                each.unlink()

    def _dnsmasq(self, offer: Offer) -> subprocess.Popen[bytes]:
        given = {3: "10.66.0.1", 6: "10.66.0.53", **offer.options}
        if offer.t1:
            given |= {58: str(offer.t1), 59: str(offer.t2)}
        options = [
            f"--dhcp-option-force={code}{',' + value if value else ''}"
            for code, value in given.items()
        ]
        leases = self.root / "server.leases"
        leases.touch()
        process = self._start(
            self.server,
            "server.log",
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--user=root",
            f"--interface={self._interface}",
            "--bind-interfaces",
            f"--dhcp-range=10.66.0.{offer.first},10.66.0.{offer.last},255.255.255.0,{offer.seconds}",
            f"--dhcp-leasefile={leases}",
            f"--pid-file={self.root}/server.pid",
            "--log-dhcp",
            "--log-facility=-",
            *([] if offer.pings else ["--no-ping"]),
            *options,
            *offer.extra,
        )
        wait_until(lambda: ":67 " in self.server.sh("ss -lnu"), what="dnsmasq listening")
        return process

    def _kea(self, offer: Offer) -> subprocess.Popen[bytes]:
        raw = [
            {"code": code, "space": "dhcp4", "csv-format": False, "data": data}
            for code, data in offer.raw.items()
        ]
        timers = {"renew-timer": offer.t1, "rebind-timer": offer.t2} if offer.t1 else {}
        conf = {
            "Dhcp4": {
                "interfaces-config": {"interfaces": [self._interface], "dhcp-socket-type": "raw"},
                "lease-database": {
                    "type": "memfile",
                    "persist": True,
                    "name": f"{self.root}/server.leases",
                    "lfc-interval": 0,
                },
                "valid-lifetime": offer.seconds,
                **timers,
                "authoritative": True,
                "subnet4": [
                    {
                        "subnet": "10.66.0.0/24",
                        "pools": [{"pool": f"10.66.0.{offer.first} - 10.66.0.{offer.last}"}],
                        "option-data": [
                            {"name": "routers", "data": "10.66.0.1"},
                            {"name": "domain-name-servers", "data": "10.66.0.53"},
                            *raw,
                        ],
                    }
                ],
                "loggers": [
                    {
                        "name": "kea-dhcp4",
                        "output_options": [{"output": "stdout"}],
                        "severity": "INFO",
                    }
                ],
            }
        }
        (self.root / "kea.json").write_text(json.dumps(conf))
        process = self._start(
            self.server,
            "server.log",
            "kea-dhcp4",
            "-c",
            str(self.root / "kea.json"),
            KEA_PIDFILE_DIR=str(self.root),
            KEA_LOCKFILE_DIR=str(self.root),
        )
        log = self.root / "server.log"
        wait_until(lambda: "DHCP4_STARTED" in log.read_text(), what="kea started")
        return process

    def server_log(self) -> str:
        return (self.root / "server.log").read_text()

    def leased(self) -> set[str]:
        """The addresses the server holds for somebody."""
        leases = self.root / "server.leases"
        if self.kind == "dnsmasq":
            return {
                line.split()[2] for line in leases.read_text().splitlines() if "duid" not in line
            }
        if not leases.exists():
            return set()
        found: dict[str, bool] = {}
        for row in csv.DictReader(leases.read_text(encoding="ascii").splitlines()):
            ends = int(row["expire"])
            released = int(row["valid_lifetime"]) == 0 or row["state"] != "0"
            found[row["address"]] = not released and ends > time.time()
        return {address for address, held in found.items() if held}

    # ---- the daemon -----------------------------------------------------------------------------

    def daemon(self, *flags: str, executable: Path | None = None, at: Path | None = None) -> None:
        """Start the daemon, as a unit file would."""
        path = at or self.socket
        process = self._start(
            self.machine.host,
            "daemon.log",
            str(executable or self.machine.plugins / "dhcp"),
            "daemon",
            "-socketpath",
            str(path),
            *flags,
            CNI_LOG_FILE=str(self.root / "daemon.json"),
            CNI_LOG_LEVEL="debug",
        )
        self.daemon_process = process
        # A minute, for the lab's emulated processor.
        wait_until(lambda: answers(path) or process.poll() is not None, 60, "the daemon's answer")
        assert process.poll() is None, (self.root / "daemon.log").read_text()

    def stop_daemon(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon_process is not None
        self.daemon_process.send_signal(number)
        return self.daemon_process.wait(10)

    def daemon_log(self, message: str = "") -> list[dict[str, Any]]:
        """What the daemon logged."""
        path = self.root / "daemon.json"
        lines = path.read_text().splitlines() if path.exists() else []
        records = [json.loads(line) for line in lines]
        return [each for each in records if message in each["message"]]

    def records(self) -> list[dict[str, Any]]:
        """The leases on disk."""
        found = (self.root / "dhcp.leases").glob("*.json")
        return [json.loads(each.read_text())["data"] for each in found]

    # ---- configurations -------------------------------------------------------------------------

    def conf(self, version: str = "1.1.0", **ipam: Any) -> dict[str, Any]:
        """A bridge whose addresses come by DHCP."""
        return {
            "cniVersion": version,
            "name": "mynet",
            "type": "bridge",
            "bridge": "br0",
            "ipam": {"type": "dhcp", "daemonSocketPath": str(self.socket), **ipam},
        }

    # ---- processes ------------------------------------------------------------------------------

    def _start(self, netns: Netns, log: str, *command: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.root / log).open("ab") as output:
            process = subprocess.Popen(
                ["nsenter", f"--net=/proc/self/fd/{netns.fd}", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[netns.fd],
                env={"PATH": PATH, **env},
            )
        self._processes.append(process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def close(self) -> None:
        for process in reversed(self._processes):
            self._end(process)
        self.server.close()


@contextlib.contextmanager
def new_site(kind: str, root: Path, plugins: Path) -> Generator[Site]:
    """A site, or a skipped test where its server is not installed."""
    if shutil.which(PROGRAMS[kind], path=PATH) is None:
        pytest.skip(f"needs the Debian package {PACKAGES[kind]}")
    machine = new_machine(root, plugins)
    site = Site(machine, kind)
    try:
        yield site
    finally:
        site.close()
        machine.close()


def answers(path: Path) -> bool:
    """Whether a daemon says something; Go's says that it does not understand."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.settimeout(5)
        probe.connect(str(path))
        probe.sendall(b'{"id": 1, "method": "DHCP.Status", "params": [{}]}\n\n')
        return bool(probe.recv(4096))
    return False


def address_of(result: dict[str, Any]) -> str:
    """The one address of a result, without prefix length."""
    (ip,) = result["ips"]
    return re.sub("/.*", "", ip["address"])
