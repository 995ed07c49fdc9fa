"""The modules beside this file are in no package; the fixtures are shared with the lab's tests."""

from __future__ import annotations

import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parent))

from fixtures import container, machine, plugins


__all__ = ["container", "machine", "plugins"]
