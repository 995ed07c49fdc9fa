"""A launcher of the acting plugin for each test; the modules beside this file are in no package."""

import sys
from pathlib import Path

import pytest

from cnisdk import _launcher


sys.path.insert(0, str(Path(__file__).parent))

from acting_node import HERE, Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    launcher = tmp_path / "acting"
    versions = ("0.4.0", "1.1.0")
    target = "acting_plugin:Acting"
    launcher.write_text(_launcher.text(target, versions, sys.executable, str(HERE)))
    launcher.chmod(0o755)
    (tmp_path / "marks").mkdir()
    return Node(tmp_path)
