"""dhcp called as a runtime calls it, with a daemon that says what the test wants."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cnisdk.testing import Runtime
from reference_plugins.dhcp import Dhcp


RESULT = {
    "cniVersion": "1.1.0",
    "ips": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 1400}],
    "dns": {"nameservers": ["10.0.0.2"], "search": ["example.org"]},
}


class Daemon:
    """Answers each method with what the test set, and remembers the questions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.questions: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {"DHCP.Allocate": RESULT, "DHCP.Check": RESULT}
        self.errors: dict[str, dict[str, Any]] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as stream:
                line = stream.readline()
                if not line:
                    continue
                question = json.loads(line)
                method, (arguments,) = question["method"], question["params"]
                self.questions.append((method, arguments))
                answer = {
                    "id": question["id"],
                    "result": self.answers.get(method, {}),
                    "error": self.errors.get(method),
                }
                stream.write(json.dumps(answer) + "\n")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "dhcp.sock")
    yield made
    made.close()


@pytest.fixture
def runtime(tmp_path: Path) -> Callable[..., Runtime]:
    def make(args: dict[str, str] | None = None, **ipam: Any) -> Runtime:
        conf = {"ipam": {"type": "dhcp", "daemonSocketPath": f"{tmp_path}/dhcp.sock", **ipam}}
        return Runtime(Dhcp, conf=conf, network="net", container_id="c1", args=args or {})

    return make


def test_the_daemons_answer_is_the_result(daemon: Daemon, runtime: Callable[..., Runtime]) -> None:
    outcome = runtime(
        {"IgnoreUnknown": "1", "NAME": "web"},
        provide=[{"option": "host-name", "fromArg": "NAME"}],
        request=[{"option": "42"}, {"skipDefault": True}],
        priority=7,
    ).add()

    assert outcome.error is None
    assert json.loads(outcome.stdout) == RESULT
    ((method, arguments),) = daemon.questions
    assert method == "DHCP.Allocate"
    assert (arguments["ContainerID"], arguments["IfName"]) == ("c1", "eth0")
    assert arguments["Netns"].startswith("/")
    assert "NAME=web" in arguments["Args"].split(";")
    assert 0 < arguments["Seconds"] < 45
    assert arguments["StdinData"] == {
        "name": "net",
        "ipam": {
            "provide": [{"option": "host-name", "value": "", "fromArg": "NAME"}],
            "request": [
                {"option": "42", "skipDefault": False},
                {"option": "", "skipDefault": True},
            ],
            "priority": 7,
        },
    }


@pytest.mark.parametrize(("code", "expected"), [(11, 11), (7, 7), (5, 5), (999, 999), (1234, 999)])
def test_the_daemons_errors(
    daemon: Daemon, runtime: Callable[..., Runtime], code: int, expected: int
) -> None:
    """Go's words before the daemon's; the lease is given back in case there was one."""
    daemon.errors["DHCP.Allocate"] = {"code": code, "msg": "no more tries", "details": "why"}

    error = runtime().add().error

    assert error is not None
    assert (error.code, error.msg) == (expected, "error calling DHCP.Allocate: no more tries")
    assert error.details == "why"
    assert [method for method, _ in daemon.questions] == ["DHCP.Allocate", "DHCP.Release"]


def test_an_answer_that_is_none(daemon: Daemon, runtime: Callable[..., Runtime]) -> None:
    daemon.answers["DHCP.Allocate"] = {"ips": "nonsense"}

    assert runtime().add().error is not None


def test_delete_and_status_without_daemon(runtime: Callable[..., Runtime]) -> None:
    """W-DH-2."""
    assert runtime().delete().error is None
    status = runtime().status().error
    assert status is not None
    assert status.code == 50
    assert "error dialing DHCP daemon" in status.msg


def test_delete_with_a_damaged_configuration(
    daemon: Daemon, runtime: Callable[..., Runtime]
) -> None:
    """What is wrong beside the socket's path does not matter."""
    assert runtime(request=[{"option": "nonsense"}], priority="x").delete().error is None
    assert [method for method, _ in daemon.questions] == ["DHCP.Release"]


def test_gc_names_what_is_valid(daemon: Daemon, runtime: Callable[..., Runtime]) -> None:
    daemon.answers["DHCP.Retain"] = {"released": ["c9/eth0 on net"]}

    assert runtime().gc(valid=[]).error is None

    assert daemon.questions == [("DHCP.Retain", {"Network": "net", "Valid": []})]
