"""Our own plugins pass everything, with no failure that is only tolerated."""

from pathlib import Path

import pytest

from cni_conformance import _engine, _settings
from cni_conformance._outcome import Status
from cnisdk.install import install


pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

# The oldest form of results, the one with `version`, and the newest; all seven in `make conformance`.
VERSIONS = ("0.2.0", "0.4.0", "1.1.0")


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cni-bin")
    install(["reference"], str(directory))
    return directory


@pytest.mark.parametrize("name", ["bridge", "host-local", "loopback", "static"])
def test_plugin_passes_at_every_level(name: str, plugins: Path) -> None:
    settings = _settings.make(str(plugins / name), level="field", versions=VERSIONS, skip=["perf"])

    report = _engine.run(settings)

    found = report.of_status(Status.FAIL, Status.WARN, Status.KNOWN, Status.ERROR)
    assert [(each.requirement, each.actual or each.reason, each.diff) for each in found] == []
    skipped = {each.case: each.reason for each in report.of_status(Status.SKIP)}
    reasons = ("the profile declares it unsupported", "left out with --skip")
    assert all(each.startswith(reasons) for each in skipped.values()), skipped
    assert len({each.requirement for each in report.of_status(Status.PASS)}) > 60
