"""GC: what is stale is deleted, and plugins are told what is not."""

import json
import os

import pytest

from cnisdk import errors
from cnisdk.runtime import Parameters, PluginFailed, SeveralFailed


def attach(runtime, network, *ids):
    for each in ids:
        runtime.add(network, Parameters(each, f"/run/netns/{each}", args={"ID": each}))


@pytest.fixture
def net(bin_dir, runtime, network):
    made = network("one", "two", version="1.1.0")
    attach(runtime, made, "c1", "c2")
    bin_dir.forget()
    return made


def test_a_valid_attachment_is_kept_and_named_to_the_plugins(bin_dir, runtime, net):
    """T: GC valid attachment: only GC with list of it."""
    runtime.gc(net, [("c1", "eth0"), ("c2", "eth0")])

    assert bin_dir.order == ["one GC", "two GC"]
    valid = [{"containerID": each, "ifname": "eth0"} for each in ("c1", "c2")]
    for call in bin_dir.calls:
        assert valid == call.stdin["cni.dev/valid-attachments"]
        assert valid == call.stdin["cni.dev/attachments"]
        assert "prevResult" not in call.stdin
        assert "CNI_CONTAINERID" not in call.env
        assert call.env["CNI_PATH"]


def test_a_stale_attachment_is_deleted_with_what_it_was_added_with_then_gc_runs(
    bin_dir, runtime, net, entry_file
):
    """T: GC no valid: DEL then GC with empty list. W-LIB-17: with the cached configuration."""
    changed = net.__class__(name="net", version="1.1.0", plugins=net.plugins[:1])

    runtime.gc(changed, [("c2", "eth0")])

    assert bin_dir.order == ["two DEL", "one DEL", "one GC"]
    deletion = bin_dir.calls[0]
    assert tuple(deletion.env[f"CNI_{key}"] for key in ("CONTAINERID", "NETNS", "ARGS")) == (
        "c1",
        "/run/netns/c1",
        "ID=c1",
    )
    assert deletion.stdin["prevResult"]["ips"] == [{"address": "10.1.2.3/24"}]
    assert not entry_file.exists()


def test_an_empty_collection_means_that_nothing_is_valid(bin_dir, runtime, net):
    """T: GC no valid. An explicit empty list is an answer, and is sent as a list."""
    runtime.gc(net, [])

    assert bin_dir.order == ["two DEL", "one DEL", "two DEL", "one DEL", "one GC", "two GC"]
    assert bin_dir.calls[-1].stdin["cni.dev/valid-attachments"] == []


def test_no_list_at_all_is_refused_unless_everything_is_meant(bin_dir, runtime, net):
    """W-LIB-17: Go takes nil for "nothing is valid" and deletes everything."""
    with pytest.raises(errors.InvalidConfig, match="no list of valid attachments"):
        runtime.gc(net, None)
    assert bin_dir.order == []

    runtime.gc(net, None, everything=True)

    assert bin_dir.order.count("one DEL") + bin_dir.order.count("two DEL") == 4


def test_gc_can_be_disabled_by_the_network(bin_dir, runtime, network):
    """T: GC: disableGC does nothing."""
    made = network("one", version="1.1.0", disableGC=True)
    attach(runtime, made, "c1")
    bin_dir.forget()

    runtime.gc(made, [])

    assert bin_dir.order == []


def test_below_1_1_0_only_stale_attachments_are_deleted(bin_dir, runtime, network):
    """GC came with 1.1.0; the cache is older."""
    made = network("one", version="1.0.0")
    attach(runtime, made, "c1")
    bin_dir.forget()

    runtime.gc(made, [])

    assert bin_dir.order == ["one DEL"]


def test_gc_goes_on_after_errors_and_reports_them_all(bin_dir, runtime, net, entry_file):
    """SPEC section 3: continue, returning all errors."""
    bin_dir.fail("one", "DEL", 120, "busy")
    bin_dir.fail("one", "GC", 121, "store locked")

    with pytest.raises(SeveralFailed) as caught:
        runtime.gc(net, [("c2", "eth0")])

    assert bin_dir.order == ["two DEL", "one DEL", "one GC", "two GC"]
    assert [(vars(each)["verb"], each.code) for each in caught.value.failures] == [
        ("DEL", 120),
        ("GC", 121),
    ]
    assert entry_file.exists()


def test_other_networks_are_left_alone(bin_dir, runtime, network, net):
    """W-LIB-16: "net" and "net-a" start alike; the content decides."""
    other = network("one", name="net-a", version="1.1.0")
    attach(runtime, other, "c1")
    bin_dir.forget()

    runtime.gc(net, [("c1", "eth0"), ("c2", "eth0")])

    assert bin_dir.order == ["one GC", "two GC"]
    assert runtime.cache.read(Parameters("c1").of("net-a")) is not None


def test_files_of_other_networks_are_not_read(runtime, net, monkeypatch, tmp_path):
    """W-LIB-18: Go reads and decodes every file of the cache on each GC."""
    for number in range(50):
        (tmp_path / "cache" / "results" / f"other-{number}-eth0").write_text("damaged")
    opened = []
    real = open

    def spying(path, *args, **kwargs):
        opened.append(os.path.basename(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", spying)

    runtime.gc(net, [("c1", "eth0"), ("c2", "eth0")])

    assert {"net-c1-eth0", "net-c2-eth0"} <= set(opened)
    assert not [name for name in opened if name.startswith("other")]


def test_a_damaged_entry_is_reported_and_left_alone(bin_dir, runtime, net, entry_file, warnings):
    """Whose it was cannot be told; GC of the plugins is what frees what it held."""
    entry_file.write_text("")

    runtime.gc(net, [])

    assert str(entry_file) in warnings[0]
    assert bin_dir.order == ["two DEL", "one DEL", "one GC", "two GC"]


def test_an_unreadable_cache_is_an_error_but_plugins_still_get_their_gc(
    bin_dir, runtime, net, monkeypatch
):
    """W-LIB-17: Go reports success and does nothing."""

    def refuse(_network):
        raise errors.IoFailure("cannot list")

    monkeypatch.setattr(runtime.cache, "entries", refuse)

    with pytest.raises(errors.IoFailure, match="cannot list"):
        runtime.gc(net, [])

    assert bin_dir.order == ["one GC", "two GC"]


def test_an_entry_whose_configuration_is_damaged_is_deleted_with_todays(
    bin_dir, runtime, net, entry_file
):
    """W-LIB-17: Go dereferences nil there."""
    document = json.loads(entry_file.read_text()) | {"config": "bm90IEpTT04="}
    entry_file.write_text(json.dumps(document))

    runtime.gc(net, [("c2", "eth0")])

    assert bin_dir.order == ["two DEL", "one DEL", "one GC", "two GC"]


def test_an_attachment_of_a_crashed_add_is_collected(bin_dir, runtime, network, blue):
    """A2: the entry is written before the first plugin runs."""
    made = network("one", version="1.1.0")
    bin_dir.fail("one", "ADD")
    with pytest.raises(PluginFailed):
        runtime.add(made, blue, rollback=False)
    bin_dir.forget()

    runtime.gc(made, [])

    assert bin_dir.order == ["one DEL", "one GC"]
    assert runtime.cache.entries()[0] == []
