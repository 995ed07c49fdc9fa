"""ADD over the plugins of a network."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter

import pytest

from cnisdk import errors
from cnisdk.runtime import Parameters, PluginFailed


def result(address, version="1.0.0"):
    return {"cniVersion": version, "ips": [{"address": address}]}


def test_each_plugin_gets_its_predecessors_result_and_the_last_one_is_returned(
    bin_dir, runtime, network, blue
):
    """T: AddNetworkList chain with intermediate results."""
    for number, name in enumerate(("one", "two", "three"), start=1):
        bin_dir.answer(name, "ADD", result(f"10.0.0.{number}/24"))

    returned = runtime.add(network(), blue)

    assert result("10.0.0.3/24") == returned
    assert bin_dir.order == ["one ADD", "two ADD", "three ADD"]
    previous = [call.stdin.get("prevResult") for call in bin_dir.calls]
    assert [None, result("10.0.0.1/24"), result("10.0.0.2/24")] == previous


def test_a_plugin_gets_the_attachments_parameters(bin_dir, runtime, network):
    """T: AddNetwork happy."""
    parameters = Parameters(
        "c1",
        "/run/netns/blue",
        "net0",
        args={"A": "1"},
        capability_args={"mac": "02:00:00:00:00:01"},
    )
    plugins = [{"type": "one", "capabilities": {"mac": True}}]

    runtime.add(network(plugins=plugins), parameters)

    call = bin_dir.calls[0]
    assert tuple(
        call.env[f"CNI_{key}"] for key in ("COMMAND", "CONTAINERID", "NETNS", "IFNAME", "ARGS")
    ) == ("ADD", "c1", "/run/netns/blue", "net0", "A=1")
    assert str(bin_dir.path) == call.env["CNI_PATH"]
    assert call.stdin["runtimeConfig"] == {"mac": "02:00:00:00:00:01"}
    assert call.stdin["name"] == "net"


def test_trace_variables_pass_through(bin_dir, make_runtime, network, blue):
    """W-LIB-23: untested in Go. Each once, with the value this process was given."""
    env = {
        "PATH": os.environ["PATH"],
        "TRACEPARENT": "00-a-b-01",
        "TRACESTATE": "x=y",
        "BAGGAGE": "k=v",
    }

    make_runtime(env=env).add(network("one"), blue)

    passed = bin_dir.calls[0].env
    assert env == {key: passed[key] for key in env}


def test_the_cache_holds_the_last_result_and_the_configuration(
    bin_dir, runtime, network, blue, entry_file
):
    """T: writes right cached result and config."""
    bin_dir.answer("three", "ADD", result("10.0.0.3/24"))

    runtime.add(network(), blue)

    entry = runtime.cache.read(blue.of("net"))
    assert result("10.0.0.3/24") == entry.result
    assert entry.complete
    assert [p["type"] for p in json.loads(entry.config)["plugins"]] == ["one", "two", "three"]
    assert entry_file.exists()


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_failing_plugin_is_named_and_what_was_done_is_rolled_back(
    bin_dir, runtime, network, blue, broken
):
    """W-LIB-13; T: second plugin error; no cache written on error."""
    types = ("one", "two", "three")
    for name in types[:broken]:
        bin_dir.answer(name, "ADD", result("10.0.0.9/24"))
    bin_dir.fail(types[broken], "ADD", 101, "no addresses")

    with pytest.raises(PluginFailed) as caught:
        runtime.add(network(), blue)

    failed = types[broken]
    assert caught.value.code == 101
    assert f'plugin type="{failed}" name="net" failed (add): no addresses' == caught.value.msg
    assert (failed, "net", "ADD") == (
        caught.value.plugin_type,
        caught.value.network,
        caught.value.verb,
    )
    assert [f"{name} ADD" for name in types[: broken + 1]] + [
        "three DEL",
        "two DEL",
        "one DEL",
    ] == bin_dir.order
    expected = result("10.0.0.9/24") if broken else None
    assert [expected] * 3 == [call.stdin.get("prevResult") for call in bin_dir.calls[-3:]]
    assert runtime.cache.read(blue.of("net")) is None


def test_without_rollback_the_cache_keeps_what_a_later_delete_needs(
    bin_dir, runtime, network, blue, entry_file
):
    """W-LIB-13: DEL after a failed ADD has the result of the last plugin that succeeded."""
    bin_dir.answer("one", "ADD", result("10.0.0.1/24"))
    bin_dir.fail("two", "ADD")
    with pytest.raises(PluginFailed):
        runtime.add(network(), blue, rollback=False)
    assert bin_dir.order == ["one ADD", "two ADD"]
    bin_dir.forget()

    runtime.delete(network(), Parameters("c1"))

    assert bin_dir.order == ["three DEL", "two DEL", "one DEL"]
    assert [result("10.0.0.1/24")] * 3 == [call.stdin["prevResult"] for call in bin_dir.calls]
    assert [call.env["CNI_NETNS"] for call in bin_dir.calls] == ["/run/netns/blue"] * 3
    assert not entry_file.exists()


def test_a_rollback_that_fails_is_noted_and_leaves_the_entry_for_another_delete(
    bin_dir, runtime, network, blue, entry_file
):
    """Rollback errors never replace the first one."""
    bin_dir.fail("two", "ADD", 101, "first")
    bin_dir.fail("one", "DEL", 102, "second")

    with pytest.raises(PluginFailed, match="first") as caught:
        runtime.add(network(), blue)

    notes = "\n".join(caught.value.__notes__)
    assert 'plugin type="one" name="net" failed (del): second' in notes
    assert "DEL of c1/eth0 on net is still needed" in notes
    assert entry_file.exists()


def test_a_runtime_killed_in_the_middle_leaves_what_delete_needs(
    bin_dir, runtime, network, blue, tmp_path
):
    """A2, W-LIB-13: the result of every plugin is stored before the next one runs."""
    bin_dir.answer("one", "ADD", result("10.0.0.1/24"))
    bin_dir.script("two", "ADD", 'kill -KILL "$PPID"; sleep 0.2')
    code = f"""
        from cnisdk.runtime import Parameters, Runtime, parse
        runtime = Runtime({str(bin_dir.path)!r}, cache_dir={str(tmp_path / "cache")!r})
        runtime.add(parse({network("one", "two").encoded()!r}), Parameters("c1", "/run/netns/blue"))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == -signal.SIGKILL
    bin_dir.forget()

    runtime.delete(network("one", "two"), Parameters("c1"))

    assert bin_dir.order == ["two DEL", "one DEL"]
    assert [call.stdin["prevResult"] for call in bin_dir.calls] == [result("10.0.0.1/24")] * 2
    assert runtime.cache.read(blue.of("net")) is None


def test_an_add_after_one_that_failed_first_deletes_what_that_left(bin_dir, runtime, network, blue):
    """A retry must not stumble over its own leftovers."""
    bin_dir.fail("two", "ADD")
    with pytest.raises(PluginFailed):
        runtime.add(network("one", "two"), blue, rollback=False)
    bin_dir.answer("two", "ADD", result("10.0.0.2/24"))
    bin_dir.forget()

    runtime.add(network("one", "two"), blue)

    assert bin_dir.order == ["two DEL", "one DEL", "one ADD", "two ADD"]


def test_an_add_after_a_reboot_first_deletes_what_the_old_boot_left(
    bin_dir, runtime, network, blue, entry_file
):
    """A2: the namespace is gone, the address is still reserved."""
    runtime.add(network("one"), blue)
    document = json.loads(entry_file.read_text())
    document["cnisdk"]["boot"] = "00000000-0000-4000-8000-000000000000"
    entry_file.write_text(json.dumps(document))
    bin_dir.forget()

    runtime.add(network("one"), blue)

    assert bin_dir.order == ["one DEL", "one ADD"]


def test_adding_twice_is_refused_without_touching_the_attachment(bin_dir, runtime, network, blue):
    """SPEC section 2: not twice without DEL. A rollback of the second would end the first."""
    runtime.add(network("one"), blue)
    bin_dir.forget()

    with pytest.raises(errors.InvalidEnvironment, match="c1/eth0 on net is attached already"):
        runtime.add(network("one"), blue)

    assert bin_dir.order == []


def test_the_same_container_may_have_another_interface_on_the_network(bin_dir, runtime, network):
    """SPEC section 2: with a different interface name."""
    runtime.add(network("one"), Parameters("c1", "/n", "eth0"))
    runtime.add(network("one"), Parameters("c1", "/n", "eth1"))

    assert [call.env["CNI_IFNAME"] for call in bin_dir.calls] == ["eth0", "eth1"]


def test_a_missing_plugin_is_noticed_before_the_first_one_runs(bin_dir, runtime, network, blue):
    """T: AddNetworkList plugin missing."""
    with pytest.raises(PluginFailed, match=r'type="absent".*failed to find plugin "absent"'):
        runtime.add(network("one", "absent"), blue)

    assert bin_dir.order == []


@pytest.mark.parametrize(
    ("parameters", "code"),
    [(Parameters("", "/n"), 3), (Parameters("a/b", "/n"), 4), (Parameters("c", "/n", "a b"), 4)],
)
def test_malformed_parameters_run_nothing(bin_dir, runtime, network, parameters, code):
    """T: AddNetworkList bad cid, bad ifname."""
    with pytest.raises(errors.CniError) as caught:
        runtime.add(network(), parameters)

    assert code == caught.value.code
    assert bin_dir.order == []


def test_an_unusable_cache_directory_fails_add_before_any_plugin_runs(
    bin_dir, make_runtime, network, blue, tmp_path
):
    """T: AddNetwork unwritable cache dir. Go finds out after the last plugin, and leaves all behind."""
    (tmp_path / "file").write_text("")

    with pytest.raises(errors.IoFailure, match=r"cannot write to the cache|error reading"):
        make_runtime(cache_dir=str(tmp_path / "file" / "cache")).add(network(), blue)

    assert bin_dir.order == []


def test_a_cache_that_fails_at_the_end_rolls_back(bin_dir, runtime, network, blue, monkeypatch):
    """T: AddNetworkList cache unwritable: an attachment nobody remembers is not handed out."""
    write = runtime.cache.write

    def full(entry):
        if entry.complete:
            raise errors.IoFailure("no space left")
        write(entry)

    monkeypatch.setattr(runtime.cache, "write", full)

    with pytest.raises(errors.IoFailure, match="no space left"):
        runtime.add(network("one"), blue)

    assert bin_dir.order == ["one ADD", "one DEL"]


def test_a_result_of_another_version_is_converted_to_the_networks(bin_dir, runtime, network, blue):
    """T: legacy plugin response handled; the next plugin gets the config's version."""
    bin_dir.answer("one", "ADD", {"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.1/24"}})

    runtime.add(network("one", "two"), blue)

    assert bin_dir.calls[1].stdin["prevResult"] == {
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.0.0.1/24"}],
    }


def test_a_result_without_version_gets_the_networks(bin_dir, runtime, network, blue):
    """T: result version missing / empty: config version."""
    bin_dir.answer("one", "ADD", {"ips": []})

    assert runtime.add(network("one"), blue) == {"ips": [], "cniVersion": "1.0.0"}


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("", "printed no result"),
        ("hello", "not JSON"),
        ({"cniVersion": "9.9.9"}, "unknown cniVersion"),
        ({"ips": [{"address": "nonsense"}]}, r"result of one\.ips\[0\]\.address"),
    ],
)
def test_a_malformed_result_is_an_error_that_names_the_plugin(
    bin_dir, runtime, network, printed, expected
):
    """T: plugin error. DEL follows, since the plugin may have done its work."""
    bin_dir.answer("one", "ADD", printed)

    with pytest.raises(PluginFailed, match=rf'type="one" name="net" failed \(add\): .*{expected}'):
        runtime.add(network("one"), Parameters("c1", "/n"))

    assert bin_dir.order == ["one ADD", "one DEL"]


def test_keys_nobody_knows_survive_in_a_result(bin_dir, runtime, network, blue):
    """A result passes through the runtime as the plugin wrote it."""
    document = result("10.0.0.1/24") | {"x-vendor": {"id": 2**60 + 1}}
    bin_dir.answer("one", "ADD", document)

    runtime.add(network("one", "two"), blue)

    assert document == bin_dir.calls[1].stdin["prevResult"]


def test_a_hanging_plugin_is_an_error_after_the_deadline_and_is_rolled_back(
    bin_dir, make_runtime, network, blue
):
    """T: context timeout on ADD."""
    bin_dir.script("two", "ADD", "sleep 30")

    with pytest.raises(PluginFailed, match=r"had not answered after 0.5 s") as caught:
        make_runtime(seconds=0.5).add(network("one", "two"), blue)

    assert errors.TryAgainLater.code == caught.value.code
    assert bin_dir.order == ["one ADD", "two ADD", "two DEL", "one DEL"]


def test_stderr_of_plugins_is_passed_on(bin_dir, runtime, network, blue, stderr):
    """T: runner forwards stderr."""
    bin_dir.script("one", "ADD", "echo progress >&2; echo '{}'")

    runtime.add(network("one"), blue)

    assert stderr.getvalue() == b"progress\n"


def test_a_version_nobody_knows_is_refused_before_anything_is_done(bin_dir, runtime, network, blue):
    """The plugins would refuse too, one by one."""
    with pytest.raises(errors.IncompatibleVersion, match=r"version 1\.2\.3 is not supported"):
        runtime.add(network(version="1.2.3"), blue)

    assert bin_dir.order == []


def test_one_runtime_serves_many_threads(bin_dir, runtime, network):
    """W-LIB-19: no state is made on first use."""
    failures = []

    def attach(number):
        try:
            runtime.add(network("one"), Parameters(f"c{number}", "/n"))
            runtime.delete(network("one"), Parameters(f"c{number}", "/n"))
        except errors.CniError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=attach, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert Counter(bin_dir.order) == {"one ADD": 8, "one DEL": 8}
