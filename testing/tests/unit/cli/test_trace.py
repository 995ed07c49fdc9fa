"""The recorded calls: listed, shown, run again."""

import json
import os

import pytest


NETNS = "/nonexistent/netns"


@pytest.fixture
def calls(plugins, cnisdk):
    """Two calls that succeeded and one that failed."""
    plugins.write("10-pool.conflist", plugins.pool(subnet="10.9.0.0/30"))
    for container in ("first", "second"):
        cnisdk("add", "pool", NETNS, "--container-id", container, "--cache-dir", plugins.cache)
    return plugins


@pytest.mark.usefixtures("calls")
def test_calls_are_listed_oldest_first(cnisdk):
    """Time, verb, ids, plugin, duration, how it ended."""
    outcome = cnisdk("trace", "--json")

    assert [(each["verb"], each["containerID"]) for each in outcome.json] == [
        ("ADD", "first"),
        ("ADD", "second"),
        ("DEL", "second"),
    ]
    first, second, _ = outcome.json
    assert set(first) == {
        "id", "time", "verb", "plugin", "network", "containerID", "ifname", "netns", "duration",
        "error",
    }  # fmt: skip
    assert (first["plugin"], first["network"], first["error"]) == ("host-local", "pool", None)
    assert second["error"]["code"] == 11


@pytest.mark.usefixtures("calls")
def test_the_list_shows_results_and_errors(cnisdk):
    """An error has a line of its own, so that it is readable on any terminal."""
    lines = cnisdk("trace").stdout.splitlines()

    assert "10.9.0.2/30" in lines[1]
    assert "failed: 11" in lines[2]
    assert "no IP addresses available" in lines[3]


@pytest.mark.usefixtures("calls")
def test_the_list_can_be_limited(cnisdk):
    """The last ones, or those that failed."""
    assert [each["verb"] for each in cnisdk("trace", "-n", "1", "--json").json] == ["DEL"]
    assert len(cnisdk("trace", "--failed", "--json").json) == 1


@pytest.mark.usefixtures("calls")
def test_one_call_is_shown_in_full(cnisdk):
    """The end of the id, as the list shows it, is enough."""
    failed = cnisdk("trace", "--failed", "--json").json[0]["id"]

    outcome = cnisdk("trace", failed[-9:])
    document = cnisdk("trace", failed[-9:], "--json").json

    assert "CNI_CONTAINERID" in outcome.stdout
    assert "failed with 11 (try again later)" in outcome.stdout
    assert f"cnisdk trace --replay {failed}" in outcome.stdout
    assert document["stdin"]["name"] == "pool"


def test_a_call_is_run_again_with_what_it_was_given(calls, cnisdk):
    """What failed for want of an address succeeds once there is one."""
    failed = cnisdk("trace", "--failed", "--json").json[0]["id"]
    assert cnisdk("trace", "--replay", failed).code == 1
    cnisdk("del", "pool", NETNS, "--container-id", "first", "--cache-dir", calls.cache)

    outcome = cnisdk("trace", "--replay", failed)

    assert outcome.code == 0
    assert outcome.json["ips"][0]["address"] == "10.9.0.2/30"
    assert "succeeded after" in outcome.stderr
    assert "the recorded call failed" in outcome.stderr


def test_a_call_whose_secrets_were_left_out_needs_its_configuration(calls, cnisdk):
    """A replay with "(secret)" for a password would be another call."""
    directory = calls.run_dir / "invocations"
    name = min(os.listdir(directory))
    record = json.loads((directory / name).read_text())
    complete = calls.root / "complete.json"
    complete.write_text(json.dumps(record["stdin"]))
    record["stdin"]["password"] = "(secret)"
    (directory / name).write_text(json.dumps(record))

    refused = cnisdk("trace", "--replay", record["id"])
    outcome = cnisdk("trace", "--replay", record["id"], "--stdin-file", complete)

    assert refused.code == 2
    assert "secrets were left out" in refused.stderr
    assert outcome.code == 1  # it is allocated already; what counts is that it was run
    assert "running ADD" in outcome.stderr


def test_damaged_records_are_passed_over(calls, cnisdk):
    """A record cut short by a crash does not hide the others."""
    (calls.run_dir / "invocations" / "0-1.json").write_text('{"id": ')

    assert len(cnisdk("trace", "--json").json) == 3


def test_ids_that_name_no_single_call_are_refused(calls, cnisdk):
    """Neither none nor several."""
    directory = calls.run_dir / "invocations"
    for number in (1, 2):
        record = {"id": f"{number}-same", "time": 0}
        (directory / f"{number}.json").write_text(json.dumps(record))

    none, several = cnisdk("trace", "zzz"), cnisdk("trace", "same")

    assert (none.code, several.code) == (2, 2)
    assert "no recorded call" in none.stderr
    assert "several calls" in several.stderr


def test_nothing_recorded_is_no_error(cnisdk):
    """A fresh node."""
    assert cnisdk("trace").code == 0
    assert cnisdk("trace", "--json").json == []
