"""Kubelet's part of the Container Runtime Interface, as far as networks are concerned.

The numbers of the fields are those of ``pkg/apis/runtime/v1/api.proto`` in k8s.io/cri-api.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


_RELAY = Path(__file__).with_name("cri_relay.py")
Message = Mapping[int, Any]


class CallFailed(Exception):
    """The runtime service answered a call with an error."""


class Cri:
    """A runtime service.

    Args:
        socket: Where it listens.
    """

    def __init__(self, socket: Path) -> None:
        self._relay = subprocess.Popen(
            [sys.executable, str(_RELAY), str(socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._relay.communicate(timeout=60)

    def call(self, method: str, request: Message | None = None) -> dict[int, list[Any]]:
        """Call a method.

        Raises:
            CallFailed: with the service's words.
        """
        stdin, stdout = self._relay.stdin, self._relay.stdout
        assert stdin is not None
        assert stdout is not None
        encoded = b64encode(encode(request or {})).decode()
        stdin.write(f"/runtime.v1.RuntimeService/{method} {encoded}\n")
        stdin.flush()
        outcome, _, answer = stdout.readline().strip().partition(" ")
        if outcome != "+":
            raise CallFailed(f"{method}: {answer}")
        return decode(b64decode(answer))

    def network_ready(self) -> bool:
        status = decode(self.call("Status")[1][0])
        conditions = [decode(each) for each in status[1]]
        return any(each[1] == [b"NetworkReady"] and each.get(2) == [1] for each in conditions)

    def run_pod(self, config: Message) -> str:
        return self.call("RunPodSandbox", {1: config})[1][0].decode()

    def stop_pod(self, pod: str) -> None:
        self.call("StopPodSandbox", {1: pod})

    def remove_pod(self, pod: str) -> None:
        self.call("RemovePodSandbox", {1: pod})

    def pod_network(self, pod: str) -> tuple[str, dict[str, Any]]:
        """A pod's address, and all its interfaces as the runtime understood the plugins' results."""
        answer = self.call("PodSandboxStatus", {1: pod, 2: True})
        network = decode(decode(answer[1][0])[5][0])
        info = {field[1][0]: field[2][0] for field in map(decode, answer[2])}
        return network[1][0].decode(), json.loads(info[b"info"])["cniResult"]["Interfaces"]

    def run_container(self, pod: str, config: Message, image: str, command: Sequence[str]) -> str:
        container = {1: {1: "main"}, 2: {1: image}, 3: list(command), 15: {}}
        made = self.call("CreateContainer", {1: pod, 2: container, 3: config})[1][0].decode()
        self.call("StartContainer", {1: made})
        return made

    def execute(self, container: str, *command: str) -> str:
        """Run a command that succeeds in a container."""
        answer = self.call("ExecSync", {1: container, 2: list(command), 3: 30})
        stdout, stderr = (answer.get(field, [b""])[0].decode() for field in (1, 2))
        assert answer.get(3, [0]) == [0], f"{command}: {stdout}{stderr}"
        return stdout


def pod_config(
    name: str,
    cgroup_parent: str,
    *,
    port_mapping: tuple[int, int] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Message:
    """A pod.

    Args:
        name: Of the pod.
        cgroup_parent: The cgroup its own are made in.
        port_mapping: Port of the host and port of the container.
        annotations: As in its manifest.
    """
    mappings = [] if port_mapping is None else [{2: port_mapping[1], 3: port_mapping[0]}]
    return {
        1: {1: name, 2: f"{name}-uid", 3: "default"},
        2: name,
        4: {1: ["10.96.0.10"], 2: ["svc.cluster.local"]},
        5: mappings,
        7: [{1: key, 2: value} for key, value in (annotations or {}).items()],
        8: {1: cgroup_parent, 2: {}},
    }


def encode(message: Message) -> bytes:
    """A protobuf message: integers, text, bytes, messages, and lists of them."""
    out = b""
    for field, value in message.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, int):
                out += _number(field << 3) + _number(each)
                continue
            content = encode(each) if isinstance(each, Mapping) else each
            content = content.encode() if isinstance(content, str) else content
            out += _number(field << 3 | 2) + _number(len(content)) + content
    return out


def decode(message: bytes) -> dict[int, list[Any]]:
    """The fields of a protobuf message, each a list of integers or bytes."""
    fields: dict[int, list[Any]] = {}
    rest = iter(message)
    for first in rest:
        key = _read(rest, first)
        value: int | bytes = _read(rest, next(rest))
        if key & 7 == 2:
            value = bytes(next(rest) for _ in range(value))
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _number(value: int) -> bytes:
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + _number(rest) if rest else bytes([head])


def _read(rest: Any, byte: int) -> int:
    value, shift = byte & 0x7F, 7
    while byte & 0x80:
        byte = next(rest)
        value |= (byte & 0x7F) << shift
        shift += 7
    return value
