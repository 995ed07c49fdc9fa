"""What a call of an IPAM plugin imports: a plugin is a process per call and pays for every module."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnisdk import _launcher


NEVER = {
    "asyncio",
    "cattrs",
    "ctypes",
    "dataclasses",
    "hashlib",
    "logging",
    "pathlib",
    "pyroute2",
    "random",
    "select",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "traceback",
    "urllib",
}
CONFIG = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "x",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16"}]]},
}


def imported(tmp_path: Path, verb: str) -> set[str]:
    """The modules that a call of host-local's launcher imports."""
    launcher = tmp_path / "host-local"
    target = "reference_plugins.host_local:HostLocal"
    launcher.write_text(_launcher.text(target, ("1.1.0",), sys.executable))
    config = {**CONFIG, "ipam": {**CONFIG["ipam"], "dataDir": str(tmp_path / "data")}}  # type: ignore[dict-item]
    env = {
        "PATH": os.environ["PATH"],
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/c1",
        "CNI_IFNAME": "eth0",
        "CNISDK_RUN_DIR": str(tmp_path / "run"),
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-I", launcher],
        input=json.dumps(config).encode(),
        env=env,
        capture_output=True,
        check=True,
    )
    lines = done.stderr.decode().splitlines()
    names = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    return names - imported_by_python(env)


def imported_by_python(env: dict[str, str]) -> set[str]:
    """What the interpreter imports for itself, with the .pth files of this environment."""
    command = [sys.executable, "-I", "-c", "import sys; print(*sys.modules)"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_ipam_call_imports_nothing_heavy(verb: str, tmp_path: Path) -> None:
    """What attrs imports for itself is all there may be."""
    assert imported(tmp_path, verb) & NEVER == set()


def test_version_imports_nothing_of_the_plugin(tmp_path: Path) -> None:
    """The launcher knows the answer."""
    found = imported(tmp_path, "VERSION")
    ours = {name for name in found if name.startswith(("cnisdk", "reference_plugins"))}

    assert ours == {"cnisdk", "cnisdk._start", "cnisdk._version_reply"}
    assert "attrs" not in found
