"""A node for one container runtime: namespaces of its own, in which the runtime cannot tell that it is a guest.

The node has its own network, mounts and processes. Where runtimes and plugins keep state it has file systems in
memory: /run, /var/lib/cni, /etc/cni, /dev/shm; and /opt/cni, where it has our plugins. Nothing of it is seen outside but
cgroups, which are named after it and removed with it. It ends, with every process in it, when `close` is called or the process that made it dies.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs


PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
STATE = "/run/node"
"""Where a test keeps files of its own in the node."""
BIN_DIR = "/opt/cni/bin"
"""Where ctr looks for plugins; it has no option for that."""
CONF_DIR = "/etc/cni/net.d"
NETWORKS = "/var/lib/cni/networks"
RESULTS = "/var/lib/cni/results"
_PATIENCE = 60.0
"""Seconds: far more than anything here takes, also on a machine with other things to do."""

_SETUP = f"""
set -eu
private() {{ # DIRECTORY: an empty one in its place, also where there is none
    if [ ! -d "$1" ]; then
        parent=$(dirname "$1") layer={STATE}/overlay$1
        mkdir -p "$layer/upper" "$layer/work"
        mount -t overlay -o "lowerdir=$parent,upperdir=$layer/upper,workdir=$layer/work" overlay "$parent"
        mkdir "$1"
    fi
    mount -t tmpfs tmpfs "$1"
}}
mount -t tmpfs tmpfs /run
mkdir -p {STATE}/tmp /run/netns /run/lock
for directory in /dev/shm /etc/cni /opt/cni /var/lib/cni; do private "$directory"; done
mkdir {BIN_DIR} {CONF_DIR}
ip link set lo up
echo ready
cat # until nobody holds the other end; meanwhile this shell reaps what others leave
"""


class CannotMakeNode(Exception):
    """There are no rights to make namespaces and mounts."""


@attrs.frozen
class Call:
    """One call of a plugin of ours."""

    plugin: str
    verb: str
    env: Mapping[str, str]
    stdin: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


class Node:
    """A node with our plugins.

    Args:
        launchers: A directory with them.

    Raises:
        CannotMakeNode: the rights are missing.
    """

    def __init__(self, launchers: Path) -> None:
        self.name = f"cnisdk-{uuid.uuid4().hex[:8]}"
        """No other node has it; for cgroups and whatever else is seen outside."""
        flags = ["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        self._init = subprocess.Popen(
            ["unshare", *flags, "--propagation=private", "sh", "-c", _SETUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": PATH},
        )
        self._daemons: list[subprocess.Popen[bytes]] = []
        assert self._init.stdout is not None
        if self._init.stdout.readline() != b"ready\n":
            stderr = self._init.communicate()[1].decode().strip()
            raise CannotMakeNode(stderr)
        for launcher in launchers.iterdir():
            shutil.copy(launcher, self.path(BIN_DIR))

    def path(self, path: str) -> Path:
        """How a file of the node is reached from outside."""
        return Path(f"/proc/{self._init.pid}/root{path}")

    def write(self, path: str, content: str | bytes | Mapping[str, Any]) -> None:
        """Write a file, from an object as JSON."""
        data = json.dumps(content) if isinstance(content, Mapping) else content
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_bytes(data.encode() if isinstance(data, str) else data)

    # ---- processes ------------------------------------------------------------------------------

    def try_run(
        self, *command: str, env: Mapping[str, str] | None = None, seconds: float = _PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the node."""
        return subprocess.run(
            self._inside(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=self._environment(env),
        )

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a program that succeeds.

        Returns:
            What it wrote to stdout.
        """
        done = self.try_run(*command, env=env)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str, log: str) -> None:
        """Start a program that stays; its output goes to a file of the node."""
        with self.path(log).open("wb") as output:
            self._daemons.append(
                subprocess.Popen(
                    self._inside(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self._environment(None),
                )
            )

    def cnisdk(self, *arguments: str) -> str:
        """Run our command line."""
        return self.run(sys.executable, "-I", "-m", "cnisdk", *arguments)

    def fetch(self, address: str, port: int) -> str:
        """What a web server answers on the node's network; asked until it does."""
        request = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 {address} {port}"
        answers: list[str] = []

        def answered() -> bool:
            answers.append(self.try_run("sh", "-c", request).stdout)
            return answers[-1].startswith("HTTP/1")

        eventually(answered)
        return answers[-1]

    def close(self) -> None:
        """End every process of the node; with the last one its namespaces, mounts and links are gone."""
        # The end of a namespace's first process is the end of all of them, and it waits for them.
        try:
            self._init.communicate(timeout=_PATIENCE)
        finally:
            self._init.kill()
            for each in (self._init, *self._daemons):
                each.wait(_PATIENCE)
            self._remove_cgroups()

    def _inside(self, command: Sequence[str]) -> list[str]:
        # unshare(1) itself stays outside of the namespace of processes.
        kinds = {"net": "net", "mount": "mnt", "ipc": "ipc", "pid": "pid_for_children"}
        flags = [f"--{kind}=/proc/{self._init.pid}/ns/{name}" for kind, name in kinds.items()]
        return ["nsenter", *flags, "--", *command]

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": STATE,
            "TMPDIR": f"{STATE}/tmp",
            "LC_ALL": "C",
            **(more or {}),
        }

    def _remove_cgroups(self) -> None:
        """One directory per hierarchy: version 1 has several, version 2 one."""
        root = Path("/sys/fs/cgroup")
        for top in (*root.glob(self.name), *root.glob(f"*/{self.name}")):
            inner = [each for each in top.rglob("*") if each.is_dir()]
            for each in (*sorted(inner, reverse=True), top):
                eventually(lambda each=each: _removed(each))

    # ---- what happened --------------------------------------------------------------------------

    def calls(self, plugin: str) -> list[Call]:
        """The calls of a plugin of ours, in the order in which they ended."""
        records = sorted(self.path("/run/cnisdk/invocations").glob("*.json"))
        documents = [json.loads(each.read_text("utf-8")) for each in records]
        names = [each.name for each in attrs.fields(Call)]
        made = [Call(*(each.get(name) for name in names)) for each in documents]
        return [each for each in made if each.plugin == plugin]

    def links(self) -> set[str]:
        """Names of the links, but for lo."""
        found = json.loads(self.run("ip", "-json", "link", "show"))
        return {each["ifname"] for each in found} - {"lo"}

    def reserved(self, network: str) -> set[str]:
        """The addresses host-local holds."""
        names = {each.name for each in self.path(f"{NETWORKS}/{network}").glob("[0-9]*")}
        return {each for each in names if not each.startswith("last_reserved_ip.")}

    def filter_rules(self, text: str) -> list[str]:
        """The rules of the packet filter in which a text occurs."""
        rules = self.run("nft", "list", "ruleset") + self.run("iptables-save")
        return [line.strip() for line in rules.splitlines() if text in line]

    def leftovers(self, network: str, subnet: str, *bridges: str) -> list[str]:
        """What there is for containers of a network.

        Args:
            network: Its name.
            subnet: The part all its addresses begin with.
            bridges: Links that stay.
        """
        cached = {each.name for each in self.path(RESULTS).glob(f"{network}-*")}
        found = (self.links() - set(bridges)) | self.reserved(network) | cached
        namespaces = {each.name for each in self.path("/run/netns").iterdir()}
        return sorted(found | namespaces) + self.filter_rules(subnet)


def eventually(condition: Callable[[], Any], seconds: float = _PATIENCE) -> None:
    """Wait for what others do in the background."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds:.0f} s"
        time.sleep(0.02)


def _removed(cgroup: Path) -> bool:
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
