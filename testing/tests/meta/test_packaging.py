"""The distribution: what the wheel holds, what it installs, and that its declared names exist."""

import importlib
import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


ROOT = Path(__file__).resolve().parents[3]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEEL_TARGET = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
PACKAGES = [ROOT / path for path in WHEEL_TARGET["packages"] if (ROOT / path).is_dir()]
TOP_LEVEL = {package.name for package in PACKAGES}
SOURCES = {
    file.relative_to(package.parent)
    for package in PACKAGES
    for file in package.rglob("*.py")
    if "__pycache__" not in file.parts
}
# Importing a `__main__` runs it.
MODULES = sorted(
    ".".join(source.with_suffix("").parts).removesuffix(".__init__")
    for source in SOURCES
    if source.name != "__main__.py"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return zipfile.Path(built)


def names(wheel: zipfile.Path) -> set[str]:
    return set(wheel.root.namelist())


def test_wheel_holds_every_module_of_every_package(wheel: zipfile.Path) -> None:
    missing = {str(source) for source in SOURCES} - names(wheel)

    assert missing == set()


def test_wheel_holds_nothing_beside_the_packages(wheel: zipfile.Path) -> None:
    top_level = {name.partition("/")[0] for name in names(wheel)}
    info = {name for name in top_level if name.endswith(".dist-info")}

    assert top_level - info == TOP_LEVEL
    assert len(info) == 1


@pytest.mark.parametrize("package", ["cnisdk", "reference_plugins"])
def test_wheel_marks_the_package_as_typed(wheel: zipfile.Path, package: str) -> None:
    assert f"{package}/py.typed" in names(wheel)


def test_wheel_carries_the_licence(wheel: zipfile.Path) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names(wheel))


def test_wheel_has_the_version_of_the_package(wheel: zipfile.Path) -> None:
    version = importlib.import_module("cnisdk").__version__

    assert f"cnisdk-{version}-" in Path(str(wheel.root.filename)).name


def test_installed_console_scripts_are_the_declared_ones() -> None:
    points = importlib.metadata.distribution("cnisdk").entry_points.select(group="console_scripts")

    assert {point.name: point.value for point in points} == PYPROJECT["project"]["scripts"]


@pytest.mark.parametrize("name", sorted(PYPROJECT["project"]["scripts"]))
def test_console_script_resolves_and_is_installed(name: str) -> None:
    (point,) = importlib.metadata.entry_points(group="console_scripts", name=name)

    assert callable(point.load())
    assert (Path(sys.executable).parent / name).is_file()


@pytest.mark.parametrize("module", MODULES)
def test_every_name_in_all_resolves(module: str) -> None:
    imported = importlib.import_module(module)
    declared = list(getattr(imported, "__all__", ()))

    assert [name for name in declared if not resolves(imported, name)] == []
    assert len(declared) == len(set(declared))


def resolves(module: ModuleType, name: str) -> bool:
    """Tell whether `from module import name` works, lazy names and submodules included."""
    try:
        exec(f"from {module.__name__} import {name}", {})
    except ImportError:
        return False
    return True
