"""A real browser, and the scripts that say what a reader sees in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sample_report

from cni_conformance._outcome import Status


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")
SAMPLE = sample_report.sample()
PROBLEMS = SAMPLE.of_status(Status.FAIL, Status.WARN, Status.KNOWN)

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
