"""Machines as the kernel tests have them, and sites with DHCP; their modules are in no package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest


sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))
sys.path.insert(0, str(Path(__file__).parent))

from fixtures import container, machine, plugins


if TYPE_CHECKING:
    from tests.interop.dhcp_site import Site, new_site
else:
    from dhcp_site import Site, new_site

__all__ = ["container", "dnsmasq", "kea", "machine", "plugins"]


@pytest.fixture
def dnsmasq(tmp_path: Path, plugins: Path) -> Iterator[Site]:
    """A site whose server is dnsmasq."""
    with new_site("dnsmasq", tmp_path, plugins) as made:
        yield made


@pytest.fixture
def kea(tmp_path: Path, plugins: Path) -> Iterator[Site]:
    """A site whose server is kea."""
    with new_site("kea", tmp_path, plugins) as made:
        yield made
