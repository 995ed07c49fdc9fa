"""The kernel the lab runs: Debian's cloud kernel, unpacked below build/ and installed nowhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import initramfs


ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "lab"
_META = "linux-image-cloud-amd64"
_VIRTIOFSD = (Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd"))


def virtiofsd() -> Path | None:
    """The daemon that serves the host's files: qemu's own in Debian 12, a package since."""
    return next((each for each in _VIRTIOFSD if each.exists()), None)


def require_programs() -> None:
    """Install what is missing, or end with a message that names it."""
    _require(
        {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "depmod": "kmod"}
    )
    if virtiofsd() is None:
        subprocess.run([ROOT / "testing/system-packages.sh", "virtiofsd"], check=False)
    if virtiofsd() is None:
        sys.exit("The lab needs virtiofsd (Debian 13: apt-get install virtiofsd).")


def _require(packages: dict[str, str]) -> None:
    missing = [name for program, name in packages.items() if not shutil.which(program)]
    if missing:
        subprocess.run([ROOT / "testing/system-packages.sh", *missing], check=False)
    if any(not shutil.which(program) for program in packages):
        sys.exit(f"The lab needs (as root): apt-get install {' '.join(packages.values())}")


def prepare() -> Path:
    """The directory with vmlinuz, initrd and lib/modules; downloaded the first time."""
    made = CACHE / "kernel"
    if not made.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            tree = _unpack(Path(scratch))
            try:
                tree.rename(made)
            except OSError:
                if not made.exists():  # else another run was quicker
                    raise
    return made


def _package() -> str:
    env = {**os.environ, "LC_ALL": "C"}
    for refresh in (False, True):
        if refresh:
            subprocess.run(["apt-get", "-qq", "update"], check=False)
        out = subprocess.run(
            ["apt-cache", "depends", _META], capture_output=True, text=True, env=env, check=False
        ).stdout
        if found := re.search(r"Depends: (linux-image-\d\S*)", out):
            return found[1]
    sys.exit(
        f"The lab takes its kernel from Debian's package {_META}, which apt does not know here."
    )


def _unpack(scratch: Path) -> Path:
    package = _package()
    print(f"Downloading {package} for the lab ...", flush=True)
    subprocess.run(["apt-get", "-qq", "download", package], cwd=scratch, check=True)
    tree = scratch / "tree"
    subprocess.run(["dpkg-deb", "-x", next(scratch.glob("*.deb")), tree], check=True)
    if not (tree / "lib").exists():  # since Debian 13 modules lie in /usr/lib
        (tree / "lib").symlink_to("usr/lib")
    modules = next((tree / "lib/modules").iterdir())
    subprocess.run(["depmod", "-b", tree, modules.name], check=True)
    next((tree / "boot").glob("vmlinuz-*")).rename(tree / "vmlinuz")
    wanted = ["virtio_pci", "fuse", "virtiofs", "overlay"]
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    (tree / "initrd").write_bytes(initramfs.build(modules, wanted, busybox))
    return tree
