"""The recording plugin as a process."""

from __future__ import annotations

import errno
import json
import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import attrs
import pytest
from runtime_traces import FIRST, SECOND

from cni_conformance._versions import VERSIONS, at_least
from cni_conformance.runtime_side import install
from cni_conformance.runtime_side import recorder as recorder_module
from cni_conformance.runtime_side._call import Call, read


@attrs.frozen
class Recorder:
    """Recording plugins in a directory, called as by a runtime."""

    base: Path

    def __call__(
        self, command: str, config: dict[str, Any], plugin: str = FIRST, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.base / "bin" / plugin],
            input=json.dumps(config),
            env={"CNI_COMMAND": command, "CNI_PATH": f"/nowhere:{self.base}/bin", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def script(self, script: dict[str, Any]) -> None:
        (self.base / "record/script.json").write_text(json.dumps(script))

    def calls(self) -> list[Call]:
        return read(str(self.base / "record"))


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    base = tmp_path / "it's here"
    for name in ("bin", "record"):
        (base / name).mkdir(parents=True)
    install(str(base / "bin"), [FIRST, SECOND], str(base / "record"))
    return Recorder(base)


ATTACHMENT = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/proc/self/ns/net", "CNI_IFNAME": "eth0"}


def test_a_call_is_written_down_although_its_environment_is_clean(recorder: Recorder) -> None:
    config = {"cniVersion": "1.1.0", "name": "n", "type": FIRST, "text": "ü\ud800"}

    done = recorder("ADD", config, **ATTACHMENT)

    assert done.returncode == 0
    (call,) = recorder.calls()
    assert (call.plugin, call.command, call.number) == (FIRST, "ADD", 1)
    assert call.request == config
    assert call.stdin_closed
    assert call.in_path
    assert call.parent == os.getpid()
    assert call.netns == call.parent_netns == os.stat("/proc/self/ns/net").st_ino
    assert call.target == {"exists": True, "is_netns": True, "inode": call.netns}
    assert call.env["CNI_CONTAINERID"] == "c1"
    assert set(call.descriptors) == {"0", "1", "2"}
    assert call.ended is not None
    assert call.started < call.ended
    assert call.answer == done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_add_answers_in_the_version_and_passes_the_result_on(
    recorder: Recorder, version: str
) -> None:
    first = json.loads(recorder("ADD", {"cniVersion": version}, **ATTACHMENT).stdout)
    config = {"cniVersion": version, "prevResult": first}
    second = json.loads(recorder("ADD", config, SECOND, **ATTACHMENT).stdout)

    assert first["cniVersion"] == second["cniVersion"] == version
    assert ("ip4" in first) == (not at_least(version, "0.3.0"))
    assert ("mtu" in json.dumps(first)) == (version == "1.1.0")
    assert [call.result for call in recorder.calls()] == [first, second]
    assert first != second
    assert second["dns"]["search"] == [*first["dns"]["search"], f"{SECOND}.example"]
    assert {key: second[key] for key in first if key not in {"dns", "interfaces"}} == {
        key: first[key] for key in first if key not in {"dns", "interfaces"}
    }


@pytest.mark.parametrize("command", ["DEL", "CHECK", "GC", "STATUS"])
def test_other_commands_succeed_silently(recorder: Recorder, command: str) -> None:
    done = recorder(command, {"cniVersion": "1.1.0"})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version_is_answered(recorder: Recorder) -> None:
    answer = json.loads(recorder("VERSION", {"cniVersion": "1.0.0"}).stdout)

    assert answer == {"cniVersion": "1.0.0", "supportedVersions": list(VERSIONS)}


@pytest.mark.parametrize(
    ("command", "config", "code"), [("add", {}, 4), ("ADD", {"cniVersion": "9.0.0"}, 1)]
)
def test_what_is_no_request_is_recorded_and_refused(
    recorder: Recorder, command: str, config: dict[str, Any], code: int
) -> None:
    done = recorder(command, config)

    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == code
    assert [call.command for call in recorder.calls()] == [command]


def test_failures_are_scripted_for_a_plugin_and_a_command(recorder: Recorder) -> None:
    recorder.script({SECOND: {"ADD": {"code": 11}}})
    config = {"cniVersion": "1.1.0"}

    codes = [
        recorder(command, config, plugin).returncode
        for plugin, command in ((FIRST, "ADD"), (SECOND, "ADD"), (SECOND, "DEL"))
    ]

    assert codes == [0, 1, 0]
    assert json.loads(recorder.calls()[1].answer)["code"] == 11


def test_standard_input_that_stays_open_is_noticed(recorder: Recorder) -> None:
    recorder.script({"patience": 0.2})
    with subprocess.Popen(
        [recorder.base / "bin" / FIRST],
        env={"CNI_COMMAND": "STATUS"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"cniVersion": "1.1.0"}')
        process.stdin.flush()
        assert process.wait(60) == 0

    (call,) = recorder.calls()
    assert (call.stdin_closed, call.request) == (False, {"cniVersion": "1.1.0"})


def test_descriptors_left_open_and_a_missing_namespace_are_noticed(recorder: Recorder) -> None:
    left = os.open("/dev/null", os.O_RDONLY)
    try:
        subprocess.run(
            [recorder.base / "bin" / FIRST],
            env={"CNI_COMMAND": "DEL", "CNI_NETNS": "/nowhere", "CNI_PATH": "/usr/bin"},
            stdin=subprocess.DEVNULL,
            pass_fds=[left],
            check=True,
        )
    finally:
        os.close(left)

    (call,) = recorder.calls()
    assert call.descriptors[str(left)] == "/dev/null"
    assert not call.in_path
    assert call.target == {"exists": False, "is_netns": False, "inode": None}


def test_a_namespace_that_may_not_be_seen_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = runpy.run_path(str(Path(recorder_module.__file__)))
    denied = os.strerror(errno.EACCES)

    def stat(path: str) -> os.stat_result:
        raise PermissionError(errno.EACCES, denied, path)

    monkeypatch.setattr("os.stat", stat)

    assert program["_target_of"]("/proc/1/ns/net")["exists"] is None
