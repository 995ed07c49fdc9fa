"""Container runtimes of Debian, each on a node of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


sys.path.insert(0, str(Path(__file__).parent))

from busybox_image import archive, is_static  # these lie beside this file, and are in no package
from containerd import Containerd
from podman import Podman
from runtime_node import PATH, CannotMakeNode, Node


MakeNode = Callable[..., Node]


@pytest.fixture(scope="session")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our plugins, installed as the README says, and one written for these tests."""
    directory = tmp_path_factory.mktemp("launchers")
    targets = ["reference", "notice=notice:Notice"]
    subprocess.run(
        [sys.executable, "-m", "cnisdk", "install", *targets, "--bin-dir", str(directory)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parent,
    )
    return directory


@pytest.fixture(scope="session")
def image() -> bytes:
    """The archive of a container image."""
    busybox = shutil.which("busybox", path=PATH)
    if busybox is None or not is_static(Path(busybox)):
        pytest.skip("needs the Debian package busybox-static")
    return archive(Path(busybox))


@pytest.fixture
def make_node(launchers: Path) -> Iterator[MakeNode]:
    """Makes the test's node, with our plugins."""
    # The root of a user namespace may make the namespaces, but not the cgroups and devices.
    everybody = Path("/proc/self/uid_map").read_text("ascii").split() == ["0", "0", "4294967295"]
    if os.geteuid() != 0 or not everybody:
        pytest.skip("needs root: container runtimes work on mounts, devices and cgroups")
    for program, package in (
        ("ip", "iproute2"),
        ("iptables", "iptables"),
        ("nft", "nftables"),
    ):
        _require(program, package)
    made: list[Node] = []

    def make() -> Node:
        try:
            made.append(Node(launchers))
        except CannotMakeNode as failure:
            pytest.skip(f"cannot make namespaces and mounts: {failure}")
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def containerd(make_node: MakeNode, image: bytes) -> Containerd:
    """A node with containerd and our plugins."""
    for program in ("containerd", "ctr", "runc"):
        _require(program, "runc" if program == "runc" else "containerd")
    return Containerd(make_node(), image)


@pytest.fixture
def podman(make_node: MakeNode, image: bytes) -> Podman:
    """A node with podman and our plugins."""
    for program in ("podman", "conmon", "runc"):
        _require(program, program)
    made = Podman(make_node())
    if made("info", "--format={{.Host.NetworkBackend}}").strip() != "cni":
        pytest.skip("this podman has no CNI backend")
    made.load(image)
    return made


def _require(program: str, package: str) -> None:
    if shutil.which(program, path=PATH) is None:
        pytest.skip(f"needs the Debian package {package}")
