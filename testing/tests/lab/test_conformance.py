"""The conformance suite on the plugins whose kernel parts this machine lacks.

A call takes seconds on an emulated processor, so only what depends on the kernel is asked here; the plugins
share the rest with those that pass the whole suite. All of it: `make lab CMD=".venv/bin/cni-conformance run ..."`.
"""

from pathlib import Path

import pytest

from cni_conformance import _engine, _settings
from cni_conformance._outcome import Status


pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

SELECTED = [
    "spec/1.1.0/ADD/1",  # the interface is there
    "spec/1.1.0/CHECK/3",  # what is missing is noticed
    "spec/1.1.0/CHECK/6",  # an untouched attachment passes
    "spec/1.1.0/DEL/1",  # nothing is left
    "spec/1.1.0/GC/1",
    "field/check/2",  # what is altered is noticed
]


@pytest.mark.parametrize("name", ["dummy", "ipvlan", "vlan", "vrf"])
def test_plugin_passes_what_depends_on_the_kernel(name: str, plugins: Path) -> None:
    settings = _settings.make(
        str(plugins / name),
        level="field",
        versions=["1.1.0"],
        select=SELECTED,
        generated=False,
        jobs=1,
    )

    report = _engine.run(settings)

    found = report.of_status(Status.FAIL, Status.WARN, Status.KNOWN, Status.ERROR)
    assert [(each.requirement, each.actual or each.reason, each.diff) for each in found] == []
    assert len({each.requirement for each in report.of_status(Status.PASS)}) > 3
