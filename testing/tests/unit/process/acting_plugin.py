"""A plugin for the tests with real processes: does what the configuration's `act` says."""

import ctypes
import os
import subprocess
import sys
import time
from typing import Any, cast

import cnisdk
from cnisdk import errors, on


@cnisdk.config
class ActingConf(cnisdk.NetConf):
    """What to do, and where to leave marks."""

    act: str = ""
    marks: str = "/nonexistent"


class NoNamespace:
    """Holds nothing."""

    def close(self) -> None:
        """Nothing to let go of."""

    def remove_owned(self, attachment: object) -> None:
        """Nothing is there."""


class NoMachine:
    """A machine without kernel."""

    def host(self, **_: Any) -> Any:
        """The host."""
        return NoNamespace()

    def container(self, path: str, **_: Any) -> Any:
        """Any path will do."""
        return NoNamespace()

    def is_own_netns(self, path: str) -> bool:
        """Never."""
        return False


def mark(conf: ActingConf, name: str) -> None:
    """Leave a file."""
    with open(os.path.join(conf.marks, name), "w", encoding="ascii"):
        pass


def wait_for(conf: ActingConf, name: str) -> None:
    """Wait for a file."""
    while not os.path.exists(os.path.join(conf.marks, name)):
        time.sleep(0.01)


class Acting(cnisdk.Plugin[ActingConf]):
    """Act as told."""

    def __init__(self) -> None:
        super().__init__(system=cast("Any", NoMachine()))

    @on.add
    def attach(self, op: cnisdk.Add[ActingConf]) -> cnisdk.Result:
        """Leave a mark, undone on failure; then act."""
        conf = op.config
        op.on_rollback(mark, conf, "undone")
        mark(conf, "made")
        self.act(op, conf)
        res = op.result()
        for index in range(5000 if conf.act == "long" else 1):
            res.interface(cnisdk.Interface(f"eth{index}"))
        return res.build()

    @on.delete
    def detach(self, op: cnisdk.Del[ActingConf]) -> None:
        """Act."""
        mark(op.config, "deleting")
        self.act(op, op.config)
        mark(op.config, "deleted")

    def act(self, op: Any, conf: ActingConf) -> None:  # noqa: PLR0912  # one branch for each misbehaviour
        """Misbehave."""
        match conf.act:
            case "print":
                print("noise")
                print("noise without end", end="")
                sys.__stdout__.write("more noise\n")  # type: ignore[union-attr]
            case "write":
                os.write(1, b"noise\n")
            case "child":
                subprocess.run(["/bin/echo", "noise"], check=True)
            case "shell":
                subprocess.call("echo noise; echo noise >&2", shell=True)
            case "libc":
                libc = ctypes.CDLL(None)
                libc.puts(b"noise")
                libc.fflush(None)
            case "hang":
                time.sleep(30)
            case "hang in step":
                with op.deadline.step("counting sheep"):
                    time.sleep(30)
            case "swallow":
                self.swallow()
            case "hang undoing":
                op.on_rollback(time.sleep, 30)
                raise errors.CniError("undo takes long")
            case "undo past the deadline":
                op.on_rollback(mark, conf, "undone slowly")
                op.on_rollback(time.sleep, 1.0)
                time.sleep(op.deadline.remaining() - 0.1)
                raise errors.CniError("undo takes a second")
            case "slow undo":
                op.on_rollback(wait_for, conf, "go on")
                time.sleep(30)
            case "wait":
                wait_for(conf, "go on")
            case "memory":
                raise MemoryError
            case "exit":
                sys.exit(0)
            case "recursion":
                self.act(op, conf)
            case "thread":
                self.thread()
            case "close":
                os.close(1)
                os.close(2)
            case _:
                pass

    def swallow(self) -> None:
        """Take every error for an ordinary one."""
        for _ in range(60):
            try:
                time.sleep(0.5)
            except Exception:  # noqa: BLE001  # on purpose
                pass

    def thread(self) -> None:
        """Leave a thread running."""
        import threading

        threading.Thread(target=time.sleep, args=(30,)).start()


print("noise at import")
