"""Small plugins on a small machine, for the tests of the way of one call."""

import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import attrs

import cnisdk
from cnisdk import errors, on
from cnisdk._answer import Completed
from cnisdk._system import System


NETNS = "/run/netns/c1"
RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}]}


@cnisdk.config
class Nested:
    """A section of the toys' configuration."""

    size: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    peers: tuple[cnisdk.IpAddress, ...] = ()


@cnisdk.config
class ToyConf(cnisdk.NetConf):
    """One of every kind of input."""

    bridge: str = "cni0"
    mtu: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    is_gateway: bool = False
    subnet: cnisdk.IpNetwork | None = None
    nested: Nested | None = None
    labels: dict[str, str] = attrs.field(factory=dict)
    mac: str | None = cnisdk.capability("mac", arg="MAC", default=None)


@cnisdk.config
class PoolConf(cnisdk.IpamConf):
    """An IPAM section with a required key."""

    subnet: cnisdk.IpInterface
    routes: tuple[cnisdk.Route, ...] = ()
    ip: str = cnisdk.arg("IP", default="")


class FakeNamespace:
    """Remembers what was made in it."""

    def __init__(self, machine: "FakeMachine", rollback: Any) -> None:
        self.machine = machine
        self.rollback = rollback
        machine.opened.append(self)

    def close(self) -> None:
        """Let go of it."""
        self.machine.opened.remove(self)

    def add(self, name: str) -> None:
        """Make something, undone on failure."""
        self.machine.objects.add(name)
        if self.rollback is not None:
            self.rollback.add(self.machine.objects.discard, name)

    def remove(self, name: str) -> None:
        """Remove something, if it is there."""
        self.machine.objects.discard(name)

    def remove_owned(self, attachment: cnisdk.Attachment) -> None:
        """What the SDK sweeps on the host after DEL."""
        self.machine.swept.append(str(attachment))

    def retain_owned(self, network: str, valid: frozenset[cnisdk.Attachment]) -> None:
        """What the SDK sweeps on the host after GC."""
        self.machine.swept.append(f"{network}: all but {sorted(map(str, valid))}")


class FakeMachine:
    """A machine without kernel: a set of objects, and one scripted delegate."""

    def __init__(self, delegate: Mapping[str, Completed] | None = None) -> None:
        self.objects: set[str] = set()
        self.swept: list[str] = []
        self.opened: list[FakeNamespace] = []
        self.delegated: list[tuple[str, str]] = []
        self.delegate = delegate or {"ADD": Completed(json.dumps(RESULT).encode(), 0)}
        self.own_netns = "/proc/self/ns/net"

    def host(self, *, rollback: Any, **_: Any) -> FakeNamespace:
        """The host's namespace."""
        return FakeNamespace(self, rollback)

    def container(self, path: str, *, rollback: Any, **_: Any) -> FakeNamespace:
        """The container's namespace."""
        if path != NETNS:
            raise errors.InvalidNetns(f"CNI_NETNS: {path} is no network namespace")
        return FakeNamespace(self, rollback)

    def is_own_netns(self, path: str) -> bool:
        """Whether it is where the plugin runs."""
        return path == self.own_netns

    def run_delegate(
        self,
        plugin_type: str,
        env: Mapping[str, str],
        stdin: bytes,
        stderr: BinaryIO,
        deadline: cnisdk.Deadline,
    ) -> Completed:
        """Answer as scripted."""
        verb = env["CNI_COMMAND"]
        self.delegated.append((plugin_type, verb))
        return self.delegate.get(verb, Completed(b"", 0))


class Toy(cnisdk.Plugin[ToyConf]):
    """Attach containers to nothing."""

    @on.add
    def attach(self, op: cnisdk.Add[ToyConf]) -> cnisdk.Result:
        """Make two objects."""
        cast("Any", op.host).add("host")
        cast("Any", op.netns).add("container")
        res = op.result()
        eth = res.interface(cnisdk.Interface(op.ifname, op.config.mac or "", sandbox=NETNS))
        if op.config.ipam is not None:
            res.adopt(op.ipam.add(), on=eth)
        return res.build()

    @on.delete
    def detach(self, op: cnisdk.Del[ToyConf]) -> None:
        """Remove them, whatever the configuration looks like."""
        cast("Any", op.host).remove("host")
        if op.netns is not None:
            cast("Any", op.netns).remove("container")

    @on.check
    def verify(self, op: cnisdk.Check[ToyConf]) -> None:
        """Nothing to be seen."""
        if op.prev_result.interface(op.ifname) is None:
            raise errors.InvalidConfig(f"prevResult has no interface {op.ifname}")


class Chained(cnisdk.ChainedPlugin[ToyConf], stateless=True):
    """Tune what another plugin made."""

    @on.add
    def tune(self, op: cnisdk.ChainedAdd[ToyConf]) -> cnisdk.Result:
        """Change the interface."""
        res = op.result()
        if op.prev_result.interface(op.ifname) is not None:
            res.update(op.ifname, mtu=op.config.mtu)
        return res.build()

    @on.delete
    def untune(self, op: cnisdk.Del[ToyConf]) -> None:
        """Nothing is kept."""

    @on.check
    def verify(self, op: cnisdk.Check[ToyConf]) -> None:
        """Nothing is kept."""


class Pool(cnisdk.IpamPlugin[PoolConf], stateless=True):
    """Hand out one address."""

    @on.add
    def allocate(self, op: cnisdk.Add[PoolConf]) -> cnisdk.Result:
        """The configured one."""
        return op.result().ip(op.config.subnet).routes(op.config.routes).build()

    @on.delete
    def release(self, op: cnisdk.Del[PoolConf]) -> None:
        """Nothing is kept."""

    @on.check
    def verify(self, op: cnisdk.Check[PoolConf]) -> None:
        """Nothing is kept."""


@attrs.frozen
class Outcome:
    """What one call printed, and how it ended."""

    code: int
    stdout: bytes
    stderr: str
    machine: FakeMachine

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        return cast("dict[str, Any]", json.loads(self.stdout))


def call(
    plugin: type[Any],
    env: Mapping[str, str],
    stdin: bytes | BinaryIO = b"",
    machine: FakeMachine | None = None,
) -> Outcome:
    """Serve one call in this process."""
    machine = machine or FakeMachine()
    stdout, stderr = io.BytesIO(), io.BytesIO()
    source = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
    code = plugin(system=cast("System", machine)).run(env, source, stdout, stderr)
    return Outcome(code, stdout.getvalue(), stderr.getvalue().decode(), machine)


def environment(verb: str, run_dir: object, **more: str) -> dict[str, str]:
    """A proper environment for a verb."""
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": NETNS,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNISDK_RUN_DIR": str(run_dir),
    }
    return {**env, **more}


def network(**keys: Any) -> dict[str, Any]:
    """A proper configuration."""
    return {"cniVersion": "1.1.0", "name": "net", "type": "toy", **keys}


def config(**keys: Any) -> bytes:
    """The same as stdin."""
    return json.dumps(network(**keys)).encode()
