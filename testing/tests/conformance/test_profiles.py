"""The built-in profiles: complete, honest about what they leave out, and good for an ADD."""

from __future__ import annotations

import functools
import os

import attrs
import pytest

from cni_conformance import _engine, _plan, _profile, _settings
from cni_conformance._case import cases
from cni_conformance._outcome import Status
from cni_conformance._requirements import KINDS, matches, requirements


REFERENCE_TYPES = {
    "interface": "bridge macvlan ipvlan ptp vlan host-device dummy tap loopback",
    "ipam": "host-local static dhcp",
    "chained": "portmap tuning bandwidth firewall sbr vrf",
}
KIND_OF = {name: kind for kind, names in REFERENCE_TYPES.items() for name in names.split()}
GO_PLUGINS = "/usr/lib/cni"
INSTALLED = sorted(
    KIND_OF.keys() & set(os.listdir(GO_PLUGINS) if os.path.isdir(GO_PLUGINS) else [])
)


@pytest.fixture
def add_alone(monkeypatch):
    """Only the plain ADD; the generated cases of its requirement take their time."""
    name = "add_answers_with_a_result"
    monkeypatch.setattr(_plan, "cases", functools.partial(dict, {name: cases()[name]}))


def test_there_is_one_for_each_reference_type():
    assert _profile.built_in() == sorted(KIND_OF)


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_it_says_what_the_plugin_is_and_how_to_configure_it(name):
    profile = _profile.load(name)
    assert profile.name == name
    assert profile.kind == KIND_OF[name]
    assert profile.kind in KINDS
    assert profile.configurations
    for configuration in profile.configurations:
        section = configuration.plugin if profile.kind != "ipam" else configuration.plugin["ipam"]
        assert section["type"] == name
        assert "cniVersion" not in configuration.plugin
        assert "name" not in configuration.plugin
        wanted = set(configuration.plugin.get("capabilities", {}))
        assert set(configuration.runtime_config) <= wanted, "the runtime passes what was asked for"
    names = [configuration.name for configuration in profile.configurations]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_what_it_leaves_out_exists_and_has_a_reason(name):
    for pattern, reason in _profile.load(name).unsupported.items():
        named = any(matches(requirement, pattern) for requirement in requirements())
        assert named or pattern in cases(), f"{pattern}: no requirement and no case"
        assert len(reason.split()) > 3, f"{pattern}: {reason!r} is no reason"


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_what_it_calls_invalid_differs_from_its_configuration(name):
    profile = _profile.load(name)
    plugin = profile.configurations[0].plugin
    for change in profile.invalid:
        assert {**plugin, **change} != plugin
        assert not {"cniVersion", "name", "type"} & change.keys()


@pytest.mark.kernel
@pytest.mark.parametrize("name", INSTALLED)
def test_the_plugin_it_is_named_after_serves_add(name, add_alone):
    settings = _settings.Settings(
        plugin=f"{GO_PLUGINS}/{name}", profile=_profile.load(name), select=("spec/1.1.0/ADD/2",)
    )
    results = _engine.run(settings).results
    if results[0].status is Status.SKIP:
        assert results[0].reason.startswith("this machine cannot do what the profile requires: ")
        return
    assert {result.status for result in results} == {Status.PASS}, _told(results)
    tested = {result.case for result in results}
    assert len(tested) == len(settings.profile.configurations)


@pytest.mark.kernel
@pytest.mark.parametrize("name", [name for name in INSTALLED if _profile.load(name).unavailable])
def test_what_it_calls_unavailable_makes_add_fail(name, add_alone):
    profile = _profile.load(name)
    profile = attrs.evolve(profile, setup=(*profile.setup, *profile.unavailable), requires=())
    settings = _settings.Settings(
        plugin=f"{GO_PLUGINS}/{name}",
        profile=profile,
        select=("spec/1.1.0/ADD/2",),
        versions=("0.4.0",),
    )
    statuses = {result.status for result in _engine.run(settings).results}
    assert Status.FAIL in statuses


@pytest.mark.kernel
@pytest.mark.skipif("dhcp" not in INSTALLED, reason="Go's dhcp is not installed")
@pytest.mark.parametrize(("restarts", "status"), [(True, Status.FAIL), (False, Status.PASS)])
def test_a_lease_is_upheld_unless_its_daemon_forgets_it(restarts, status):
    """Go's daemon keeps leases in memory alone (plugins#235)."""
    profile = _profile.load("dhcp")
    if not restarts:
        profile = attrs.evolve(profile, service=attrs.evolve(profile.service, restart=("true",)))
    settings = _settings.Settings(
        plugin=f"{GO_PLUGINS}/dhcp", profile=profile, level="field", select=("field/dhcp/1",)
    )
    results = _engine.run(settings).results
    assert {result.status for result in results} == {status}, _told(results)


def test_a_service_is_told_completely():
    with pytest.raises(_profile.ProfileError, match=r"\[service\]: key 'holds' is missing"):
        _profile.parse("[service]\nrestart = []\nseconds = 1\n", "mine.toml")
    with pytest.raises(_profile.ProfileError, match=r"\[service\]: unknown key 'stop'"):
        _profile.parse("[service]\nstop = []\n", "mine.toml")


def test_a_profile_that_asks_too_much_skips_everything(tmp_path):
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\nexit 1\n")
    plugin.chmod(0o755)
    profile = attrs.evolve(_profile.load("loopback"), requires=("echo no such link >&2; false",))
    report = _engine.run(_settings.Settings(plugin=str(plugin), profile=profile))
    assert {result.status for result in report.results} == {Status.SKIP}
    assert all("no such link" in result.reason for result in report.results)


def _told(results):
    return [(result.case, result.version, result.actual or result.reason) for result in results]
