"""A fresh machine per test; nothing outside of it is changed, and nothing of it stays."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnisdk.install import install


sys.path.insert(0, str(Path(__file__).parent))

from machine import Machine, Netns  # lies beside this file, and is in no package


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CNI_PATH with our launchers."""
    directory = tmp_path_factory.mktemp("cni-bin")
    install(["reference"], str(directory))
    return directory


@pytest.fixture
def machine(tmp_path: Path, plugins: Path) -> Iterator[Machine]:
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        pytest.skip("needs the Debian package iproute2")
    try:
        made = Machine(tmp_path, plugins)
    except PermissionError as failure:
        pytest.skip(f"cannot make network namespaces: {failure}; run as root")
    yield made
    made.close()


@pytest.fixture
def container(machine: Machine) -> Netns:
    return machine.container()
