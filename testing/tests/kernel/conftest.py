"""A fresh machine per test; nothing outside of it is changed, and nothing of it stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnisdk.install import install


sys.path.insert(0, str(Path(__file__).parent))

from machine import Machine, Netns, new_machine  # lies beside this file, and is in no package


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CNI_PATH with our launchers."""
    directory = tmp_path_factory.mktemp("cni-bin")
    install(["reference"], str(directory))
    return directory


@pytest.fixture
def machine(tmp_path: Path, plugins: Path) -> Iterator[Machine]:
    made = new_machine(tmp_path, plugins)
    yield made
    made.close()


@pytest.fixture
def container(machine: Machine) -> Netns:
    return machine.container()
