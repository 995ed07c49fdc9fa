"""The conformance suite on the plugins whose kernel parts this machine lacks.

A call takes seconds on an emulated processor, so only what depends on the kernel is asked here; the plugins
share the rest with those that pass the whole suite. All of it: `make lab CMD=".venv/bin/cni-conformance run ..."`.
"""

from pathlib import Path

import pytest
from machine import Netns

from cni_conformance import _engine, _settings
from cni_conformance._outcome import Status
from cni_conformance.state import _links


pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

SELECTED = [
    "spec/1.1.0/ADD/1",  # the interface is there
    "spec/1.1.0/CHECK/6",  # an untouched attachment passes
    "spec/1.1.0/CHECK/2",  # what later plugins add is theirs
    "spec/1.1.0/DEL/1",  # nothing is left
    "spec/1.1.0/GC/1",  # what is stale goes
]
# The one whose DEL asks its configuration.
ALSO = {"vrf": ["field/del/2"]}


@pytest.mark.parametrize("name", ["dummy", "ipvlan", "vlan", "vrf"])
def test_plugin_passes_what_depends_on_the_kernel(name: str, plugins: Path) -> None:
    settings = _settings.make(
        str(plugins / name),
        level="field",
        versions=["1.1.0"],
        select=[*SELECTED, *ALSO.get(name, [])],
        generated=False,
        jobs=1,
    )

    report = _engine.run(settings)

    found = report.of_status(Status.FAIL, Status.WARN, Status.KNOWN, Status.ERROR)
    assert [(each.requirement, each.actual or each.reason, each.diff) for each in found] == []
    assert len({each.requirement for each in report.of_status(Status.PASS)}) >= 3


def test_the_rule_that_comes_with_the_first_vrf_is_the_kernels(container: Netns) -> None:
    """No plugin has made it, and none can leave it behind."""
    with container.entered():
        before = _links.of_this_namespace()["rule"]
    container.ip("link add vrf0 type vrf table 100")
    container.ip("link del vrf0")

    assert "l3mdev" in container.ip("rule show")
    with container.entered():
        assert _links.of_this_namespace()["rule"] == before
