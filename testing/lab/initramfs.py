"""An initramfs that mounts the host's root under a layer of memory and starts a program there."""

from __future__ import annotations

import lzma
from pathlib import Path


_INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
for module in {modules}; do /bin/busybox insmod /modules/$module; done
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in lab.run=*) run=${{word#lab.run=}};; esac
done
/bin/busybox mount -t virtiofs hostroot /lower &&
/bin/busybox mount -t tmpfs memory /memory &&
/bin/busybox mkdir /memory/upper /memory/work &&
/bin/busybox mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /root &&
/bin/busybox mount --bind /lower${{run%/*}} /root${{run%/*}} &&
exec /bin/busybox switch_root /root $run/init
/bin/busybox poweroff -f
"""


def build(modules: Path, wanted: list[str], busybox: Path) -> bytes:
    """A cpio archive with busybox, the wanted modules and what these need.

    Args:
        modules: The directory ``lib/modules/VERSION`` with depmod's ``modules.dep``.
        wanted: Names of modules; one the kernel has built in is passed over.
        busybox: A statically linked busybox.
    """
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text(encoding="utf-8").splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    paths = {Path(each).name.split(".")[0].replace("-", "_"): each for each in needs}
    order: list[str] = []
    for name in wanted:
        if name in paths:
            order += [*reversed(needs[paths[name]]), paths[name]]
    order = list(dict.fromkeys(order))
    names = {each: Path(each).name.removesuffix(".xz") for each in order}
    archive = _Archive()
    for directory in ("bin", "dev", "proc", "lower", "memory", "modules", "root"):
        archive.add(directory, 0o40755)
    archive.add("dev/console", 0o20600, device=(5, 1))
    archive.add("dev/null", 0o20666, device=(1, 3))
    archive.add("bin/busybox", 0o100755, busybox.read_bytes())
    for each, name in names.items():
        data = (modules / each).read_bytes()
        archive.add(
            f"modules/{name}", 0o100644, lzma.decompress(data) if each.endswith(".xz") else data
        )
    archive.add("init", 0o100755, _INIT.format(modules=" ".join(names.values())).encode())
    archive.add("TRAILER!!!", 0)
    return bytes(archive.data)


class _Archive:
    """The "newc" format of cpio, the one the kernel reads."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._inode = 0

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._inode += 1
        path = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        self.data += b"070701" + "".join(f"{each:08x}" for each in fields).encode() + path
        self.data += b"\0" * (-len(self.data) % 4) + data
        self.data += b"\0" * (-len(self.data) % 4)
