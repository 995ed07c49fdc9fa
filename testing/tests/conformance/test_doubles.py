"""The suite can fail: each double is caught for what it breaks, and the correct ones pass.

A broken double is run against the cases that speak of what it breaks, so that they find that and
nothing else, without the generated ones. With MATRIX=full it is run against the whole suite, which
takes an hour: `make matrix`.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from cni_conformance import _engine, _profile, _settings
from cni_conformance._outcome import Report, Status
from cni_conformance._requirements import requirements


pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

DOUBLES = Path(__file__).parents[2] / "doubles"
CORRECT = sorted(path.stem for path in (DOUBLES / "profiles").glob("*.toml"))
BROKEN = sorted(
    path
    for path in (DOUBLES / "broken").glob("*/*")
    if path.suffix in {".py", ".sh"} and not path.name.startswith("_")
)
# The oldest form of results and the newest.
VERSIONS = ("0.2.0", "1.1.0")
FULL = os.environ.get("MATRIX") == "full"


def run(
    kind: str, plugin: Path, *, small: tuple[dict[str, Any], ...] = (), **choice: Any
) -> Report:
    profile = _profile.load(str(DOUBLES / "profiles" / f"{kind}.toml"))
    return _engine.run(
        _settings.Settings(
            plugin=str(plugin),
            profile=attrs.evolve(profile, small=small),
            cni_path=(str(DOUBLES),),
            level="field",
            skip=("perf",),
            jobs=2,
            **choice,
        )
    )


def violated(report: Report) -> dict[str, str]:
    assert not report.of_status(Status.ERROR), report.of_status(Status.ERROR)[0].reason
    failures = report.of_status(Status.FAIL, Status.WARN)
    return {each.requirement: f"{each.case}: {each.actual}" for each in failures}


def broken_by(double: Path) -> set[str]:
    found = re.findall(r"^# breaks: (\S+)$", double.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{double} does not say what it breaks"
    return set(found)


@pytest.mark.parametrize("kind", CORRECT)
def test_a_correct_double_passes_everything(kind: str) -> None:
    report = run(kind, DOUBLES / f"{kind}.py", versions=() if FULL else VERSIONS)

    assert violated(report) == {}
    skipped = {each.case: each.reason for each in report.of_status(Status.SKIP)}
    assert set(skipped.values()) <= {"left out with --skip"}, skipped
    assert report.of_status(Status.PASS)


@pytest.mark.parametrize("double", BROKEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_broken_double_fails_what_it_breaks_and_nothing_else(double: Path) -> None:
    ids = broken_by(double)
    shortened: dict[str, Any] = {"select": tuple(ids), "generated": False}

    found = violated(run(double.parent.name, double, **({} if FULL else shortened)))

    assert found.keys() == ids, found


def test_a_code_as_text_is_one_fault_and_not_the_wrong_code_too() -> None:
    double = DOUBLES / "broken" / "interface" / "error_with_its_code_as_text.py"

    found = violated(run("interface", double, select=("spec/1.1.0/error",), generated=False))

    assert found.keys() == {"spec/1.1.0/error/2"}


def test_dns_of_the_configuration_may_win_over_the_delegates(tmp_path: Path) -> None:
    config = {
        "cniVersion": "0.4.0",
        "name": "n",
        "type": "interface.py",
        "dns": {"nameservers": ["192.0.2.53"]},
        "ipam": {"type": "ipam.py", "subnet": "10.1.0.0/24"},
    }
    (tmp_path / "10-n.conf").write_text(json.dumps(config))
    settings = _settings.make(
        str(DOUBLES / "interface.py"),
        config=str(tmp_path / "10-n.conf"),
        cni_path=[str(DOUBLES)],
        versions=["0.4.0"],
        select=["spec/0.1.0/result/2"],
        generated=False,
    )
    report = _engine.run(settings)

    assert violated(report) == {}
    assert {each.requirement for each in report.of_status(Status.PASS)} == {"spec/0.1.0/result/2"}


def test_a_check_that_never_succeeds_is_one_fault() -> None:
    """The cases that call CHECK for another reason leave it out."""
    double = DOUBLES / "broken" / "interface" / "check_compares_letters.py"
    select = ("spec/1.1.0/CHECK/6", "spec/1.1.0/ADD/7", "field/add/6")

    found = violated(run("interface", double, select=select, generated=False))

    assert found.keys() == {"spec/1.1.0/CHECK/6"}


def test_nearly_every_requirement_has_a_double() -> None:
    """What no double breaks is named here, with the reason."""
    covered = {name for double in BROKEN for name in broken_by(double)}
    testable = {
        each.id for each in requirements().values() if not each.untestable and each.level != "perf"
    }

    assert covered - set(requirements()) == set()
    assert testable - covered == WITHOUT_DOUBLE


WITHOUT_DOUBLE = {
    "spec/1.1.0/CHECK/9",  # a plugin that wants CNI_ARGS fails all calls of the suite, which has none
    "spec/1.1.0/DEL/9",
    # Go's dhcp breaks it: test_profiles.py.
    "field/dhcp/1",
}


@pytest.mark.parametrize(
    ("subnet", "double", "status"),
    [
        ("10.7.0.0/29", "ipam.py", Status.PASS),
        ("10.7.0.0/29", "broken/ipam/status_ignores_exhaustion.py", Status.FAIL),
        ("10.7.0.0/24", "ipam.py", Status.NOT_APPLICABLE),
    ],
)
def test_small_pools_may_be_named(subnet: str, double: str, status: Status) -> None:
    """Not every pool is an `ipam.subnet`."""
    small = ({"ipam": {"type": "ipam.py", "subnet": subnet}},)

    report = run("ipam", DOUBLES / double, small=small, select=("spec/1.1.0/STATUS/4",))

    (result,) = report.results
    assert result.status is status
    adds = [step.stdin for step in result.steps if step.title.startswith("ADD")]
    assert adds
    assert all(subnet in stdin for stdin in adds)


def test_a_plugin_without_leftovers_of_its_own_has_nothing_to_go_on_with() -> None:
    """Its delegate has made all there is, so that GC/4 is no merit of the plugin."""
    report = run("meta", DOUBLES / "meta.py", select=("spec/1.1.0/GC/4",))

    (result,) = report.results
    assert result.status is Status.NOT_APPLICABLE
    assert "GC removes nothing on the host" in result.reason
