"""The cache of attachments: libcni's format, its own promises."""

import base64
import json
import os
import stat

import pytest

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk.runtime import Cache, CachedAttachment, DamagedEntry


ATTACHMENT = Attachment("net", "c1", "eth0")
ENTRY = CachedAttachment(
    attachment=ATTACHMENT,
    netns="/run/netns/blue",
    args=(("A", "1"), ("B", "2")),
    capability_args={"mac": "02:00:00:00:00:01", "big": 2**60 + 1},
    config=b'{"name": "net"}',
    result={"cniVersion": "1.0.0"},
)


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "cache"))


@pytest.fixture
def results(tmp_path):
    return tmp_path / "cache" / "results"


def entry(network, container_id, ifname="eth0", **fields):
    return CachedAttachment(attachment=Attachment(network, container_id, ifname), **fields)


def test_an_entry_comes_back_as_it_was_written(cache):
    """T: cached runtime conf returned."""
    cache.write(ENTRY)

    found = cache.read(ATTACHMENT)

    assert found.boot
    for field in ("attachment", "netns", "args", "capability_args", "config", "result", "complete"):
        assert getattr(ENTRY, field) == getattr(found, field)


def test_the_file_is_one_that_libcni_reads(cache, results):
    """contracts 1.11: name, keys and their form."""
    cache.write(ENTRY)

    document = json.loads((results / "net-c1-eth0").read_text())

    document.pop("cnisdk")
    assert {
        "kind": "cniCacheV1",
        "containerId": "c1",
        "config": base64.b64encode(ENTRY.config).decode(),
        "ifName": "eth0",
        "networkName": "net",
        "netns": "/run/netns/blue",
        "cniArgs": [["A", "1"], ["B", "2"]],
        "capabilityArgs": {"mac": "02:00:00:00:00:01", "big": 2**60 + 1},
        "result": {"cniVersion": "1.0.0"},
    } == document


def test_an_entry_of_libcni_is_read(cache, results):
    """Written by Go: no keys of ours, empty ones left out, arguments null."""
    results.mkdir(parents=True)
    (results / "net-c1-eth0").write_text(
        '{"kind":"cniCacheV1","containerId":"c1","config":"e30=","ifName":"eth0",'
        '"networkName":"net","cniArgs":null,"capabilityArgs":null,"result":{"cniVersion":"0.4.0"}}'
    )

    found = cache.read(ATTACHMENT)

    assert (
        found.config,
        found.result,
        found.args,
        found.capability_args,
        found.complete,
    ) == (b"{}", {"cniVersion": "0.4.0"}, (), {}, True)
    assert not found.lost_at_reboot, "libcni does not say when"


def test_the_namespace_is_taken_from_the_result_where_libcni_did_not_store_it(cache, results):
    """libcni before 1.2; a stale attachment's DEL would lack CNI_NETNS."""
    document = {
        "kind": "cniCacheV1",
        "containerId": "c1",
        "ifName": "eth0",
        "networkName": "net",
        "result": {"interfaces": [{"name": "eth0"}, {"name": "eth0", "sandbox": "/run/netns/x"}]},
    }
    results.mkdir(parents=True)
    (results / "net-c1-eth0").write_text(json.dumps(document))

    assert cache.read(ATTACHMENT).netns == "/run/netns/x"


def test_files_and_directories_are_for_root_alone(cache, results):
    """contracts 1.11: 0700 and 0600; capability arguments may hold secrets."""
    cache.write(ENTRY)

    assert stat.S_IMODE(results.stat().st_mode) == 0o700
    assert stat.S_IMODE((results / "net-c1-eth0").stat().st_mode) == 0o600


def test_a_crash_while_writing_leaves_the_old_entry(cache, results, monkeypatch):
    """W-LIB-15: Go truncates first, so a crash leaves an empty file."""
    cache.write(ENTRY)

    def crash(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    changed = entry("net", "c1", netns="/new")
    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(errors.IoFailure, match="No space left"):
        cache.write(changed)

    assert cache.read(ATTACHMENT).netns == "/run/netns/blue"
    assert os.listdir(results) == ["net-c1-eth0"]


def test_an_entry_is_on_disk_before_write_returns(cache, monkeypatch):
    """W-LIB-15: the file and its directory are synced."""
    synced = []
    real = os.fsync

    def spy(fd):
        synced.append(stat.S_ISDIR(os.fstat(fd).st_mode))
        real(fd)

    monkeypatch.setattr(os, "fsync", spy)

    cache.write(ENTRY)

    assert synced == [False, True]


def test_entries_of_different_attachments_are_separate(cache):
    """T: cache: separate files per attachment."""
    for name in ("c1", "c2"):
        cache.write(entry("net", name, netns=f"/{name}"))
    cache.write(entry("net", "c1", "eth1", netns="/other"))

    assert [
        cache.read(Attachment("net", *pair)).netns
        for pair in (("c1", "eth0"), ("c2", "eth0"), ("c1", "eth1"))
    ] == ["/c1", "/c2", "/other"]


def test_attachments_whose_file_names_collide_do_not_overwrite_each_other(cache):
    """W-LIB-16: network a-b + container c and network a + container b-c have one name in libcni."""
    first, second = entry("a-b", "c", netns="/first"), entry("a", "b-c", netns="/second")

    cache.write(first)
    cache.write(second)
    cache.write(second)

    assert cache.read(first.attachment).netns == "/first"
    assert cache.read(second.attachment).netns == "/second"

    cache.remove(first.attachment)
    assert cache.read(first.attachment) is None
    assert cache.read(second.attachment).netns == "/second"
    assert [each.netns for each in cache.entries("a")[0]] == ["/second"]

    cache.write(second)
    assert len(cache.entries()[0]) == 1
    cache.remove(second.attachment)
    assert cache.entries() == ([], [])


def test_removing_does_not_touch_the_other_of_two_colliding_attachments(cache):
    """W-LIB-16: DEL of one must not forget the other."""
    first = entry("a-b", "c")
    cache.write(first)

    cache.remove(Attachment("a", "b-c", "eth0"))

    assert cache.read(first.attachment) is not None


def test_names_too_long_for_a_file_are_shortened(cache):
    """Container ids have no length limit; libcni fails with "file name too long"."""
    long = entry("net", "c" * 300)

    cache.write(long)

    assert long.attachment == cache.read(long.attachment).attachment
    cache.remove(long.attachment)
    assert cache.read(long.attachment) is None


def test_what_was_never_written_is_not_known(cache):
    """T: cache missing file. Removing it is fine and makes no directory."""
    assert cache.read(ATTACHMENT) is None

    cache.remove(ATTACHMENT)

    assert not os.path.exists(cache.directory)
    assert cache.entries() == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\0\0\0",
        b"[]",
        b"{}",
        b'{"kind": "cniCacheV2", "containerId": "c1"}',
        b'{"kind": "cniCacheV1", "containerId": "c1", "networkName": "net"}',
        b'{"kind": "cniCacheV1", "containerId": 1, "networkName": "net", "ifName": "eth0"}',
        b'{"kind": "cniCacheV1", "containerId": "c1", "networkName": "n", "ifName": "i", "config": "%"}',
        b'{"kind": "cniCacheV1", "containerId": "c1", "networkName": "n", "ifName": "i", "cniArgs": 5}',
        b'{"kind":"cniCacheV1","containerId":"c","networkName":"n","ifName":"i","result":{"interfaces":[1]}}',
    ],
)
def test_a_damaged_file_is_named(cache, results, content):
    """T: cache invalid JSON; wrong kind; missing name/cid/ifname errors."""
    results.mkdir(parents=True)
    (results / "net-c1-eth0").write_bytes(content)

    with pytest.raises(DamagedEntry, match="net-c1-eth0: damaged"):
        cache.read(ATTACHMENT)

    found, warnings = cache.entries()
    assert found == []
    assert [os.path.basename(each.path) for each in warnings] == ["net-c1-eth0"]


def test_a_damaged_file_is_overwritten_and_removed_like_any_other(cache, results):
    """It is nobody's, so it is in nobody's way."""
    results.mkdir(parents=True)
    (results / "net-c1-eth0").write_bytes(b"")

    cache.write(ENTRY)
    assert cache.read(ATTACHMENT).attachment == ATTACHMENT

    (results / "net-c1-eth0").write_bytes(b"{")
    cache.remove(ATTACHMENT)
    assert cache.read(ATTACHMENT) is None


def test_all_attachments_can_be_listed(cache):
    """Sorted by file name, of one network or of all."""
    for network, container in (("b", "c1"), ("a", "c2"), ("a", "c1")):
        cache.write(entry(network, container))

    assert [each.attachment.container_id for each in cache.entries("a")[0]] == ["c1", "c2"]
    assert len(cache.entries()[0]) == 3
