"""Run one verb of a plugin on a fake machine."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import attrs

from cnisdk import _runtime, errors, versions
from cnisdk._answer import Completed
from cnisdk._plugin import AnyPlugin
from cnisdk._result import Result
from cnisdk._result_json import decode, encode
from cnisdk.testing._consistency import check_annotations, check_scenario
from cnisdk.testing._fake_machine import FakeMachine
from cnisdk.testing._ipam import FakeIpam
from cnisdk.testing._state import DEFAULT_NETNS, HostState


@attrs.frozen(kw_only=True)
class Outcome:
    """What one verb left behind."""

    result: Result | None
    """ADD's result; None for other verbs and on failure."""
    error: errors.CniError | None
    """Why the verb failed."""
    exit_code: int
    """The exit status of the process."""
    stdout: str
    """What was printed."""
    stderr: str
    """The line for the operator, and what a delegate printed."""
    host: HostState
    """The machine afterwards."""
    ipam: FakeIpam
    """The delegate, with the verbs it received."""
    calls: int
    """How many changes of the machine were attempted."""

    @property
    def document(self) -> Any:
        """stdout as JSON; None when it is empty."""
        return json.loads(self.stdout) if self.stdout else None


class Runtime:
    """Runs verbs of one plugin as a container runtime would, in this process.

    Args:
        plugin: The plugin's class, or an instance.
        conf: The plugin's part of the network configuration; name, type and cniVersion are added.
        cni_version: The protocol version.
        network: Name of the network.
        container_id: CNI_CONTAINERID.
        ifname: CNI_IFNAME.
        netns: CNI_NETNS.
        args: CNI_ARGS.
        capability_args: What becomes ``runtimeConfig``.
        prev_result: The result of the plugin before in the chain, for every ADD that is given none.
        raise_unexpected: Let anything but a CNI error surface in the test instead of becoming code 999.
    """

    def __init__(
        self,
        plugin: type[AnyPlugin] | AnyPlugin,
        conf: Mapping[str, Any] | None = None,
        *,
        cni_version: str = versions.NEWEST,
        network: str = "testnet",
        container_id: str = "c1",
        ifname: str = "eth0",
        netns: str = DEFAULT_NETNS,
        args: Mapping[str, str] | None = None,
        capability_args: Mapping[str, Any] | None = None,
        prev_result: Result | None = None,
        raise_unexpected: bool = True,
    ) -> None:
        self.plugin: AnyPlugin = plugin() if isinstance(plugin, type) else plugin
        check_annotations(type(self.plugin))
        self.conf: dict[str, Any] = dict(conf or {})
        self.cni_version = cni_version
        self.network = network
        self.container_id = container_id
        self.ifname = ifname
        self.netns = netns
        self.args: dict[str, str] = dict(args or {})
        self.capability_args: dict[str, Any] = dict(capability_args or {})
        self.prev_result = prev_result
        self.raise_unexpected = raise_unexpected

    def add(
        self,
        state: HostState | None = None,
        *,
        ipam: FakeIpam | None = None,
        prev_result: Result | None = None,
        fail_at: int | None = None,
    ) -> Outcome:
        """Run ADD.

        Args:
            state: The machine before.
            ipam: The delegated plugin.
            prev_result: The result of the plugin before in the chain, if not the runtime's.
            fail_at: Let the n-th change of the machine fail, counted from 0.
        """
        return self._run("ADD", state, ipam, prev_result or self.prev_result, fail_at=fail_at)

    def delete(
        self,
        state: HostState | None = None,
        *,
        ipam: FakeIpam | None = None,
        prev_result: Result | None = None,
        netns: str | None = None,
    ) -> Outcome:
        """Run DEL; ``netns=""`` for a runtime that no longer knows the namespace."""
        return self._run("DEL", state, ipam, prev_result, netns=netns)

    def check(
        self,
        state: HostState | None = None,
        *,
        prev_result: Result | None,
        ipam: FakeIpam | None = None,
    ) -> Outcome:
        """Run CHECK."""
        return self._run("CHECK", state, ipam, prev_result)

    def gc(
        self,
        state: HostState | None = None,
        *,
        valid: Sequence[tuple[str, str]] = (),
        ipam: FakeIpam | None = None,
    ) -> Outcome:
        """Run GC; ``valid`` holds (container id, interface name) of what must stay."""
        entries = [{"containerID": each[0], "ifname": each[1]} for each in valid]
        return self._run("GC", state, ipam, None, extra={"cni.dev/valid-attachments": entries})

    def status(self, state: HostState | None = None, *, ipam: FakeIpam | None = None) -> Outcome:
        """Run STATUS."""
        return self._run("STATUS", state, ipam, None)

    def session(self, state: HostState | None = None, *, ipam: FakeIpam | None = None) -> Session:
        """Verbs in a row, with state and prevResult carried along as libcni does."""
        return Session(self, state or HostState(), ipam or FakeIpam())

    def document(self, prev_result: Result | None = None) -> dict[str, Any]:
        """The request configuration on stdin."""
        document: dict[str, Any] = {
            "cniVersion": self.cni_version,
            "name": self.network,
            "type": type(self.plugin).__name__.lower(),
            **self.conf,
        }
        if self.capability_args:
            document["runtimeConfig"] = self.capability_args
        if prev_result is not None:
            document["prevResult"] = encode(prev_result, self.cni_version)
        return document

    def _run(
        self,
        verb: str,
        state: HostState | None,
        ipam: FakeIpam | None,
        prev_result: Result | None,
        *,
        netns: str | None = None,
        extra: Mapping[str, Any] | None = None,
        fail_at: int | None = None,
        kill_at: int | None = None,
    ) -> Outcome:
        state = HostState() if state is None else state
        check_scenario(verb, self, state, prev_result)
        machine = FakeMachine(state, fail_at=fail_at, kill_at=kill_at)
        delegate = (ipam or FakeIpam()).copy()
        stdin = json.dumps({**self.document(prev_result), **(extra or {})}).encode()
        stdout, stderr = io.BytesIO(), io.BytesIO()
        failures: list[BaseException] = []
        spec = attrs.evolve(self.plugin.spec(), system=FakeSystem(machine, delegate))
        exit_code = _runtime.run(
            spec,
            self._environment(verb, self.netns if netns is None else netns),
            io.BytesIO(stdin),
            stdout,
            stderr,
            observer=failures.append,
        )
        failure = failures[0] if failures else None
        error = failure if isinstance(failure, errors.CniError) else None
        if failure is not None and error is None:
            if self.raise_unexpected and fail_at is None and kill_at is None:
                raise failure
            error = _runtime.as_cni_error(failure, type(self.plugin).__name__, verb)
        printed = stdout.getvalue().decode()
        has_result = verb == "ADD" and error is None
        return Outcome(
            result=decode(json.loads(printed), self.cni_version) if has_result else None,
            error=error,
            exit_code=exit_code,
            stdout=printed,
            stderr=stderr.getvalue().decode(),
            host=machine.state(),
            ipam=delegate,
            calls=machine.calls,
        )

    def _environment(self, verb: str, netns: str) -> dict[str, str]:
        env = {"CNI_COMMAND": verb, "CNI_PATH": "/opt/cni/bin", "CNISDK_RUN_DIR": "/dev/null"}
        if verb in {"ADD", "DEL", "CHECK"}:
            env["CNI_CONTAINERID"] = self.container_id
            env["CNI_NETNS"] = netns
            env["CNI_IFNAME"] = self.ifname
            env["CNI_ARGS"] = ";".join(f"{key}={value}" for key, value in self.args.items())
        return env

    def killed(self, state: HostState, ipam: FakeIpam, at: int) -> HostState:
        """The machine after ADD was killed at its n-th change, with nothing undone."""
        return self._run("ADD", state, ipam, self.prev_result, kill_at=at).host


class Session:
    """ADD, CHECK, DEL in a row on one machine."""

    def __init__(self, runtime: Runtime, state: HostState, ipam: FakeIpam) -> None:
        self.runtime = runtime
        self.state: HostState = state
        self.ipam = ipam
        self.prev_result: Result | None = None

    def add(self) -> Outcome:
        """Run ADD and keep its result."""
        out = self._kept(self.runtime.add(self.state, ipam=self.ipam))
        self.prev_result = out.result
        return out

    def check(self) -> Outcome:
        """Run CHECK with the result of ADD."""
        return self._kept(
            self.runtime.check(self.state, ipam=self.ipam, prev_result=self.prev_result)
        )

    def delete(self) -> Outcome:
        """Run DEL with the result of ADD."""
        return self._kept(
            self.runtime.delete(self.state, ipam=self.ipam, prev_result=self.prev_result)
        )

    def _kept(self, out: Outcome) -> Outcome:
        self.state = out.host
        return out


class FakeSystem:
    """The machine a plugin sees: fake namespaces, a fake delegate."""

    def __init__(self, machine: FakeMachine, ipam: FakeIpam) -> None:
        self.machine = machine
        self.ipam = ipam

    def host(self, **context: Any) -> Any:
        """The namespace the plugin runs in."""
        return self.machine.namespace("", **context)

    def container(self, path: str, **context: Any) -> Any:
        """A container's namespace."""
        return self.machine.namespace(path, **context)

    def is_own_netns(self, path: str) -> bool:
        """Only the host's own path is the plugin's own namespace."""
        return path == "/proc/self/ns/net"

    def run_delegate(
        self,
        plugin_type: str,
        env: Mapping[str, str],
        stdin: bytes,
        stderr: BinaryIO,
        deadline: object,
    ) -> Completed:
        """Ask the fake delegate."""
        return self.ipam.answer(env, stdin)
