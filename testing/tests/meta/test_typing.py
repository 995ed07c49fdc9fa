"""What the type checkers say of authors' code: nothing to good code, the right thing to mistakes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[3]
TYPING = ROOT / "testing" / "tests" / "typing"
BIN = Path(sys.executable).parent
TIMEOUT = 300


def tool(name: str) -> str:
    """A checker beside this interpreter; `make types` installs both."""
    path = shutil.which(name, path=str(BIN))
    if path is None:
        pytest.skip(f"{name} is not installed; `make types` installs it")
    return path


def mypy(file: Path, cache: Path) -> set[int]:
    """The lines mypy --strict reports."""
    command = [tool("mypy"), "--strict", "--config-file=", f"--cache-dir={cache}", "--no-pretty"]
    command += ["--python-version=3.11", "--output=json", "--no-error-summary", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode in {0, 1}, done.stderr
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        each["line"]
        for each in findings
        if each["severity"] == "error" and Path(each["file"]).name == file.name
    }


def pyright(file: Path, directory: Path) -> set[int]:
    """The lines pyright reports in its strict mode."""
    project = directory / "pyrightconfig.json"
    copy = shutil.copy(file, directory)  # a project holds what lies below it
    settings = {
        "include": [Path(copy).name],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "reportMissingTypeStubs": False,
        "pythonVersion": "3.11",
        "pythonPlatform": "Linux",
    }
    project.write_text(json.dumps(settings))
    command = [tool("pyright"), "--outputjson", "--pythonpath", sys.executable, "-p", str(project)]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode in {0, 1}, done.stderr + done.stdout
    return {
        each["range"]["start"]["line"] + 1
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    }


def marked(file: Path) -> set[int]:
    """The lines of a file that are marked as mistakes."""
    lines = file.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# BAD")}


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_good_code_is_clean(checker: Callable[[Path, Path], set[int]], tmp_path: Path) -> None:
    """Strict mode, no `Any` leaks, and `assert_type` holds."""
    assert checker(TYPING / "api.py", tmp_path) == set()


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_every_mistake_is_reported_and_nothing_else(
    checker: Callable[[Path, Path], set[int]], tmp_path: Path
) -> None:
    """Impossible states do not type-check."""
    file = TYPING / "bad.py"

    assert checker(file, tmp_path) == marked(file)
