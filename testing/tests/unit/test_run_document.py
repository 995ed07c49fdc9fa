"""What is on stdin: the configuration, its name and its version."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import toys

import cnisdk
from cnisdk import on


class Old(cnisdk.Plugin[toys.ToyConf], supported_versions=("0.1.0", "0.2.0", "0.4.0")):
    """Supports few versions."""

    @on.add
    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Not called."""
        raise AssertionError

    @on.delete
    def detach(self, op: cnisdk.Del[toys.ToyConf]) -> None:
        """Called."""


def serve(tmp_path: Path, stdin: Any, verb: str = "ADD", plugin: type[Any] = toys.Toy) -> Any:
    """Serve a call with this stdin."""
    return toys.call(plugin, toys.environment(verb, tmp_path), stdin)


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b" ",
        b"{",
        b"{]",
        b"nonsense",
        b'{"name": }',
        b'{"name": "net"} trailing',
        b"\xff\xfe\x00",
        b'{"name": "net", "mtu": NaN}',
        b'{"name": "net", "mtu": -Infinity}',
        b'{"name": "net", "mtu": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=repr,
)
def test_stdin_that_is_no_json_is_a_decoding_failure(stdin: bytes, tmp_path: Path) -> None:
    """Contract 1.1: bad JSON → code 6 (text starts "error unmarshall")."""
    outcome = serve(tmp_path, stdin)

    assert outcome.code == 1
    assert outcome.document["code"] == 6
    assert outcome.document["msg"].startswith("error unmarshalling network config")
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize("stdin", [b"null", b"5", b'"x"', b"[]", b"true"])
def test_stdin_that_is_no_object_is_a_decoding_failure(stdin: bytes, tmp_path: Path) -> None:
    """Contract 1.1: wrong type → code 6."""
    outcome = serve(tmp_path, stdin)

    assert outcome.document["code"] == 6
    assert "expected an object, got" in outcome.document["msg"]


class Broken(io.BytesIO):
    """A stdin that cannot be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail as the kernel would."""
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("stdin", [Broken(), "closed"])
def test_unreadable_stdin_is_an_io_failure(stdin: Any, tmp_path: Path) -> None:
    """T: unreadable stdin → code 5, no callback."""
    if stdin == "closed":
        stdin = io.BytesIO()
        stdin.close()
    outcome = serve(tmp_path, stdin)

    assert outcome.document["code"] == 5
    assert outcome.document["msg"].startswith("error reading from stdin")
    assert outcome.machine.objects == set()


class Trickling(io.BytesIO):
    """A pipe: a read returns what has arrived, which may be nothing yet."""

    def read(self, size: int | None = -1, /) -> bytes:
        """A few bytes."""
        self.calls = getattr(self, "calls", 0) + 1
        return super().read(7) if self.calls % 3 else None  # type: ignore[return-value]


def test_stdin_is_read_to_its_end(tmp_path: Path) -> None:
    """One read of a pipe returns 64 KiB at most; a GC's list of attachments is longer."""
    outcome = serve(tmp_path, Trickling(toys.config(bridge="b" * 500)))

    assert outcome.code == 0


class Endless(io.RawIOBase):
    """A stdin without end."""

    def read(self, size: int = -1, /) -> bytes:
        """More."""
        return b" " * size


def test_stdin_without_end_is_an_io_failure(tmp_path: Path) -> None:
    """It must not fill the memory."""
    outcome = serve(tmp_path, Endless())

    assert outcome.document["code"] == 5
    assert "more than 16 MiB" in outcome.document["msg"]


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ({"name": None}, 7, "missing network name"),
        ({"name": ""}, 7, "missing network name"),
        ({"name": "a/b"}, 7, 'invalid characters found in network name "a/b"'),
        ({"name": "-a"}, 7, 'invalid characters found in network name "-a"'),
        ({"name": "\ud800"}, 7, 'invalid characters found in network name "\\ud800"'),
        ({"name": 5}, 6, "name: expected a string, got 5"),
        ({"name": ["n"]}, 6, 'name: expected a string, got ["n"]'),
        ({"cniVersion": 1}, 6, "cniVersion: expected a string, got 1"),
        ({"cniVersion": "1.x"}, 6, 'cniVersion: expected a version such as 1.1.0, got "1.x"'),
        ({"cniVersion": "1.1.0.0"}, 6, "cniVersion: expected a version such as 1.1.0"),
        ({"cniVersion": "9.9.9"}, 1, "incompatible CNI versions"),
        ({"cniVersion": "1.1"}, 1, "incompatible CNI versions"),
    ],
)
def test_defect_of_name_or_version_is_named(
    keys: dict[str, Any], code: int, message: str, tmp_path: Path
) -> None:
    """T: bad network name; bad config version; config version decode malformed."""
    outcome = serve(tmp_path, toys.config(**keys))

    assert outcome.code == 1
    assert outcome.document["code"] == code
    assert outcome.document["msg"].startswith(message)
    assert outcome.machine.objects == set()


def test_versions_of_plugin_and_configuration_are_both_named(tmp_path: Path) -> None:
    """T: reconcile accept/reject text; versions starting from 0.3.1; else code 1 with details text."""
    outcome = serve(tmp_path, toys.config(cniVersion="0.3.1"), plugin=Old)

    assert outcome.document["code"] == 1
    assert outcome.document["msg"] == "incompatible CNI versions"
    assert outcome.document["details"].startswith(
        'config is "0.3.1", plugin supports ["0.1.0" "0.2.0" "0.4.0"]'
    )


@pytest.mark.parametrize("keys", [{"cniVersion": None}, {"cniVersion": ""}], ids=["null", "empty"])
def test_configuration_without_version_is_0_1_0(keys: dict[str, Any], tmp_path: Path) -> None:
    """T: config without cniVersion: accepted as 0.1.0; config version decode absent."""
    outcome = serve(tmp_path, toys.config(ipam={"type": "pool"}, **keys))

    assert outcome.document["cniVersion"] == "0.1.0"
    assert outcome.document["ip4"]["ip"] == "10.1.0.5/16"


def test_version_the_plugin_lacks_runs_no_handler(tmp_path: Path) -> None:
    """T: else code 1 with details text and no callback run."""

    class New(toys.Toy, supported_versions=("1.0.0", "1.1.0")):
        """No 0.1.0."""

    outcome = serve(tmp_path, b'{"name": "net"}', plugin=New)

    assert outcome.document["code"] == 1
    assert '"0.1.0"' in outcome.document["details"]
    assert outcome.machine.objects == set()


@pytest.mark.parametrize(
    ("verb", "version"), [("CHECK", "0.3.1"), ("GC", "1.0.0"), ("STATUS", "0.4.0")]
)
def test_version_older_than_the_verb_is_refused(verb: str, version: str, tmp_path: Path) -> None:
    """T: CHECK/GC: config version too old."""
    outcome = serve(tmp_path, toys.config(cniVersion=version), verb)

    assert outcome.document["code"] == 1
    assert outcome.document["msg"] == f"config version does not allow {verb}"
    assert "details" not in outcome.document
    assert f'cniVersion is "{version}"' in outcome.stderr


@pytest.mark.parametrize(("verb", "version"), [("CHECK", "1.0.0"), ("GC", "1.1.0")])
def test_version_newer_than_the_plugin_is_refused(verb: str, version: str, tmp_path: Path) -> None:
    """T: CHECK/GC: plugin list too old."""
    outcome = serve(tmp_path, toys.config(cniVersion=version), verb, Old)

    assert outcome.document["code"] == 1
    assert f'config is "{version}"' in outcome.document["details"]


def test_error_echoes_the_version_in_use(tmp_path: Path) -> None:
    """W-LIB-4: Go's error object lacks cniVersion."""
    outcome = serve(tmp_path, toys.config(cniVersion="0.4.0", mtu="x"))

    assert outcome.document["cniVersion"] == "0.4.0"


@pytest.mark.parametrize("depth", [10, 100, 450, 900, 5000])
@pytest.mark.parametrize("key", ["whatever", "prevResult", "labels", "args", "bridge", "ipam"])
def test_deep_nesting_is_survived(key: str, depth: int, tmp_path: Path) -> None:
    """However deep: one document, no RecursionError, and DEL succeeds where JSON could be read."""
    deep = f'{{"cniVersion": "1.1.0", "name": "net", "{key}": '.encode()
    deep += b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    added = serve(tmp_path, deep)
    deleted = serve(tmp_path, deep, "DEL")

    assert added.code in {0, 1}
    assert "RecursionError" not in added.stderr + deleted.stderr
    assert isinstance(json.loads(added.stdout), dict)
    assert deleted.code == 0 or deleted.document["code"] == 6


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"timeoutSeconds": 0}, "timeoutSeconds: expected a number of seconds above 0, got 0"),
        ({"timeoutSeconds": -5}, "timeoutSeconds: expected a number of seconds above 0, got -5"),
        ({"timeoutSeconds": "5"}, 'timeoutSeconds: expected a number, got "5"'),
        ({"timeoutSeconds": True}, "timeoutSeconds: expected a number, got true"),
        ({"timeoutSeconds": 10**400}, "timeoutSeconds: "),
        ({"args": []}, "args: expected an object, got []"),
        ({"args": {"cni": 5}}, "args.cni: expected an object, got 5"),
        ({"runtimeConfig": "x"}, 'runtimeConfig: expected an object, got "x"'),
        ({"runtimeConfig": {"mac": 5}}, "runtimeConfig.mac: expected a string, got 5"),
        ({"prevResult": []}, "prevResult: expected an object, got []"),
        ({"prevResult": {"ips": [{"address": "zz"}]}}, "prevResult.ips[0].address: invalid"),
        ({"nested": {"size": 0}}, "nested.size: must be >= 1: 0"),
        ({"nested": {"peers": ["::1", "zz"]}}, "nested.peers[1]: expected an IP address"),
        ({"labels": {"a": 1}}, "labels.a: expected a string, got 1"),
        ({"subnet": "10.0.0.0"}, "subnet: expected a network in CIDR notation"),
        ({"isGateway": "no"}, 'isGateway: expected true or false, got "no"'),
    ],
)
def test_defective_key_is_refused_by_add_and_forgiven_by_delete(
    keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Bad input: key and value in the user's spelling; DEL survives any defect."""
    refused = serve(tmp_path, toys.config(**keys))
    machine = toys.FakeMachine()
    machine.objects = {"host", "container"}
    env = toys.environment("DEL", tmp_path)
    deleted = toys.call(toys.Toy, env, toys.config(**keys), machine)

    assert refused.code == 1
    assert refused.document["code"] in {6, 7}
    assert refused.document["msg"].startswith(message)
    assert refused.machine.objects == set()
    assert (deleted.code, deleted.stdout) == (0, b"")
    assert machine.objects == set()
