"""Serve a verb with a toy, or with a plugin that notes which of its handlers ran."""

from pathlib import Path
from typing import Any

import toys

import cnisdk
from cnisdk import on


PREVIOUS = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": toys.NETNS}]}


class Recorder(cnisdk.Plugin[toys.ToyConf]):
    """Notes which handlers ran, and with what."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.seen: list[Any] = seen
        self.seen.clear()

    @on.add
    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Note it."""
        self.seen += ["ADD", op.container_id, op.ifname, op.config.bridge, dict(op.args)]
        return op.result().build()

    @on.delete
    def detach(self, op: cnisdk.Del[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["DEL", op.prev_result]

    @on.check
    def verify(self, op: cnisdk.Check[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["CHECK", op.prev_result]

    @on.gc
    def sweep(self, op: cnisdk.Gc[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["GC", sorted(map(str, op.valid_attachments))]

    @on.status
    def report(self, op: cnisdk.Status[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["STATUS", op.config.bridge]


seen: list[Any] = []


def serve(
    tmp_path: Path, verb: str, plugin: Any = toys.Toy, machine: Any = None, **keys: Any
) -> toys.Outcome:
    """Serve a verb with a configuration."""
    env = toys.environment(verb, tmp_path, CNI_ARGS="A=1")
    return toys.call(plugin, env, toys.config(**keys), machine)
