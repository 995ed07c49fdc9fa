"""Kernel features as ``cnisdk doctor`` finds them, on the real kernel."""

import os

import pytest

from cnisdk.cli import _probe
from cnisdk.cli._node_checks import _SHOWN_FEATURES, check_features
from cnisdk.cli._probe import probe


pytestmark = pytest.mark.kernel


def test_what_the_sdk_stands_on_is_found() -> None:
    """veth and bridge are there wherever these tests can run at all."""
    found = probe()

    assert set(found) == set(_SHOWN_FEATURES)
    assert found["veth"] == ""
    assert found["bridge"] == ""


def test_probing_leaves_the_host_as_it_was() -> None:
    """Links are made in a namespace that vanishes with its process."""
    before = sorted(os.listdir("/sys/class/net"))

    probe()

    assert sorted(os.listdir("/sys/class/net")) == before


def test_a_feature_that_is_there_is_reported_as_such() -> None:
    """Needed and present."""
    checks = {each.name: each for each in check_features({"veth"})}

    assert (checks["veth"].status, checks["veth"].message) == ("ok", "needed")


def test_a_module_that_is_not_loaded_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading dummy or ifb makes dummy0 or ifb0 in the host's namespace."""

    def refuse(kind: str, **_: bool) -> str:
        raise AssertionError(f"tried {kind}")

    monkeypatch.setattr(_probe, "_link_problem", refuse)
    monkeypatch.setattr("os.path.exists", lambda path: path == "/proc/modules")

    assert _probe._kind_problem("vlan", "kernel/net/8021q/8021q.ko.xz: kernel/net/802/mrp.ko") == ""
    assert _probe._kind_problem("dummy", "") == "not loaded, and no module of it is known"
