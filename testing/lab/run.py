"""``testing/lab/run COMMAND...``: run a command as root on a second kernel, in a virtual machine.

The guest sees the host's files. What it writes stays in its memory, but for build/lab of this clone.
Environment: LAB_TIMEOUT (seconds for the whole run, 3600), LAB_MEMORY (megabytes, 2048).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import guest


_NO_STATUS = 125
# Checks of hardware that an emulator has no use for make commands twice as slow.
_KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet panic=-1 mitigations=off norandmaps nosmap nosmep nokaslr init_on_alloc=0 "
    "audit=0 rcupdate.rcu_expedited=1 tsc=reliable no_timer_check"
)
_INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts /dev/net
mount -t tmpfs tmpfs /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /run/tmp /lib/modules
ln -sf /proc/self/fd /dev/fd
ln -sfn {modules} /lib/modules/$(uname -r)
modprobe -a tun overlay; ip link set lo up
cd {cwd}
env -i {environment} {command} >{run}/out 2>&1 </dev/null
echo $? >{run}/status
sync; busybox poweroff -f
"""


def main(command: list[str]) -> int:
    if not command or os.geteuid() != 0:
        sys.exit("usage (as root): testing/lab/run COMMAND [ARGUMENT...]")
    guest.require_programs()
    kernel = guest.prepare()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = Path(tempfile.mkdtemp(prefix="run-", dir=guest.CACHE))
    sockets = Path(tempfile.mkdtemp(prefix="cni-lab-"))  # a socket's path has at most 107 bytes
    try:
        _write_init(run, kernel, command)
        return _boot(run, kernel, sockets / "files")
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(sockets)
        shutil.rmtree(run)


def _write_init(run: Path, kernel: Path, command: list[str]) -> None:
    passed = {name: os.environ[name] for name in ("CI", "HOME", "PATH") if name in os.environ}
    passed |= {
        "LANG": "C.UTF-8",
        "TMPDIR": "/run/tmp",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    text = _INIT.format(
        modules=shlex.quote(str(next((kernel / "lib/modules").iterdir()))),
        cwd=shlex.quote(os.getcwd()),
        environment=" ".join(shlex.quote(f"{name}={value}") for name, value in passed.items()),
        command=shlex.join(command),
        run=shlex.quote(str(run)),
    )
    (run / "init").write_text(text, encoding="utf-8")
    (run / "init").chmod(0o755)
    (run / "out").touch()


def _boot(run: Path, kernel: Path, socket: Path) -> int:
    memory = f"{os.environ.get('LAB_MEMORY', '2048')}M"
    daemon = guest.virtiofsd()
    shared = ["-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=always"]
    if daemon == Path("/usr/libexec/virtiofsd"):
        shared = ["--shared-dir=/", "--sandbox=chroot", "--cache=always"]
    # fmt: off
    qemu = [
        "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,tb-size=512", "-cpu", "max,-la57,-smap,-smep",
        "-m", memory, "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-object", f"memory-backend-memfd,id=mem,size={memory},share=on", "-numa", "node,memdev=mem",
        "-chardev", f"socket,id=files,path={socket}",
        "-device", "vhost-user-fs-pci,chardev=files,tag=hostroot",
        "-kernel", str(kernel / "vmlinuz"), "-initrd", str(kernel / "initrd"),
        "-serial", f"file:{run}/console", "-append", f"{_KERNEL_ARGUMENTS} lab.run={run}",
    ]
    # fmt: on
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((run / "log").open("wb"))
        _start(stack, [str(daemon), f"--socket-path={socket}", *shared], log)
        limit = time.monotonic() + 10
        while not socket.exists():
            if time.monotonic() > limit:
                return _lost(run, "virtiofsd did not start")
            time.sleep(0.02)
        return _follow(run, _start(stack, qemu, log))


def _start(stack: contextlib.ExitStack, command: list[str], log: Any) -> subprocess.Popen[bytes]:
    """Start a program that ends with this one, even if this one is killed."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _follow(run: Path, machine: subprocess.Popen[bytes]) -> int:
    """Print what the command prints until the machine is off; its exit status."""
    limit = time.monotonic() + float(os.environ.get("LAB_TIMEOUT", "3600"))
    with (run / "out").open("rb") as out:
        while True:
            over = machine.poll() is not None
            sys.stdout.buffer.write(out.read())
            sys.stdout.flush()
            if over:
                break
            if time.monotonic() > limit:
                return _lost(run, "the run took longer than LAB_TIMEOUT")
            time.sleep(0.1)
    status = run / "status"
    if not status.exists() or not status.read_text(encoding="ascii").strip():
        return _lost(run, "the machine ended without an exit status")
    return int(status.read_text(encoding="ascii"))


def _lost(run: Path, reason: str) -> int:
    print(f"lab: {reason}. The end of its log and console:", file=sys.stderr)
    for name in ("log", "console"):
        with contextlib.suppress(FileNotFoundError):
            lines = (run / name).read_text(encoding="utf-8", errors="replace").splitlines()
            print(*lines[-30:], sep="\n", file=sys.stderr)
    return _NO_STATUS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
