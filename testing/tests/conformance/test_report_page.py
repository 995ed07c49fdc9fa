"""The pages in a real browser: they work, hostile output stays text, and a phone can show them."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cni_conformance._outcome import Status
from cni_conformance.report import comparison
from cni_conformance.report.html import write as write_html


sys.path.insert(0, str(Path(__file__).parent))

import sample_report


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SAMPLE = sample_report.sample()
PROBLEMS = SAMPLE.of_status(Status.FAIL, Status.WARN, Status.KNOWN)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")

# What the tests add to a page: small words for what a reader does, and what is to be seen then.
PROBE = """
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const seen = (selector) => all(selector).filter((each) => each.getClientRects().length > 0);
const ids = () => seen("details.requirement").map((each) => each.id);
const press = (name) => all("button").find((each) => each.dataset.name === name || each.id === name).click();
const type = (text) => {
  const search = document.getElementById("search");
  search.value = text;
  search.dispatchEvent(new Event("input"));
};
const shownCount = () => document.getElementById("shown").textContent;
const openAll = () => {
  for (let closed; (closed = all("details:not([open])")).length > 0;) {
    for (const each of closed) { each.open = true; if (each.fill) each.fill(); }
  }
};
"""


class Elements(HTMLParser):
    """Counts elements, and gathers what a reader can read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.handlers: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def browse(profile: Path, *arguments: str) -> str:
    assert CHROMIUM
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=5000",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout


@pytest.fixture(scope="module")
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


def probed(page: Path, script: str, profile: Path, *arguments: str, fragment: str = "") -> Any:
    """What a script finds in a page: it fills the object `found`."""
    text = re.sub(r"<meta http-equiv=.*?>", "", page.read_text("utf-8"))
    whole = f"{{ const found = {{}}; {PROBE} {script} document.title = JSON.stringify(found); }}"
    copy = page.with_suffix(".probed.html")
    copy.write_text(text.replace("</body>", f"<script>{whole}</script></body>"), "utf-8")
    return found_in(browse(profile, "--dump-dom", *arguments, copy.as_uri() + fragment))


def found_in(dump: str) -> Any:
    titles = re.findall(r"<title>(.*?)</title>", dump, re.DOTALL)
    return json.loads(titles[0].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


def on_a_phone(page: Path, script: str, profile: Path, width: int) -> Any:
    """As `probed`, in a frame of a width that no window of the browser can have."""
    text = re.sub(r"<meta http-equiv=.*?>", "", page.read_text("utf-8"))
    whole = (
        f"{{ const found = {{}}; {PROBE} {script} parent.document.title = JSON.stringify(found); }}"
    )
    inner = text.replace("</body>", f"<script>{whole}</script></body>")
    outer = page.with_suffix(".phone.html")
    outer.write_text(f"<title></title>{frame(inner, f'width={width} height=800')}", "utf-8")
    return found_in(browse(profile, "--dump-dom", outer.as_uri()))


def frame(content: str, attributes: str) -> str:
    return f'<iframe {attributes} srcdoc="{escape(content)}" style="border: 0"></iframe>'


# -- the report of one plugin ----------------------------------------------------------------------


def test_page_shows_what_failed_and_runs_no_script_of_the_plugin(
    report: Path, profile: Path
) -> None:
    page = Elements(browse(profile, "--dump-dom", report.as_uri()))
    for problem in PROBLEMS:
        assert problem.requirement in page.text
    assert "yolobridge fails 3 of" in page.text
    assert f"{len(PROBLEMS)} of {len(SAMPLE.results)} results" in page.text
    assert "4 differences, see the list" in page.text  # the first is open
    assert page.tags["script"] == 2
    assert page.tags["img"] == 0


def test_hostile_output_is_text_when_all_is_open(report: Path, profile: Path) -> None:
    found = probed(
        report,
        """
        press("clear");
        openAll();
        found.foreign = all("img, iframe, object, embed, body script:not(:last-of-type):not(#data)").length;
        found.scripts = all("script").length;
        found.handlers = all("*").filter((each) =>
          each.getAttributeNames().some((name) => name.startsWith("on"))).length;
        found.text = all(".actual p").map((each) => each.textContent).join("\\n");
        found.requirements = all("details.requirement").length;
        """,
        profile,
    )
    assert found["scripts"] == 3  # data, the page's, the probe
    assert found["handlers"] == 0
    assert found["requirements"] == len({result.requirement for result in SAMPLE.results})
    assert sample_report.SCRIPT in found["text"]
    assert sample_report.HOSTILE[2] in found["text"]
    assert "\ufffd\ufffd that were no text" in found["text"]
    assert "\\x1b[31mred" in found["text"]
    assert "half \\udce9 a pair" in found["text"]
    assert "\\u202eright to left" in found["text"]


UGLY = r'{"a":12345678901234567890,"a":[],"b":{"c":1.0,"d":"x:{\"y","e":[1,{}]}}'
PRETTY = r"""{
  "a": 12345678901234567890,
  "a": [],
  "b": {
    "c": 1.0,
    "d": "x:{\"y",
    "e": [
      1,
      {}
    ]
  }
}"""


def test_transcript_has_all_of_a_call(report: Path, profile: Path) -> None:
    found = probed(
        report,
        """
        openAll();
        const row = document.getElementById("spec/1.1.0/DEL/1");
        found.text = row.textContent;
        found.marked = all(".here", row).map((each) => each.closest("summary").textContent);
        found.added = all(".added", row).length;
        found.removed = all(".removed", row).length;
        found.links = all("a", row).map((each) => [each.href, each.rel]);
        found.pretty = pretty(String.raw`UGLY`);
        found.broken = pretty("{nonsense");
        """.replace("UGLY", UGLY),
        profile,
    )
    row = sample_report.requirements()["spec/1.1.0/DEL/1"]
    for part in (
        "Clause",
        row.why.replace("`", ""),
        row.fix.replace("`", ""),
        "after DEL the host is as it was before ADD",
        "CNI_COMMAND=DEL\nCNI_CONTAINERID=conformance-c1",
        '"type": "conformance-ipam"',
        "W: iptables is busy",
        "exit 0",
        "167 ms · 31 MiB",
        "Delegate conformance-ipam was called with DEL",
        "printf %s",
    ):
        assert part in found["text"]
    assert [text.startswith("3DEL c1 eth0") for text in found["marked"]] == [True]
    assert (found["added"], found["removed"]) == (3, 1)
    assert found["links"][0][0].startswith("https://github.com/containernetworking/cni/blob/")
    assert "noopener" in found["links"][0][1]
    assert found["pretty"] == PRETTY
    assert found["broken"] == "{nonsense"


def test_filters_narrow_what_is_shown(report: Path, profile: Path) -> None:
    found = probed(
        report,
        """
        found.first = ids();
        found.pressed = all("[aria-pressed=true]").map((each) => each.dataset.name);
        press("clear");
        found.all = [ids().length, shownCount()];
        press("skip");
        found.skipped = [ids().length, shownCount(), location.hash];
        press("must");
        found.must = [ids(), location.hash];
        press("clear");
        type("iptables nat");
        found.search = [ids(), location.hash];
        type("zebra");
        found.nothing = [ids().length, seen("#empty").length];
        type("");
        const version = document.getElementById("version");
        version.value = "0.4.0";
        version.dispatchEvent(new Event("input"));
        found.version = ids();
        """,
        profile,
    )
    skipped = SAMPLE.of_status(Status.SKIP)
    must = [result.requirement for result in skipped if result.level == "must"]
    assert found["first"] == list(dict.fromkeys(sorted_ids(PROBLEMS)))
    assert found["pressed"] == ["fail", "warn", "known"]
    total = len({result.requirement for result in SAMPLE.results})
    assert found["all"] == [total, f"All {len(SAMPLE.results)} results"]
    of = f"{len(skipped)} of {len(SAMPLE.results)} results"
    assert found["skipped"] == [len(skipped), of, "#?status=skip"]
    assert found["must"] == [must, "#?status=skip&level=must"]
    assert found["search"] == [["spec/1.1.0/DEL/1", "field/del/1"], "#?q=iptables+nat"]
    assert found["nothing"] == [0, 1]
    assert found["version"] == ["spec/1.1.0/error/1"]


def sorted_ids(results: list[Any]) -> list[str]:
    order = [result.requirement for result in SAMPLE.results]
    known = list(sample_report.requirements())
    assert set(order) <= set(known)
    return sorted((result.requirement for result in results), key=known.index)


def test_address_holds_the_filters(report: Path, profile: Path) -> None:
    found = probed(
        report,
        "found.ids = ids(); found.text = document.getElementById('search').value;",
        profile,
        fragment="#?status=known,pass&level=must&q=STATUS",
    )
    assert found["text"] == "STATUS"
    assert "spec/1.1.0/STATUS/1" in found["ids"]
    assert not {"spec/1.1.0/DEL/6", "spec/1.1.0/STATUS/3"} & set(found["ids"])


@pytest.mark.parametrize("target", ["spec/1.1.0/ADD/2", "spec/1.1.0/DEL/6"])
def test_address_of_a_requirement_opens_it(target: str, report: Path, profile: Path) -> None:
    script = f"""
        const row = document.getElementById("{target}");
        found.open = row.open && row.getClientRects().length > 0;
        found.top = Math.round(row.getBoundingClientRect().top);
        found.text = row.textContent;
        press("fail");
        location.hash = "spec/1.1.0/ADD/3";
        """
    found = probed(report, script, profile, fragment="#" + target)
    assert found["open"]
    assert -5 <= found["top"] <= 100
    assert "What the case did" in found["text"]


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


# -- several plugins -------------------------------------------------------------------------------


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
