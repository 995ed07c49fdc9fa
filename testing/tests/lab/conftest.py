"""The machine of the kernel tests, on the lab's kernel."""

from __future__ import annotations

import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))

from fixtures import container, machine, plugins


__all__ = ["container", "machine", "plugins"]
