"""Podman and containerd as Debian has them are judged."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from cni_conformance._outcome import Status
from cni_conformance.runtime_side import default_conflist, install
from cni_conformance.runtime_side._call import read
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side.rules import judge


RUNTIMES = Path(__file__).parents[2] / "interop/runtimes"
LIBCNI = {"runtime/request/4", "runtime/request/5", "runtime/request/6"}
"""What the Go library of 2022 does not keep: numbers, keys of cni.dev/, capabilities."""
# Where a container is added and deleted there is something to say about these.
SEEN = {
    "runtime/parameters/2",
    "runtime/parameters/3",
    "runtime/execution/2",
    "runtime/request/1",
    "runtime/request/3",
    "runtime/result/1",
    "runtime/result/2",
    "runtime/result/4",
    "runtime/lifecycle/1",
    "runtime/lifecycle/2",
    "runtime/chain/1",
    "runtime/chain/3",
}


@attrs.frozen
class Debian:
    """A node on which recording plugins are installed."""

    node: Any
    image: bytes
    record: str
    conflist: dict[str, Any]

    def judged(self) -> dict[str, Status]:
        seen = Recording(calls=read(self.record), conflist=self.conflist, spec_version="1.0.0")
        return {each.requirement: each.status for each in judge(seen, "field")}


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Debian]:
    monkeypatch.syspath_prepend(RUNTIMES)
    runtime_node = importlib.import_module("runtime_node")
    busybox_image = importlib.import_module("busybox_image")
    busybox = shutil.which("busybox", path=runtime_node.PATH)
    if os.geteuid() != 0 or busybox is None or not busybox_image.is_static(Path(busybox)):
        pytest.skip("needs root and the Debian package busybox-static")
    conflist = default_conflist("1.0.0")
    for name in ("bin", "record"):
        (tmp_path / name).mkdir()
    types = [each["type"] for each in conflist["plugins"]]
    install(str(tmp_path / "bin"), [*types, "loopback"], str(tmp_path / "record"))
    try:
        node = runtime_node.Node(tmp_path / "bin")
    except runtime_node.CannotMakeNode as failure:
        pytest.skip(f"cannot make namespaces and mounts: {failure}")
    node.write(f"{runtime_node.CONF_DIR}/10-conformance.conflist", conflist)
    image = busybox_image.archive(Path(busybox))
    yield Debian(node, image, str(tmp_path / "record"), conflist)
    node.close()


def need(*programs: str) -> None:
    for each in programs:
        if shutil.which(each, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs {each}")


def assert_nothing_but_the_known(found: dict[str, Status], known: set[str] = LIBCNI) -> None:
    assert {name for name, status in found.items() if status is Status.FAIL} <= known
    assert {name for name, status in found.items() if status is Status.PASS} >= SEEN


@pytest.mark.interop
def test_podman_is_judged(debian: Debian) -> None:
    need("podman", "conmon", "runc")
    podman = importlib.import_module("podman").Podman(debian.node)
    if podman("info", "--format={{.Host.NetworkBackend}}").strip() != "cni":
        pytest.skip("this podman has no CNI backend")
    podman.load(debian.image)

    podman.run("--rm", "--network=conformance", "-p", "8089:80", "IMAGE", "cat", "/etc/passwd")

    found = debian.judged()
    assert_nothing_but_the_known(found)
    assert found["runtime/request/8"] is Status.PASS
    assert found["runtime/request/9"] is Status.PASS


@pytest.mark.interop
def test_ctr_is_judged(debian: Debian) -> None:
    need("containerd", "ctr", "runc")
    containerd = importlib.import_module("containerd").Containerd(debian.node, debian.image)

    containerd.run("c1", "cat", "/etc/passwd")

    assert_nothing_but_the_known(debian.judged())


@pytest.mark.interop
def test_containerds_service_for_kubelet_is_judged(debian: Debian) -> None:
    need("containerd", "ctr", "runc")
    containerd = importlib.import_module("containerd").Containerd(debian.node, debian.image)
    config = importlib.import_module("cri").pod_config(
        "web", f"/{debian.node.name}", port_mapping=(8089, 80)
    )
    cri = containerd.cri()
    try:
        pod = cri.run_pod(config)
        cri.stop_pod(pod)
        cri.remove_pod(pod)
    finally:
        cri.close()

    # It attaches lo and eth0 side by side.
    assert_nothing_but_the_known(debian.judged(), LIBCNI | {"runtime/lifecycle/3"})
    assert "loopback" in {call.plugin for call in read(debian.record)}
