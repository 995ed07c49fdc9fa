"""The Python in README and docs does what the text around it says."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cnisdk.testing import Runtime
from cnisdk.testing._state import DEFAULT_NETNS
from reference_plugins.bridge import Bridge


ROOT = Path(__file__).parents[3]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(document: str) -> list[str]:
    """The fenced Python of a document."""
    return PYTHON.findall((ROOT / document).read_text(encoding="utf-8"))


def loaded(name: str, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of this source, importable by its name while the test runs."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_plugin_of_the_readme_passes_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed in by a newcomer, it works the first time."""
    plugin, its_test = blocks("README.md")
    loaded("tiny", plugin, tmp_path, monkeypatch)
    module = loaded("test_tiny", its_test, tmp_path, monkeypatch)

    checks = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert len(checks) == 1
    checks[0]()


def test_the_plugin_of_the_readme_is_as_short_as_promised() -> None:
    """The heading says how many lines."""
    plugin = blocks("README.md")[0]
    lines = [line for line in plugin.splitlines() if line.strip()]

    assert len(lines) <= 30


def test_the_laws_of_the_documentation_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example of docs/testing-a-plugin.md."""
    (source,) = blocks("docs/testing-a-plugin.md")
    module = loaded("documented_laws", source, tmp_path, monkeypatch)

    assert callable(module.test_the_laws_hold)
    module.test_the_laws_hold()


def test_the_chained_plugin_of_the_documentation_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first example of docs/writing-a-plugin.md, behind a bridge."""
    plugin = loaded("mtu", blocks("docs/writing-a-plugin.md")[0], tmp_path, monkeypatch).Mtu
    first = Runtime(Bridge, conf={"bridge": "br0"}).add()
    chained = Runtime(plugin, conf={"mtu": 1400})

    out = chained.add(first.host, prev_result=first.result)

    assert out.error is None
    assert out.host.namespaces[DEFAULT_NETNS].links["eth0"].mtu == 1400
    assert chained.check(out.host, prev_result=out.result).error is None
