"""The daemon as a process: its socket, its flags, systemd, who may speak to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest


PLUGIN = "dhcp"
pytestmark = [pytest.mark.interop]


@pytest.fixture
def plugin(plugins: Path) -> Path:
    return plugins / PLUGIN


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for each in processes:
        each.kill()
        each.communicate()


def start(started: list[subprocess.Popen[str]], *command: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    started.append(process)
    return process


def ask(path: Path, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.settimeout(10)
        daemon.connect(str(path))
        question = {"id": 7, "method": method, "params": [arguments]}
        daemon.sendall(json.dumps(question).encode() + b"\n")
        daemon.shutdown(socket.SHUT_WR)  # as nc -N does; the answer still comes
        return json.loads(daemon.makefile().readline())


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(400):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"no {path}")


def test_both_ways_to_start_it(
    plugin: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """The plugin's executable with Go's flags, and the command; JSON-RPC by any client (W-DH-10)."""
    go, ours = tmp_path / "go" / "dhcp.sock", tmp_path / "ours" / "dhcp.sock"
    pidfile = tmp_path / "pid"
    flags = [f"-socketpath={go}", "--pidfile", pidfile, "-timeout", "5s", "-broadcast=false"]
    first = start(started, plugin, "daemon", *flags)
    cli = [sys.executable, "-m", "cnisdk", "dhcp-daemon", "--socket-path", ours]
    second = start(started, *cli, "--timeout", "1m1.5s")
    wait_for(go, first)
    wait_for(ours, second)

    assert ask(go, "DHCP.Status", {})["result"] == {"leases": 0, "pid": first.pid}
    assert ask(ours, "DHCP.Status", {}) == {
        "id": 7,
        "result": {"leases": 0, "pid": second.pid},
        "error": None,
    }
    assert pidfile.read_text() == f"{first.pid}\n"
    assert go.parent.stat().st_mode & 0o777 == 0o700
    assert go.stat().st_mode & 0o777 == 0o660
    first.terminate()
    second.send_signal(signal.SIGINT)
    assert (first.wait(10), second.wait(10)) == (0, 0)
    assert not go.exists()
    assert not ours.exists()
    assert not pidfile.exists()


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(
    plugin: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """W-DH-1."""
    path = tmp_path / "dhcp.sock"
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(str(path))
    stale.close()
    first = start(started, plugin, "daemon", "-socketpath", path)
    for _ in range(400):
        try:
            ask(path, "DHCP.Status", {})
            break
        except OSError:
            assert first.poll() is None
            time.sleep(0.05)

    second = start(started, plugin, "daemon", "-socketpath", path, "-statedir", tmp_path / "s")

    _, complaint = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "address already in use" in complaint
    assert ask(path, "DHCP.Status", {})["result"]["pid"] == first.pid


def test_two_daemons_never_keep_the_same_leases(
    plugin: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    state = tmp_path / "state"
    first = start(started, plugin, "daemon", "-socketpath", tmp_path / "a", "-statedir", state)
    wait_for(tmp_path / "a", first)

    second = start(started, plugin, "daemon", "-socketpath", tmp_path / "b", "-statedir", state)

    _, complaint = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "keeping DHCP leases" in complaint


@pytest.mark.parametrize("count", [1, 2])
def test_socket_activation(
    plugin: Path, tmp_path: Path, started: list[subprocess.Popen[str]], count: int
) -> None:
    """systemd's socket is used, and stays; more than one is refused."""
    path = tmp_path / "dhcp.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    script = f'exec env LISTEN_FDS={count} LISTEN_PID=$$ "$0" daemon -socketpath {path} 3<&{{}}'
    script = script.replace("{}", str(listener.fileno()))
    process = subprocess.Popen(
        ["bash", "-c", script, str(plugin)],
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    started.append(process)
    listener.close()

    if count == 2:
        assert "2 sockets were passed" in process.communicate(timeout=20)[1]
        assert process.returncode == 1
        return
    assert ask(path, "DHCP.Status", {})["result"]["pid"] == process.pid
    process.terminate()
    assert process.wait(10) == 0
    assert path.exists()


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["-nonsense"], 2, "unknown flag -nonsense"),
        (["-timeout", "soon"], 2, 'invalid duration "soon"'),
        (["-timeout"], 2, "needs a value"),
        (["-pidfile", "relative"], 1, 'Error writing pidfile "relative": path not absolute'),
    ],
)
def test_wrong_flags(
    plugin: Path, tmp_path: Path, flags: list[str], status: int, message: str
) -> None:
    command = [str(plugin), "daemon", "-socketpath", str(tmp_path / "sock"), *flags]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_malformed_requests_are_answered(
    plugin: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    path = tmp_path / "dhcp.sock"
    process = start(started, plugin, "daemon", "-socketpath", path)
    wait_for(path, process)

    for line in (b"[]\n", b"{}\n", b"nonsense\n", b'{"method": "DHCP.Allocate", "params": [{}]}\n'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
            daemon.connect(str(path))
            daemon.sendall(line)
            assert json.loads(daemon.makefile().readline())["error"]["code"] == 6
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.connect(str(path))
        daemon.sendall(b"CONNECT /_goRPC_ HTTP/1.0\n\n\xff\xff\xff")
    assert ask(path, "DHCP.Nothing", {})["error"]["code"] == 7
    assert ask(path, "DHCP.Status", {})["result"]["leases"] == 0
    process.terminate()
    lines = process.communicate()[1].splitlines()
    assert lines[0].startswith("info: ready socket=")
    refused = [each for each in lines if each.startswith("warning: request refused ")]
    assert len(refused) == 5, lines
    assert all(each.startswith("info: ") for each in lines if each not in refused), lines
