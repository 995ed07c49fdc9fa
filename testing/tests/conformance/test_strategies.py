"""Generated examples: what the strategies make, and how the smallest failure is kept."""

from __future__ import annotations

import json
import random
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cni_conformance import _answers, _examples, _json_schema, _results, _strategies, _testbed
from cni_conformance._case import Blocked, cases
from cni_conformance._examples import Examples
from cni_conformance._outcome import Step
from cni_conformance._versions import VERSIONS
from cni_conformance.suite import generated, generated_histories


ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*\Z")
CONFIG = {"cniVersion": "1.1.0", "name": "net", "ipam": {"type": "x", "ranges": [[{"a": 1}]]}}
quick = settings(
    max_examples=100,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
)


# -- strategies --------------------------------------------------------------------------------------


@quick
@given(st.one_of(_strategies.container_ids(), _strategies.network_names()))
def test_ids_and_network_names_are_valid(name):
    assert ID.match(name)
    assert len(name) <= 128


@quick
@given(st.data())
def test_ids_that_look_alike_are_valid_and_differ(data):
    one = data.draw(_strategies.container_ids())
    other = data.draw(_strategies.alike(one))
    assert ID.match(other)
    assert other != one


@quick
@given(_strategies.invalid_container_ids())
def test_invalid_ids_are_invalid_and_fit_into_the_environment(name):
    assert not ID.match(name)
    assert "\0" not in name


@quick
@given(_strategies.interface_names())
def test_interface_names_are_such_as_linux_allows(name):
    assert 0 < len(name.encode()) <= 15
    assert name not in {".", ".."}
    assert not re.search(r"[/:%\s]", name)


@quick
@given(_strategies.invalid_interface_names())
def test_invalid_interface_names_are_such_as_linux_refuses(name):
    assert len(name.encode()) > 15 or name in {".", ".."} or re.search(r"[/:\s]", name)


@quick
@given(_strategies.arguments())
def test_arguments_are_pairs_and_allow_unknown_ones(text):
    pairs = [pair.split("=") for pair in text.split(";")]
    assert all(len(pair) == 2 for pair in pairs)
    assert pairs[0] == ["IgnoreUnknown", "1"]


@quick
@given(_strategies.mutated(CONFIG))
def test_a_mutated_configuration_is_json_and_the_original_stays(config):
    assert isinstance(json.loads(json.dumps(config)), dict)
    assert CONFIG["ipam"] == {"type": "x", "ranges": [[{"a": 1}]]}


@quick
@given(_strategies.mutated(CONFIG, kept=("cniVersion", "name")))
def test_keys_that_are_to_be_kept_are_kept(config):
    assert config["cniVersion"] == "1.1.0"
    assert config["name"] == "net"


def test_paths_reach_into_lists():
    assert ("ipam", "ranges", 0, 0, "a") in _strategies.paths(CONFIG)


@quick
@given(_strategies.malformed())
def test_malformed_input_is_no_object(data):
    try:
        document = json.loads(data)
    except ValueError:
        return
    assert not isinstance(document, dict)


@pytest.mark.parametrize("version", VERSIONS)
def test_results_have_the_form_of_their_version(version):
    @quick
    @given(_strategies.previous_results(version, "/run/netns/x", "eth0"))
    def check(result: dict[str, Any]) -> None:
        assert result["cniVersion"] == version
        assert _results.addresses(result)
        assert ("interfaces" in result) == (version not in {"0.1.0", "0.2.0"})
        assert all(("version" in ip) == version.startswith("0.") for ip in _results.ips(result))

    check()


@pytest.mark.parametrize("version", VERSIONS)
def test_nonsense_of_a_delegate_has_no_usable_address(version):
    @quick
    @given(_strategies.nonsense_results(version, applied=True))
    def check(text: str) -> None:
        try:
            document = json.loads(text)
        except ValueError:
            return
        if isinstance(document, dict):
            assert "10.88.0.9/16" not in _results.addresses(document)

    check()


SCHEMA = {
    "$defs": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
    "type": "object",
    "required": ["mode"],
    "properties": {
        "mode": {"enum": ["l2", "l3"]},
        "ports": {"type": "array", "items": {"$ref": "#/$defs/port"}, "minItems": 1},
        "master": {"type": "string", "pattern": "^[a-z]+[0-9]$"},
        "either": {"anyOf": [{"type": "null"}, {"const": 7}]},
        "both": {"allOf": [{"type": "string"}, {"minLength": 3, "maxLength": 4}]},
    },
}


@quick
@given(_json_schema.matching(SCHEMA))
def test_values_match_their_schema(value):
    assert value["mode"] in {"l2", "l3"}
    assert set(value) <= set(SCHEMA["properties"])
    ports = value.get("ports", [1])
    assert ports
    assert all(1 <= port <= 65535 for port in ports)
    assert re.fullmatch("[a-z]+[0-9]", value.get("master", "eth0"))
    assert value.get("either") in {None, 7}
    assert 3 <= len(value.get("both", "abc")) <= 4


# -- examples ----------------------------------------------------------------------------------------


def _bed() -> Any:
    bed = _testbed.Testbed.__new__(_testbed.Testbed)
    bed.steps, bed.violations = [Step(kind="setup", title="before")], []
    bed.random = random.Random(0)
    bed.delegate = cast("Any", SimpleNamespace(forget_calls=lambda: None))
    return bed


def _call(bed: _testbed.Testbed, title: str) -> None:
    bed.steps.append(Step(kind="plugin", title=title))


def test_the_smallest_failure_becomes_one_violation_with_its_steps_alone():
    bed = _bed()
    examples = Examples(testbed=bed, count=100)

    def judge(numbers: list[int]) -> None:
        for number in numbers:
            _call(bed, str(number))
        examples.expect("a/b/1", sum(numbers) < 30, expected="small", actual=str(numbers))

    examples.each(st.lists(st.integers(0, 40)), judge)
    assert [each.requirement for each in bed.violations] == ["a/b/1"]
    assert bed.violations[0].actual == "[30]"
    assert [step.title for step in bed.steps if step.kind != "note"] == ["before", "30"]


def test_examples_that_hold_leave_a_remark():
    bed = _bed()
    Examples(testbed=bed, count=10).each(st.integers(), lambda number: _call(bed, str(number)))
    assert bed.violations == []
    assert [step.title for step in bed.steps] == ["before", "10 generated examples, and no failure"]


def test_the_same_seed_gives_the_same_examples():
    def run() -> list[int]:
        seen: list[int] = []
        Examples(testbed=_bed(), count=20).each(st.integers(), seen.append)
        return seen

    assert run() == run()


def test_what_is_seen_once_and_not_again_is_no_violation():
    bed = _bed()
    examples = Examples(testbed=bed, count=20)
    seen: list[int] = []

    def judge(number: int) -> None:
        seen.append(number)
        examples.expect("a/b/1", len(seen) != 5, expected="", actual="")

    examples.each(st.integers(), judge)
    assert bed.violations == []
    assert "seen once and not again" in bed.steps[-1].title


def test_examples_that_cannot_be_carried_out_block_the_case():
    bed = _bed()

    def judge(number: int) -> None:
        raise Blocked("no such program")

    with pytest.raises(Blocked, match="no such program"):
        Examples(testbed=bed, count=5).each(st.integers(), judge)


def test_no_example_is_tried_when_the_time_is_over():
    bed = _bed()
    seen: list[int] = []
    Examples(testbed=bed, count=5, seconds=-1).each(st.integers(), seen.append)
    assert seen == []


def test_a_mistake_of_the_suite_is_no_finding():
    def judge(number: int) -> None:
        raise KeyError("mistake")

    with pytest.raises(KeyError):
        Examples(testbed=_bed(), count=5).each(st.integers(), judge)


# -- judging -----------------------------------------------------------------------------------------


def _ended(command: str = "ADD", **values: Any) -> Any:
    from cni_conformance._invocation import Invocation

    return Invocation(command=command, argv=[], env={}, stdin=b"", **values)


@pytest.mark.parametrize(
    ("requirement", "values"),
    [
        (None, {"exit_code": 0, "stdout": b'{"cniVersion": "1.1.0"}'}),
        (None, {"exit_code": 1, "stdout": b'{"code": 7, "msg": "m"}'}),
        (None, {"exit_code": 1, "stdout": b'{"code": 100, "msg": "m"}'}),
        ("spec/1.1.0/ADD/2", {"exit_code": 0}),
        ("spec/1.1.0/result/1", {"exit_code": 0, "stdout": b"done"}),
        ("spec/1.1.0/errors/2", {"exit_code": 0, "stdout": b'{"code": 7, "msg": "m"}'}),
        ("spec/1.1.0/errors/3", {"exit_code": 1}),
        ("field/output/2", {"exit_code": 1, "stderr": b"Traceback (most recent call last):\n"}),
        ("field/output/2", {"exit_code": 2, "stderr": b"panic: runtime error"}),
        ("field/output/2", {"ended_by": "SIGSEGV"}),
        ("field/output/2", {"ended_by": "timeout"}),
        ("spec/1.1.0/result/1", {"exit_code": 1, "stdout": b"x"}),
        ("spec/1.1.0/error/2", {"exit_code": 1, "stdout": b'{"code": "7", "msg": "m"}'}),
        ("spec/1.1.0/error/2", {"exit_code": 1, "stdout": b'{"code": true, "msg": "m"}'}),
        ("spec/1.1.0/error/2", {"exit_code": 1, "stdout": b'{"code": 7}'}),
        ("spec/1.1.0/error/2", {"exit_code": 1, "stdout": b'{"code": 7, "msg": ""}'}),
        ("spec/1.1.0/error/3", {"exit_code": 1, "stdout": b'{"code": 42, "msg": "m"}'}),
    ],
)
def test_an_answer_breaks_at_most_one_requirement(requirement, values):
    problem = _answers.problem_of(_ended(**values), "spec/1.1.0/errors/3")
    assert (problem and problem[0]) == requirement


def test_links_that_change_are_not_left_behind():
    before = ["host link: cni0 bridge down", "host firewall: table ip nat"]
    appeared = ["+ host link: cni0 bridge up", "+ host link: veth1 veth up", "+ host firewall: x"]
    assert generated._new(appeared, before) == appeared[1:]


def test_generated_cases_say_so():
    modules = {generated.__name__, generated_histories.__name__}
    own = [case for case in cases().values() if case.run.__module__ in modules]
    assert len(own) == 6
    assert all(case.generated for case in own)


def test_hypothesis_keeps_its_files_where_nobody_looks(monkeypatch):
    from hypothesis import configuration

    told: list[str] = []
    monkeypatch.setattr(configuration, "set_hypothesis_home_dir", told.append)
    _examples.prepare()
    assert told == ["/run/conformance/hypothesis"]
