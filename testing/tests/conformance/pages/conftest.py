"""A profile for the browser, and the pages it shows; the modules these tests use are in no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cni_conformance.report import comparison
from cni_conformance.report.html import write as write_html


sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import sample_report
from browser import SAMPLE


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser keeps: one for all tests, as making it takes longer than a page."""
    return tmp_path_factory.mktemp("profile")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    write_html(SAMPLE, str(path))
    return path


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    path = tmp_path / "comparison.html"
    comparison.write_html([SAMPLE, sample_report.better()], str(path))
    return path
