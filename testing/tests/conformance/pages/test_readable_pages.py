"""The pages can be read: on a phone, in the dark, by keyboard, without scripts."""

from __future__ import annotations

import struct
from pathlib import Path

from browser import PROBLEMS, browse, found_in, frame, needs_chromium, on_a_phone, probed


pytestmark = needs_chromium


def test_everything_fits_a_phone(report: Path, compared: Path, profile: Path) -> None:
    script = """
        if (document.getElementById("clear")) press("clear");
        openAll();
        found.width = innerWidth;
        found.page = document.documentElement.scrollWidth;
        found.wide = all("pre").filter((each) => each.scrollWidth > each.clientWidth).length;
        """
    found = on_a_phone(report, script, profile, 360)
    assert found["width"] == 360
    assert found["page"] == 360
    assert found["wide"] > 0  # long lines scroll within their block
    found = on_a_phone(compared, script, profile, 360)
    assert (found["width"], found["page"]) == (360, 360)


CONTRAST = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (each) => {
  for (let at = each; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)") return colour;
  }
  return "rgb(255, 255, 255)";
};
const contrast = (each) => {
  const [a, b] = [getComputedStyle(each).color, behind(each)].map(luminance).sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
};
press("clear");
openAll();
found.background = getComputedStyle(document.body).backgroundColor;
found.poor = {};
for (const each of seen("body *")) {
  const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (own && contrast(each) < 4.5) {
    found.poor[each.tagName + "." + each.className] = contrast(each).toFixed(2);
  }
}
"""


def test_all_text_has_contrast_in_light_and_dark(report: Path, profile: Path) -> None:
    light = probed(report, CONTRAST, profile)
    dark = probed(report, CONTRAST, profile, "--blink-settings=preferredColorScheme=0")
    assert light["background"] != dark["background"]
    assert light["poor"] == {}
    assert dark["poor"] == {}


def test_page_can_be_worked_by_keyboard_and_read_aloud(report: Path, profile: Path) -> None:
    found = probed(
        report,
        """
        press("clear");
        openAll();
        const focusable = "a[href], button, input, select, summary, [tabindex='0']";
        found.clickable = all("[onclick]").length;
        found.nameless = all("button, input, select").filter((each) =>
          !each.textContent.trim() && !each.labels?.length).length;
        found.scrollers = all("pre").filter((each) =>
          each.scrollWidth > each.clientWidth && !each.matches(focusable)).length;
        found.headings = all("h1").length;
        found.repeated = all("[id]").length - new Set(all("[id]").map((each) => each.id)).size;
        """,
        profile,
    )
    assert found == {
        "clickable": 0, "nameless": 0, "scrollers": 0, "headings": 1, "repeated": 0
    }  # fmt: skip


def test_page_without_scripts_shows_the_summary(report: Path, profile: Path) -> None:
    """In a frame that may run none."""
    inner = frame(report.read_text("utf-8"), 'sandbox="allow-same-origin"')
    script = """<script>onload = () => {
        const page = document.querySelector("iframe").contentDocument;
        document.title = JSON.stringify({
            text: page.body.innerText,
            blocks: page.querySelectorAll("noscript pre").length,
            images: page.images.length,
        });
    }</script>"""
    report.write_text(f"<title></title>{script}{inner}", "utf-8")
    found = found_in(browse(profile, "--dump-dom", report.as_uri()))
    assert "yolobridge fails 3 of" in found["text"]
    assert "4 differences, see the list" in found["text"]
    assert found["blocks"] == sum(bool(result.diff) for result in PROBLEMS)
    assert found["images"] == 0


def test_page_can_be_drawn(report: Path, profile: Path) -> None:
    picture = report.with_suffix(".png")
    browse(profile, "--window-size=800,900", f"--screenshot={picture}", report.as_uri())
    data = picture.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (800, 900)
    assert len(data) > 20_000  # an empty page takes a tenth
