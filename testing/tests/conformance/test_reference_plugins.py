"""Our own plugins pass everything, with no failure that is only tolerated."""

from pathlib import Path

import pytest

from cni_conformance import _engine, _settings
from cni_conformance._outcome import Status
from cnisdk.install import install
from reference_plugins import PLUGINS


pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

# What they need of the kernel is not everywhere; the lab runs the suite on these.
NEED_THE_LAB = {"dummy", "ipvlan", "vlan", "vrf"}
# These two make use of most of the framework: what it reads and writes is generated for them alone.
WITH_GENERATED_CASES = {"bridge", "host-local"}
# The configuration names one device, which is in one container at a time; the tests of the plugin itself
# (testing/tests/kernel/test_host_device.py) have what these cases ask of two.
MORE_REASONS = {"host-device": ("needs ",)}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cni-bin")
    install(["reference"], str(directory))
    return directory


@pytest.mark.parametrize("name", sorted(set(PLUGINS) - NEED_THE_LAB))
def test_plugin_passes_at_every_level(name: str, plugins: Path) -> None:
    """With the newest version of the specification; `make conformance` takes all seven."""
    settings = _settings.make(
        str(plugins / name),
        level="field",
        versions=["1.1.0"],
        skip=["perf"],
        generated=name in WITH_GENERATED_CASES,
    )

    report = _engine.run(settings)

    found = report.of_status(Status.FAIL, Status.WARN, Status.KNOWN, Status.ERROR)
    assert [(each.requirement, each.actual or each.reason, each.diff) for each in found] == []
    skipped = {each.case: each.reason for each in report.of_status(Status.SKIP)}
    reasons = ("the profile declares it unsupported", "left out", *MORE_REASONS.get(name, ()))
    assert all(each.startswith(reasons) for each in skipped.values()), skipped
    assert len({each.requirement for each in report.of_status(Status.PASS)}) > 60
