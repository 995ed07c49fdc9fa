"""Machines as the kernel tests have them; their modules are in no package."""

from __future__ import annotations

import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))

from fixtures import container, machine, plugins


__all__ = ["container", "machine", "plugins"]
