"""A fresh machine per test; nothing outside of it is changed, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine, Netns, new_machine

from cnisdk.install import install


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
