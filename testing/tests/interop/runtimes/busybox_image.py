"""A container image made of busybox alone, as an archive in the form of ``docker save``.

Both ``ctr images import`` and ``podman load`` take it, and nothing is downloaded.
"""

from __future__ import annotations

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path


IMAGE = "localhost/cnisdk/busybox:1"
_BUSYBOX = "bin/busybox"
_APPLETS = ("cat", "httpd", "ip", "nc", "ping", "sh", "sleep")
_FILES = {
    "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
    "etc/group": b"root:x:0:\n",
    "www/index.html": b"hello from the container\n",
}


def is_static(program: Path) -> bool:
    """Whether a program runs where there are no libraries: it names no dynamic loader."""
    return b"ld-linux" not in program.read_bytes()[:8192]


def archive(busybox: Path) -> bytes:
    """The archive; what the image runs by itself is a very long sleep."""
    layer = _layer(busybox.read_bytes())
    config = json.dumps(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sleep", "1000000"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
        }
    ).encode()
    name = f"{sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    members = {"manifest.json": json.dumps(manifest).encode(), name: config, "layer.tar": layer}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for each, content in members.items():
            _add_file(tar, each, content)
    return buffer.getvalue()


def _layer(busybox: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for each in ("bin", "dev", "etc", "proc", "sys", "tmp", "www"):
            _add(tar, each, tarfile.DIRTYPE, 0o755)
        _add_file(tar, _BUSYBOX, busybox, 0o755)
        for each, content in _FILES.items():
            _add_file(tar, each, content)
        for each in _APPLETS:
            _add(tar, f"bin/{each}", tarfile.SYMTYPE, 0o777, link="busybox")
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, kind: bytes, mode: int, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname = kind, mode, link
    tar.addfile(member)


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def _architecture() -> str:
    """This machine's, in Go's spelling."""
    import platform

    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
