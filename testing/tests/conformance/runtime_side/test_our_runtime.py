"""Our own runtime keeps the rules."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from runtime_traces import FIRST, SECOND, THIRD

from cni_conformance._outcome import Status
from cni_conformance._versions import VERSIONS, at_least
from cni_conformance.runtime_side import default_conflist, run


OPTIONS = "--conf-dir $NETCONFPATH --cni-path $CNI_PATH --cache-dir /run/cache"
LIFE = f"""
cnisdk() {{ verb=$1; shift; {sys.executable} -I -m cnisdk "$verb" conformance "$@" {OPTIONS}; }}
mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add blue || exit 77
"""
GIVEN = """--args A=b --capability-args '{"portMappings": [{"hostPort": 80, "containerPort": 80}], "x": 1}'"""


def ours(steps: str, **options: Any) -> Any:
    """Run our command line as runtime, in namespaces of its own."""
    found = run(["unshare", "-nm", "sh", "-c", LIFE + steps], level="field", **options)
    if found.exit_code in {1, 77} and not found.calls:
        pytest.skip(f"cannot make namespaces and mounts: {found.stderr}")
    return found


def statuses(found: Any) -> dict[str, Status]:
    return {result.requirement: result.status for result in found.report.results}


@pytest.mark.kernel
def test_our_runtime_keeps_every_rule_through_a_whole_life() -> None:
    found = ours(
        f"cnisdk status && cnisdk add blue {GIVEN} && cnisdk check blue && cnisdk gc --stale"
        " && cnisdk del blue && cnisdk gc --everything"
    )

    assert found.exit_code == 0, found.stderr
    assert found.exit_status == 0
    skipped = {name for name, status in statuses(found).items() if status is not Status.PASS}
    assert skipped == {
        "runtime/request/9",
        "runtime/lifecycle/5",
        "runtime/chain/2",
        "runtime/configuration/1",
        "runtime/configuration/2",
    }


@pytest.mark.kernel
def test_our_runtime_deletes_what_it_failed_to_add() -> None:
    found = ours("cnisdk add blue", script={SECOND: {"ADD": {"code": 11}}})

    assert found.exit_code != 0
    assert found.report.of_status(Status.FAIL) == []
    assert statuses(found)["runtime/lifecycle/5"] is Status.PASS
    assert statuses(found)["runtime/chain/2"] is Status.PASS


@pytest.mark.kernel
@pytest.mark.parametrize("version", VERSIONS)
def test_our_runtime_keeps_to_every_version(version: str) -> None:
    script = f"cnisdk add blue {GIVEN}; cnisdk check blue; cnisdk gc --stale; cnisdk status; cnisdk del blue"

    found = ours(script, conflist=default_conflist("1.0.0") | {"cniVersion": version})

    assert {each.requirement: each.actual for each in found.report.of_status(Status.FAIL)} == {}
    assert ("CHECK" in {call.command for call in found.calls}) == at_least(version, "0.4.0")


@pytest.mark.kernel
def test_our_runtime_respects_what_the_network_wishes() -> None:
    conflist = default_conflist(disable_check=True, disable_gc=True)

    found = ours(
        "cnisdk add blue && cnisdk check blue && cnisdk gc --stale && cnisdk del blue",
        conflist=conflist,
    )

    assert found.exit_code == 0, found.stderr
    assert statuses(found)["runtime/configuration/1"] is Status.PASS
    assert statuses(found)["runtime/configuration/2"] is Status.PASS


@pytest.mark.kernel
def test_our_runtime_does_one_thing_at_a_time() -> None:
    slow = {name: {"ADD": {"sleep": 0.1}} for name in (FIRST, SECOND, THIRD)}

    found = ours(
        "for n in 0 1 2; do cnisdk add blue --ifname eth$n & done; cnisdk gc --valid x & wait",
        script=slow,
    )

    assert statuses(found)["runtime/lifecycle/3"] is Status.PASS
    assert statuses(found)["runtime/lifecycle/4"] is Status.PASS
