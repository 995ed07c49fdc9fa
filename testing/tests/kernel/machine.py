"""A machine for one test: a "host" and "containers", each a fresh network namespace held by descriptor.

Plugins run in the host's namespace, in this process or through their launchers; what they did is read back
by iproute2 and nft, which share no code with what is tested. Nothing outside is changed; everything is gone
when the descriptors are closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from descriptors import nothing_left_open

from cnisdk import _launcher
from cnisdk._deadline import Deadline
from cnisdk._names import Attachment
from cnisdk._net import Namespace
from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._kernel import NetlinkKernel
from cnisdk._net._setns import entered
from cnisdk._rollback import Rollback


_CLONE_NEWNET = 0x40000000
_T = TypeVar("_T")
PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


class Netns:
    """A network namespace."""

    def __init__(self) -> None:
        self.fd = _new_netns()

    @property
    def path(self) -> str:
        """What CNI_NETNS is set to; gone when the namespace is closed."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def try_run(
        self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespace."""
        return subprocess.run(
            ["nsenter", f"--net=/proc/self/fd/{self.fd}", "--", *command],
            input=stdin,
            capture_output=True,
            text=True,
            pass_fds=[self.fd],
            env={"PATH": PATH, **(env or {})},
            check=False,
        )

    def run(self, *command: str, stdin: str = "") -> str:
        done = self.try_run(*command, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def sh(self, command: str) -> str:
        """Run a command given as one text."""
        return self.run(*command.split())

    def ip(self, command: str) -> str:
        """Change something with iproute2."""
        return self.sh(f"ip {command}")

    def links(self) -> dict[str, dict[str, Any]]:
        """All links by name, as ``ip -d -j link`` shows them."""
        found = json.loads(self.run("ip", "-d", "-j", "link", "show"))
        return {each["ifname"]: each for each in found}

    def link(self, name: str) -> dict[str, Any]:
        return self.links()[name]

    def addresses(self, name: str, *, link_local: bool = False) -> list[str]:
        """Addresses with prefix length."""
        found = json.loads(self.run("ip", "-j", "address", "show", "dev", name))
        return [
            f"{each['local']}/{each['prefixlen']}"
            for each in found[0]["addr_info"]
            if link_local or not (each["family"] == "inet6" and each["scope"] == "link")
        ]

    def routes(self, version: int = 4, table: str = "main") -> list[dict[str, Any]]:
        text = self.run("ip", f"-{version}", "-j", "-d", "route", "show", "table", table)
        return [each for each in json.loads(text or "[]") if not each["dst"].startswith("fe80")]

    def sysctl(self, name: str) -> str:
        with entered(self.fd):
            return Path(f"/proc/sys/net/{name}").read_text(encoding="ascii").strip()

    def set_sysctl(self, name: str, value: str) -> None:
        with entered(self.fd):
            Path(f"/proc/sys/net/{name}").write_text(value, encoding="ascii")

    def ruleset(self) -> str:
        """The packet filter, iptables' part of it included."""
        return self.run("nft", "list", "ruleset")

    def ping(self, address: str, *, seconds: int = 5) -> bool:
        """Whether an address answers."""
        done = self.try_run("ping", "-n", "-c", "1", "-w", str(seconds), address)
        return done.returncode == 0

    def entered(self) -> contextlib.AbstractContextManager[None]:
        return entered(self.fd)

    def namespace(
        self,
        owner: Attachment | None = None,
        rollback: Rollback | None = None,
        deadline: Deadline | None = None,
        path: str | None = None,
    ) -> Namespace:
        """The namespace as a plugin gets it."""
        return Namespace(
            NetlinkKernel(os.dup(self.fd)),
            lambda: KernelFirewall(self.fd),
            path=self.path if path is None else path,
            owner=owner,
            rollback=rollback,
            deadline=deadline,
        )


@attrs.frozen
class Outcome:
    """What a call of a plugin ended with."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.stdout) if self.stdout.strip() else {}

    @property
    def error(self) -> str:
        """Message and details of the error object."""
        assert self.code != 0, f"succeeded: {self.stdout}"
        return f"{self.document['msg']}; {self.document.get('details', '')}"


class Machine:
    """A host, its containers, the plugins installed on it, their state.

    Args:
        root: A directory for state, removed by the caller.
        plugins: The directory the plugins are installed in (CNI_PATH).
    """

    def __init__(self, root: Path, plugins: Path) -> None:
        self.root = root
        self.plugins = plugins
        self.host = Netns()
        self._containers: list[Netns] = []

    @property
    def data_dir(self) -> Path:
        """Where host-local keeps its reservations."""
        return self.root / "networks"

    def container(self) -> Netns:
        """One more container."""
        self._containers.append(Netns())
        return self._containers[-1]

    def close(self) -> None:
        for each in (self.host, *self._containers):
            each.close()

    def reboot(self) -> None:
        """Namespaces, links and rules are gone; what is on disk is not, but for /run."""
        self.close()
        shutil.rmtree(self.root / "run", ignore_errors=True)
        self.host, self._containers = Netns(), []

    # ---- plugins --------------------------------------------------------------------------------

    def conf(self, *subnets: str, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
        """A configuration of bridge; with subnets also of host-local."""
        document = {
            "cniVersion": version,
            "name": "mynet",
            "type": "bridge",
            "bridge": "br0",
            **keys,
        }
        if subnets:
            ranges = [[{"subnet": subnet}] for subnet in subnets]
            ipam = {"type": "host-local", "dataDir": str(self.data_dir), "ranges": ranges}
            document["ipam"] = {**ipam, **keys.get("ipam", {})}
        return document

    def environment(
        self,
        verb: str,
        netns: Netns | str | None,
        *,
        container_id: str = "c1",
        ifname: str = "eth0",
        args: str = "",
        plugins: Path | None = None,
    ) -> dict[str, str]:
        path = netns.path if isinstance(netns, Netns) else netns or ""
        return {
            "PATH": PATH,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container_id,
            "CNI_NETNS": path,
            "CNI_IFNAME": ifname,
            "CNI_ARGS": args,
            "CNI_PATH": str(plugins or self.plugins),
            "CNISDK_RUN_DIR": str(self.root / "run"),
        }

    def call(
        self,
        verb: str,
        conf: Mapping[str, Any],
        netns: Netns | str | None = None,
        *,
        prev: Mapping[str, Any] | None = None,
        plugins: Path | None = None,
        **context: Any,
    ) -> Outcome:
        """Run a verb of the configured plugin: ours in this process, another one by its executable."""
        document = dict(conf) if prev is None else {**conf, "prevResult": prev}
        env = self.environment(verb, netns, plugins=plugins, **context)
        executable = (plugins or self.plugins) / conf["type"]
        target = _launcher.target_of(str(executable))
        if target is None:
            return self.execute(executable, env, document)
        return self._call(target, env, document)

    def _call(self, target: str, env: dict[str, str], document: Mapping[str, Any]) -> Outcome:
        stdout, stderr = io.BytesIO(), io.BytesIO()
        plugin = _launcher.load(target)()
        with entered(self.host.fd), nothing_left_open():
            stdin = io.BytesIO(json.dumps(document).encode())
            code = plugin.run(env, stdin, stdout, stderr)
        return Outcome(code, stdout.getvalue().decode(), stderr.getvalue().decode())

    def execute(
        self, executable: Path | str, env: Mapping[str, str], document: Mapping[str, Any]
    ) -> Outcome:
        """Run a plugin as a process on the host."""
        done = self.host.try_run(str(executable), stdin=json.dumps(document), env=env)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def add(
        self, conf: Mapping[str, Any], netns: Netns | str | None = None, **context: Any
    ) -> dict[str, Any]:
        """ADD that succeeds."""
        return self._good("ADD", conf, netns, **context)

    def delete(
        self, conf: Mapping[str, Any], netns: Netns | str | None = None, **context: Any
    ) -> None:
        """DEL that succeeds."""
        assert self._good("DEL", conf, netns, **context) == {}

    def check(
        self,
        conf: Mapping[str, Any],
        netns: Netns | str | None,
        prev: Mapping[str, Any],
        **context: Any,
    ) -> None:
        """CHECK that succeeds."""
        assert self._good("CHECK", conf, netns, prev=prev, **context) == {}

    def gc(self, conf: Mapping[str, Any], *valid: tuple[str, str], **context: Any) -> None:
        """GC that succeeds; what stays is given as container id and interface."""
        entries = [{"containerID": each, "ifname": ifname} for each, ifname in valid]
        document = {**conf, "cniVersion": "1.1.0", "cni.dev/valid-attachments": entries}
        assert self._good("GC", document, **context) == {}

    def _good(self, verb: str, conf: Mapping[str, Any], *args: Any, **context: Any) -> Any:
        out = self.call(verb, conf, *args, **context)
        assert out.code == 0, f"{verb} {json.dumps(conf)}: {out.stdout}{out.stderr}"
        return out.document

    # ---- what is there --------------------------------------------------------------------------

    def reservations(self) -> set[str]:
        """Addresses host-local holds."""
        names = {each.name for each in self.data_dir.glob("[!.]*/*") if each.is_file()}
        return {each for each in names if not each.startswith(("last_reserved_ip.", "lock", "."))}

    def files(self) -> set[str]:
        """State on disk, but for what stays by design: locks and the last address handed out."""
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and not path.name.startswith(("last_reserved_ip.", "lock"))
        }

    def leftovers(self, bridge: str = "br0") -> list[str]:
        """What is on the host beside lo, the bridge, empty chains; and reservations on disk."""
        found = [name for name in self.host.links() if name not in {"lo", bridge}]
        found += sorted(self.reservations())
        # What belongs to an attachment carries its name, or matches an address of a container.
        for line in map(str.strip, self.host.ruleset().splitlines()):
            if any(word in line for word in ("saddr", "comment", "cni-br-iface", "CNI-")):
                found.append(line)
        return [each for each in found if not each.startswith(_STAYS)]


def with_delegate(machine: Machine, name: str, script: str) -> Path:
    """A directory with our plugins and a delegate that is a shell script, for CNI_PATH."""
    directory = machine.root / "delegates"
    shutil.copytree(machine.plugins, directory, symlinks=True)
    (directory / name).unlink(missing_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    (directory / name).chmod(0o755)
    return directory


FAKE_DHCP = """
case $CNI_COMMAND in
ADD) nsenter --net="$CNI_NETNS" ip -o link show dev "$CNI_IFNAME" >"$0.seen"
     echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.9/24", "gateway": "10.1.0.1"}]}' ;;
*)   echo "$CNI_COMMAND" >>"$0.others" ;;
esac
"""
"""Notes how the interface is when it is asked for an address."""

_STAYS = ("chain ", 'comment "')
"""Tables' and chains' own comments, and declarations of base chains."""


def new_machine(root: Path, plugins: Path) -> Machine:
    """A machine, or a skipped test where namespaces cannot be made."""
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        pytest.skip("needs the Debian packages iproute2 and util-linux")
    try:
        return Machine(root, plugins)
    except PermissionError as failure:
        pytest.skip(f"cannot make network namespaces: {failure}; run as root")


def together(calls: Sequence[Callable[[], _T]]) -> list[_T]:
    """Call functions at once, each in a thread; their results, in the order of the functions."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


def attachment(container_id: str = "c1", ifname: str = "eth0") -> Attachment:
    return Attachment("mynet", container_id, ifname)


def _new_netns() -> int:
    """A namespace made by a thread that ends at once, so that nothing else moves into it."""
    result: list[int | OSError] = []
    thread = threading.Thread(target=lambda: result.append(_unshared()))
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def _unshared() -> int | OSError:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        return OSError(number, os.strerror(number))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
