"""The container's namespace and the tools, as far as the small plugins in this directory share them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess

from _cni import ENVIRONMENT, TOOL_FAILED, UNAVAILABLE, CniError, Json


_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_NEWNET = 0x40000000
_NS_GET_NSTYPE = 0xB703


class Machine:
    """What a call works on: the namespace it is told of, by programs that are installed."""

    netns: str

    # -- the container ---------------------------------------------------------------------------

    def open_netns(self) -> int:
        """A descriptor of the container's namespace, which is another than ours."""
        try:
            fd = os.open(self.netns, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as failure:
            why = getattr(failure, "strerror", "not a path")
            raise CniError(ENVIRONMENT, f"CNI_NETNS cannot be opened: {why}") from None
        own = os.stat("/proc/self/ns/net")
        found = os.fstat(fd)
        is_netns = found.st_dev == own.st_dev and fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
        if not is_netns:
            os.close(fd)
            raise CniError(ENVIRONMENT, "CNI_NETNS is not a network namespace")
        if found.st_ino == own.st_ino:
            os.close(fd)
            raise CniError(ENVIRONMENT, "CNI_NETNS is the namespace of the host")
        return fd

    def find_netns(self) -> int | None:
        """The same for DEL: None when there is no such namespace any more."""
        try:
            return self.open_netns() if self.netns else None
        except CniError:
            return None

    # -- tools -----------------------------------------------------------------------------------

    def tool(self, name: str) -> str:
        path = os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_PATH])
        found = shutil.which(name, path=path)
        if found is None:
            raise CniError(TOOL_FAILED, f"the program {name} is not installed")
        return found

    def run(
        self, *argv: str, stdin: str = "", netns: int | None = None, passing: int | None = None
    ) -> str:
        """Run a tool; gives its output.

        Args:
            argv: The tool and its arguments.
            stdin: What it reads.
            netns: The namespace to run it in.
            passing: A descriptor it needs.

        Raises:
            CniError: It failed; `details` is what it said.
        """
        command = [self.tool(argv[0]), *argv[1:]]
        if netns is not None:
            command = [self.tool("nsenter"), f"--net=/proc/self/fd/{netns}", *command]
        done = subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            check=False,
            env={"LC_ALL": "C", "PATH": _SYSTEM_PATH},
            pass_fds=[fd for fd in (netns, passing) if fd is not None],
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise CniError(TOOL_FAILED, f"{argv[0]} failed: {said.partition(chr(10))[0]}", said)
        return done.stdout.decode()

    def links(self, netns: int) -> dict[str, Json]:
        """The links of a namespace by name, with their addresses."""
        return {row["ifname"]: row for row in json.loads(self.run("ip", "-j", "addr", netns=netns))}

    def need(self, *tools: str) -> None:
        """For STATUS: say that ADD cannot be served without a tool."""
        for name in tools:
            try:
                self.tool(name)
            except CniError as failure:
                raise CniError(UNAVAILABLE, str(failure)) from None
