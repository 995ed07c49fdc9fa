"""The log and the record of invocations: what is in them, and that they never fail a call."""

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
import toys

import cnisdk
from cnisdk import _log, _trace, errors
from cnisdk._log import Log


@cnisdk.config
class SecretConf(toys.ToyConf):
    """Has something to hide."""

    api_token: str = cnisdk.key(secret=True, default="", arg="TOKEN", capability="token")


class Secretive(toys.Toy):
    """Fails with a configuration that holds secrets."""

    config_class = SecretConf


class Raising(toys.Toy):
    """Fails unexpectedly."""

    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Fail."""
        op.log.debug("a detail", size=5)
        op.log.info("about to fail")
        raise ZeroDivisionError("by zero")


def serve(
    tmp_path: Path, plugin: type[Any] = toys.Toy, verb: str = "ADD", **env: str
) -> toys.Outcome:
    """Serve a call with a log."""
    more = {"CNI_LOG_FILE": str(tmp_path / "log"), **env}
    return toys.call(plugin, toys.environment(verb, tmp_path / "run", **more), toys.config())


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    """The log."""
    return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


def records(tmp_path: Path) -> list[dict[str, Any]]:
    """The invocations."""
    found = sorted((tmp_path / "run" / "invocations").iterdir())
    return [json.loads(path.read_text()) for path in found]


# ---- the log ------------------------------------------------------------------------------------


def test_traceback_of_an_unexpected_error_is_in_the_log_alone(tmp_path: Path) -> None:
    """One line on stderr, everything in the log."""
    outcome = serve(tmp_path, Raising)
    *_, told, last = lines(tmp_path)

    assert len(outcome.stderr.splitlines()) == 1
    assert "Traceback" not in outcome.stderr + outcome.stdout.decode()
    assert told["message"] == "about to fail"
    assert last["level"] == "error"
    assert last["code"] == 999
    assert "ZeroDivisionError: by zero" in last["traceback"]
    assert "in attach" in last["traceback"]


def test_every_line_says_whose_call_it_was(tmp_path: Path) -> None:
    """Invocation, verb, network, container, interface, and the trace context."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    serve(tmp_path, Raising, TRACEPARENT=parent)
    found = lines(tmp_path)

    assert len({line["invocation"] for line in found}) == 1
    for line in found:
        assert (line["verb"], line["network"], line["containerID"]) == ("ADD", "net", "c1")
        assert (line["ifname"], line["plugin"]) == ("eth0", "Raising")
        assert line["traceparent"] == parent


@pytest.mark.parametrize(
    ("level", "messages"),
    [("debug", ["a detail", "about to fail"]), ("info", ["about to fail"]), ("ERROR", [])],
)
def test_level_decides_what_is_written(level: str, messages: list[str], tmp_path: Path) -> None:
    """CNI_LOG_LEVEL, in any case."""
    serve(tmp_path, Raising, CNI_LOG_LEVEL=level)

    assert [line["message"] for line in lines(tmp_path)][:-1] == messages


def test_configuration_may_name_the_log(tmp_path: Path) -> None:
    """logFile and logLevel; the environment wins."""
    document = {"logFile": str(tmp_path / "other"), "logLevel": "debug"}

    assert Log.of({}, document, {}).target == str(tmp_path / "other")
    assert Log.of({}, document, {}).threshold == 10
    assert Log.of({"CNI_LOG_FILE": "x", "CNI_LOG_LEVEL": "error"}, document, {}).target == "x"
    assert Log.of({}, {"logFile": 5, "logLevel": []}, {}).target == ""


def test_log_file_is_private_and_appended_to(tmp_path: Path) -> None:
    """0600: configurations hold addresses and tokens."""
    log = Log(str(tmp_path / "log"))
    log.info("one")
    log.warning("two", detail={"a": {1, 2}})

    assert [line["message"] for line in lines(tmp_path)] == ["one", "two"]
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "target", ["/nowhere/log", "/proc/self/mem", "/", "a\0b", "\ud800", "/dev/full"], ids=repr
)
def test_log_that_cannot_be_written_does_not_fail_the_call(target: str, tmp_path: Path) -> None:
    """The attachment counts."""
    assert serve(tmp_path, CNI_LOG_FILE=target, CNI_LOG_LEVEL="debug").code == 0
    assert serve(tmp_path, Raising, CNI_LOG_FILE=target).document["code"] == 999


@pytest.mark.timeout(10)
def test_fifo_nobody_reads_does_not_hold_up_the_call(tmp_path: Path) -> None:
    """Opening it for writing would wait for a reader."""
    os.mkfifo(tmp_path / "log")

    assert serve(tmp_path, Raising).document["code"] == 999


def test_log_is_no_symbolic_link(tmp_path: Path) -> None:
    """A plugin runs as root."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "log").symlink_to(victim)
    serve(tmp_path, Raising)

    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    ("target", "start"), [("journald", "PRIORITY=3\n"), ("syslog", "<27>cnisdk: {")]
)
def test_daemons_are_sent_datagrams(
    target: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their own formats, whatever the message holds."""
    address = str(tmp_path / "socket")
    monkeypatch.setattr(_log, "_JOURNAL_SOCKET", address)
    monkeypatch.setattr(_log, "_SYSLOG_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(address)
        Log(target).error("line one\nline two \ud800")
        text = daemon.recv(65536).decode()

    assert text.startswith(start)
    assert "line one" in text


# ---- the record ---------------------------------------------------------------------------------


def test_invocation_is_recorded_with_its_outcome(tmp_path: Path) -> None:
    """Enough to replay it."""
    serve(tmp_path)
    serve(tmp_path, Raising)
    added, failed = records(tmp_path)

    assert (added["plugin"], added["verb"]) == ("toy", "ADD")
    assert added["env"]["CNI_CONTAINERID"] == "c1"
    assert added["stdin"] == toys.network()
    assert added["result"]["interfaces"][0]["name"] == "eth0"
    assert added["duration"] >= 0
    assert failed["error"]["code"] == 999


def test_environment_of_the_node_is_not_recorded(tmp_path: Path) -> None:
    """What is no variable of the protocol may be anything."""
    serve(tmp_path, AWS_SECRET_ACCESS_KEY="x")

    assert "AWS_SECRET_ACCESS_KEY" not in records(tmp_path)[0]["env"]


def test_secrets_are_redacted(tmp_path: Path) -> None:
    """Declared ones and the usual suspects, at any depth, from every source."""
    document = toys.network(
        apiToken="s3cret",
        nested={"size": 1, "password": "s3cret"},
        args={"cni": {"token": "s3cret"}},
        runtimeConfig={"token": "s3cret"},
    )
    env = toys.environment("ADD", tmp_path / "run", CNI_ARGS="A=1;TOKEN=s3cret")
    toys.call(Secretive, env, json.dumps(document).encode())
    (record,) = records(tmp_path)

    assert "s3cret" not in json.dumps(record)
    assert record["stdin"]["apiToken"] == _trace.REDACTED
    assert record["env"]["CNI_ARGS"] == f"A=1;TOKEN={_trace.REDACTED}"


def test_status_is_recorded_when_it_fails_alone(tmp_path: Path) -> None:
    """Runtimes ask for it every few seconds."""

    class Unready(toys.Toy):
        """Not ready."""

        @cnisdk.on.status
        def report(self, op: cnisdk.Status[toys.ToyConf]) -> None:
            """Fail."""
            raise errors.PluginNotAvailable("x")

    serve(tmp_path, verb="STATUS")
    assert not (tmp_path / "run" / "invocations").exists()
    serve(tmp_path, Unready, verb="STATUS")
    assert len(records(tmp_path)) == 1


def test_old_records_are_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay."""
    monkeypatch.setattr(_trace, "KEPT", 3)
    monkeypatch.setattr(_trace, "_PRUNE_EVERY", 1)
    for number in range(6):
        serve(tmp_path, CNI_CONTAINERID=f"c{number}")

    assert [each["env"]["CNI_CONTAINERID"] for each in records(tmp_path)] == ["c3", "c4", "c5"]


def test_records_are_private(tmp_path: Path) -> None:
    """0700 and 0600."""
    serve(tmp_path)
    directory = tmp_path / "run" / "invocations"

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
