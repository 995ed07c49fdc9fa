"""The comparison of several plugins in a real browser."""

from __future__ import annotations

from pathlib import Path

from browser import SAMPLE, Elements, browse, needs_chromium, probed


pytestmark = needs_chromium


def test_comparison_shows_differences_only(compared: Path, profile: Path) -> None:
    found = probed(
        compared,
        """
        const rows = () => seen("tbody tr:not(.family)").map((each) => each.id);
        found.all = rows().length;
        press("differences");
        found.differing = rows();
        found.hash = location.hash;
        const row = document.getElementById("spec/1.1.0/DEL/1");
        found.cells = all("td", row).map((each) => each.textContent);
        type("ADD");
        found.search = rows();
        found.foreign = all("img, iframe").length + all("script").length;
        """,
        profile,
    )
    assert found["all"] == len({result.requirement for result in SAMPLE.results})
    expected = ["ADD/1", "ADD/2", "DEL/1", "error/1"]
    assert found["differing"] == [f"spec/1.1.0/{name}" for name in expected]
    assert found["hash"] == "#?differences=1"
    assert found["cells"] == ["✗failed", "✓passed"]
    assert found["search"][:2] == ["spec/1.1.0/ADD/1", "spec/1.1.0/ADD/2"]
    assert found["foreign"] == 3


def test_comparison_works_under_its_own_policy(compared: Path, profile: Path) -> None:
    page = Elements(browse(profile, "--dump-dom", compared.as_uri() + "#?differences=1"))
    assert "2 plugins compared" in page.text
    assert "4 of " in page.text
    assert page.tags["script"] == 2
    assert page.tags["img"] == 0
