"""The report of one plugin in a real browser: it works, and hostile output stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sample_report
from browser import PROBLEMS, SAMPLE, Elements, browse, needs_chromium, probed

from cni_conformance._outcome import Status


pytestmark = needs_chromium


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
