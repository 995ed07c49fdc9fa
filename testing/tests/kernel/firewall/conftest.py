"""A network namespace of its own for each test, and what the firewall tests do in it."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

import pytest

from cnisdk._names import Attachment
from cnisdk._net._firewall import KernelFirewall


sys.path.insert(0, str(Path(__file__).parent))  # for `masquerade_rules`

_numbers = itertools.count()
# Tests hide programs from what they test, not from themselves.
_ENV = dict(os.environ)
_IP = shutil.which("ip") or "ip"
_NSENTER = shutil.which("nsenter") or "nsenter"


class Netns:
    """An open network namespace; gone when the last descriptor is closed."""

    def __init__(self) -> None:
        name = f"fw-{os.getpid()}-{next(_numbers)}"
        subprocess.run([_IP, "netns", "add", name], check=True)
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        subprocess.run([_IP, "netns", "del", name], check=True)

    def try_run(
        self, *command: str, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_NSENTER, f"--net=/proc/self/fd/{self.fd}", *command],
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            pass_fds=[self.fd],
            env=env or _ENV,
        )

    def run(self, *command: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
        done = self.try_run(*command, stdin=stdin, env=env)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def nft(self, script: str) -> str:
        return self.run("nft", "-f", "-", stdin=script)

    def ruleset(self, family: str) -> list[str]:
        return [line.strip() for line in self.run("nft", "list", "ruleset", family).splitlines()]

    def nat(self, program: str = "iptables-save") -> list[str]:
        """Rules and chains beyond the empty nat table."""
        lines = self.run(program, "-t", "nat").splitlines()
        return [line for line in lines if line.startswith(("-A", ":CNI"))]


@pytest.fixture
def netns() -> Iterator[Netns]:
    namespace = Netns()
    yield namespace
    os.close(namespace.fd)


@pytest.fixture
def firewall(netns: Netns) -> KernelFirewall:
    return KernelFirewall(netns.fd)


@pytest.fixture
def attachment() -> Attachment:
    return Attachment(network="mynet", container_id="cid1", ifname="eth0")


@pytest.fixture
def addresses() -> list[IPv4Interface | IPv6Interface]:
    return [ip_interface("10.1.2.3/24"), ip_interface("fd00::5/64")]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs started from here on."""
    started: list[str] = []
    original = subprocess.Popen.__init__

    def record(self: subprocess.Popen[str], arguments: list[str], **kwargs: object) -> None:
        started.append(os.path.basename(arguments[0]))
        original(self, arguments, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess.Popen, "__init__", record)
    return started


@pytest.fixture
def without_nft_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnisdk._net._nft._loaded", {"libnftables.so.1": None})


@pytest.fixture
def without_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("cnisdk._net._programs._USUAL_PLACES", "/nonexistent")


@pytest.fixture
def legacy(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make iptables-legacy what the ``iptables`` programs are; returns the PATH."""
    folder = tmp_path_factory.mktemp("legacy")
    for tool in ("iptables", "ip6tables"):
        for action in ("", "-save", "-restore"):
            (folder / f"{tool}{action}").symlink_to(f"/usr/sbin/{tool}-legacy{action}")
    path = f"{folder}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    return path
