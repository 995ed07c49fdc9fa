"""`cnisdk.Store`: records that survive crashes and never stand in the way."""

import json
from pathlib import Path
from typing import Any

import pytest

import cnisdk
from cnisdk import errors


NOW = cnisdk.Deadline(2)


class SpyLog(cnisdk.Log):
    """Remembers warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[tuple[str, dict[str, Any]]] = []

    def warning(self, message: str, **fields: Any) -> None:
        self.warnings.append((message, fields))


@pytest.fixture
def log() -> SpyLog:
    return SpyLog()


@pytest.fixture
def store(tmp_path: Path, log: SpyLog) -> cnisdk.Store:
    return cnisdk.Store(str(tmp_path / "state"), log=log)


def test_a_record_comes_back_as_it_was_put(store: cnisdk.Store) -> None:
    """Round trip, with the boot id of now."""
    store.put("a", {"mtu": 1500, "names": ["x"]}, NOW)
    record = store.get("a")

    assert record is not None
    assert record.data == {"mtu": 1500, "names": ["x"]}
    assert not record.is_from_earlier_boot
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() == record.boot_id


def test_a_record_can_be_replaced_and_removed(store: cnisdk.Store) -> None:
    """The later one wins; removing twice is no error."""
    store.put("a", {"n": 1}, NOW)
    store.put("a", {"n": 2}, NOW)

    assert [(key, record.data) for key, record in store.items()] == [("a", {"n": 2})]
    assert store.remove("a", NOW)
    assert not store.remove("a", NOW)
    assert store.get("a") is None


def test_reading_and_removing_create_nothing(tmp_path: Path, store: cnisdk.Store) -> None:
    """DEL and CHECK of what never was leave no directory."""
    assert store.get("a") is None
    assert [] == store.keys() == store.retain([], NOW)
    assert not store.remove("a", NOW)
    assert not (tmp_path / "state").exists()


def test_records_of_an_earlier_boot_are_recognised(
    store: cnisdk.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they speak of went with the reboot."""
    store.put("a", {}, NOW)
    monkeypatch.setattr("cnisdk._store._boot.boot_id", lambda: "another boot")
    record = store.get("a")

    assert record is not None
    assert record.is_from_earlier_boot


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": 1}', b"\xff\xfe\x00", b'{"format": 9, "bootId": "", "data": {}}'],
)  # fmt: skip
def test_a_damaged_record_is_put_aside_and_counts_as_absent(
    store: cnisdk.Store, log: SpyLog, tmp_path: Path, content: bytes
) -> None:
    """flannel#1662: a half-written file must not make DEL fail for ever."""
    store.put("a", {}, NOW)
    (tmp_path / "state" / "a.json").write_bytes(content)

    assert store.get("a") is None
    assert not store.remove("a", NOW)
    (moved,) = (tmp_path / "state" / ".damaged").iterdir()
    assert content == moved.read_bytes()
    ((message, fields),) = log.warnings
    assert message == "damaged record"
    assert str(tmp_path / "state" / "a.json") == fields["path"]


def test_damaged_records_do_not_pile_up(store: cnisdk.Store, tmp_path: Path) -> None:
    """The newest 32 are kept for whoever looks into it."""
    store.put("a", {}, NOW)
    for n in range(40):
        (tmp_path / "state" / "a.json").write_text(f"damage {n}")
        assert store.get("a") is None
    kept = {path.read_text() for path in (tmp_path / "state" / ".damaged").iterdir()}

    assert {f"damage {n}" for n in range(8, 40)} == kept


def test_a_symbolic_link_in_place_of_a_record_is_not_followed(
    store: cnisdk.Store, tmp_path: Path
) -> None:
    """Neither read nor written through; the target stays."""
    store.put("b", {}, NOW)
    target = tmp_path / "precious"
    target.write_text(json.dumps({"format": 1, "bootId": "x", "data": {}}))
    (tmp_path / "state" / "a.json").symlink_to(target)

    assert store.get("a") is None
    store.put("a", {"n": 1}, NOW)
    assert json.loads(target.read_text()) == {"format": 1, "bootId": "x", "data": {}}


def test_a_state_directory_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    """Code 5, naming the directory."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    store = cnisdk.Store(str(tmp_path / "state"))

    with pytest.raises(errors.IoFailure, match="state"):
        store.put("a", {}, NOW)
    with pytest.raises(errors.IoFailure, match="state"):
        store.get("a")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("key", ["", "../a", "a/b", ".hidden", "x" * 201, "a\n"])
def test_a_key_that_is_no_file_name_is_refused(store: cnisdk.Store, key: str) -> None:
    """A key never leads out of the directory."""
    with pytest.raises(errors.InternalError, match="cannot be the key"):
        store.put(key, {}, NOW)


def test_retain_removes_all_but_the_given_keys_of_a_prefix(store: cnisdk.Store) -> None:
    """GC of one network leaves the records of others alone."""
    valid = cnisdk.Attachment("net", "c1", "eth0")
    gone = cnisdk.Attachment("net", "c2", "eth0")
    foreign = cnisdk.Attachment("other", "c2", "eth0")
    for each in (valid, gone, foreign):
        store.put(each.key, {}, NOW)

    assert [gone.key] == store.retain([valid.key], NOW, prefix=valid.network_hash)
    assert sorted([valid.key, foreign.key]) == store.keys()


def test_reading_and_changing_can_be_one_step(store: cnisdk.Store) -> None:
    """Inside `locked` the lock is not taken twice."""
    with store.locked(NOW, "counting"):
        before = store.get("n")
        store.put("n", {"n": 1 + (before.data["n"] if before else 0)}, NOW)
        store.remove("m", NOW)
    record = store.get("n")

    assert record is not None
    assert record.data["n"] == 1


def test_files_are_private(store: cnisdk.Store, tmp_path: Path) -> None:
    """Directory 0700, records 0600, and no temporary file stays."""
    store.put("a", {}, NOW)
    directory = tmp_path / "state"

    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {
        "a.json": 0o600,
        ".lock": 0o600,
    }
