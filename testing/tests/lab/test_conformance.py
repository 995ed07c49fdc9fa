"""The conformance suite on the plugins that need the lab's kernel.

Emulation makes the suite some thirty times as slow, so this is what each command is there for; the whole
suite is `make lab CMD="make conformance"`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cni_conformance import _engine, _settings
from cni_conformance._outcome import Status
from reference_plugins import PLUGINS


pytestmark = pytest.mark.lab

NEED_THE_LAB = {"bandwidth", "dummy", "ipvlan", "vlan", "vrf"}
TESTED = ("spec/1.1.0/ADD/2", "spec/1.1.0/DEL/1", "spec/1.1.0/CHECK/3", "spec/1.1.0/GC/1")


@pytest.mark.parametrize("name", sorted(NEED_THE_LAB & set(PLUGINS)))
def test_plugin_does_what_each_command_is_for(name: str, plugins: Path) -> None:
    settings = _settings.make(
        str(plugins / name),
        level="field",
        versions=["1.1.0"],
        select=list(TESTED),
        generated=False,
    )

    report = _engine.run(settings)

    found = report.of_status(Status.FAIL, Status.WARN, Status.KNOWN, Status.ERROR)
    assert [(each.requirement, each.actual or each.reason, each.diff) for each in found] == []
    assert {each.requirement for each in report.of_status(Status.PASS)} == set(TESTED)
