"""Delegation by exec and in this process: one table, because nobody must be able to tell them apart."""

import io
import json
import subprocess
import sys

import pytest

from cnisdk import _exec, _launcher, errors, versions
from cnisdk._deadline import Deadline
from cnisdk._system import KernelSystem


PLUGIN = '''
import os, sys
import cnisdk
from cnisdk import errors, on


@cnisdk.config
class Conf(cnisdk.IpamConf):
    behave: str = "well"


class Pool(cnisdk.IpamPlugin[Conf], stateless=True):
    """A pool of one address."""

    @on.add
    def reserve(self, op: cnisdk.Add[Conf]) -> cnisdk.Result:
        behave = op.config.behave
        if behave == "error":
            raise errors.TryAgainLater("no lease", details="server silent")
        if behave == "crash":
            raise ZeroDivisionError("oops")
        if behave == "exit":
            sys.exit(3)
        if behave == "print":
            print("chatter")
        if behave == "echo":
            return op.result().ip(op.args["IP"]).build()
        return op.result().ip("10.0.0.5/24").build()

    @on.delete
    def release(self, op: cnisdk.Del[Conf]) -> None:
        if op.config is not None and op.config.behave == "error":
            raise errors.IoFailure("disk gone")

    @on.status
    def ready(self, op: cnisdk.Status[Conf]) -> None:
        if op.config.behave == "error":
            raise errors.PluginNotAvailable("pool exhausted")
'''


@pytest.fixture(params=["in this process", "by exec"])
def delegate(request, tmp_path, monkeypatch):
    """Runs a verb of a delegate found in CNI_PATH, one way or the other."""
    by_exec = request.param == "by exec"
    if (
        by_exec
        and subprocess.run([sys.executable, "-I", "-c", "import cnisdk"], check=False).returncode
    ):
        pytest.skip("cnisdk is not installed in this interpreter, so its launchers cannot run")
    module = f"pool_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(PLUGIN)
    text = _launcher.text(f"{module}:Pool", versions.ALL, sys.executable, str(tmp_path))
    if by_exec:
        text = text.replace(_launcher.MARKER, "# some other program: ")
    launcher = tmp_path / "pool"
    launcher.write_text(text)
    launcher.chmod(0o755)
    assert (_launcher.target_of(str(launcher)) is None) == by_exec
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(verb, behave="well", *, cni_path=None, **env):
        ipam = {"type": "pool", "behave": behave}
        config = {"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": ipam}
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": "/run/netns/blue",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": cni_path or str(tmp_path),
            "CNISDK_RUN_DIR": str(tmp_path / "run"),
        } | env
        stderr = io.BytesIO()
        completed = KernelSystem().run_delegate(
            "pool", environment, json.dumps(config).encode(), stderr, Deadline(30)
        )
        document = _exec.interpret(
            completed, plugin_type="pool", verb=verb, version="1.1.0", wants_result=verb == "ADD"
        )
        return document, stderr.getvalue().decode()

    return run


RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.5/24"}]}


def test_its_result_is_returned(delegate):
    """T: delegate ADD finds and runs."""
    assert delegate("ADD") == (RESULT, "")


def test_what_its_handler_prints_is_no_part_of_the_result(delegate):
    """stdout is a protocol channel."""
    assert delegate("ADD", "print")[0] == RESULT


@pytest.mark.parametrize("verb", ["DEL", "STATUS"])
def test_verbs_without_result_succeed_silently(delegate, verb):
    """T: delegate DEL, STATUS."""
    assert delegate(verb) == ({}, "")


@pytest.mark.parametrize(
    ("verb", "behave", "expected"),
    [
        ("ADD", "error", (11, "no lease", "server silent")),
        ("DEL", "error", (5, "disk gone", "")),
        ("STATUS", "error", (50, "pool exhausted", "")),
    ],
)
def test_its_error_is_passed_on_unchanged(delegate, verb, behave, expected):
    """T: plugin error passthrough."""
    with pytest.raises(errors.DelegateError) as caught:
        delegate(verb, behave)

    assert (caught.value.code, caught.value.msg, caught.value.details) == expected


@pytest.mark.parametrize("behave", ["crash", "exit"])
def test_a_crash_is_an_internal_error(delegate, behave):
    """Every failure ends in an error object."""
    with pytest.raises(errors.DelegateError, match="unexpected error in pool ADD") as caught:
        delegate("ADD", behave)

    assert caught.value.code == errors.InternalError.code


def test_the_environment_is_what_it_was_given(delegate):
    """T: delegate overrides a different inherited CNI_COMMAND; CNI_ARGS arrive."""
    document, _ = delegate("ADD", "echo", CNI_ARGS="IP=10.9.9.9/24")

    assert document["ips"] == [{"address": "10.9.9.9/24"}]


def test_a_delegate_that_is_not_there_is_an_error(delegate, tmp_path):
    """T: delegate not-found error."""
    with pytest.raises(_exec.PluginNotFound, match='failed to find plugin "pool"'):
        delegate("ADD", cni_path=str(tmp_path / "elsewhere"))


def test_version_negotiation_is_the_same(delegate):
    """A delegate refuses what it does not support."""
    with pytest.raises(errors.DelegateError) as caught:
        delegate("CHECK", CNI_IFNAME="much-too-long-a-name")

    assert caught.value.code == errors.InvalidEnvironment.code
