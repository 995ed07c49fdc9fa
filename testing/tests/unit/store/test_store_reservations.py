"""`cnisdk.Reservations`: the directory shared with the Go plugin, and the index beside it."""

import errno
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import cnisdk
from cnisdk import errors
from cnisdk._store import _atomic
from cnisdk._store._index import AttachmentIndex, link_name
from cnisdk._store._layout import file_name, parse_owner


NOW = cnisdk.Deadline(5)
A, B, C = (cnisdk.Attachment("net", f"c{n}", "eth0") for n in range(3))
ONE, TWO, SIX = map(ip_address, ("10.1.0.2", "10.1.0.3", "2001:db8::2"))


@pytest.fixture
def reservations(tmp_path: Path) -> cnisdk.Reservations:
    return cnisdk.Reservations(str(tmp_path), "net")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the reservations read from now on."""
    names: list[str] = []
    read = _atomic.read

    def spy(fd: int, name: str, limit: int = 4096) -> bytes | None:
        if name[0].isdigit():
            names.append(name)
        return read(fd, name, limit)

    monkeypatch.setattr(_atomic, "read", spy)
    return names


def reserve(of: cnisdk.Reservations, attachment: cnisdk.Attachment, *addresses: Any) -> None:
    with of.locked(NOW) as pool:
        pool.reserve(attachment, addresses)


def held(of: cnisdk.Reservations, attachment: cnisdk.Attachment) -> tuple[Any, ...]:
    with of.locked(NOW) as pool:
        return pool.held_by(attachment).addresses


def seed(directory: Path, count: int) -> None:
    """Reservations as the Go plugin writes them."""
    directory.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        (directory / f"10.2.{n >> 8}.{n & 255}").write_bytes(b"go%d\r\neth0" % n)


# ---- reserving ----------------------------------------------------------------------------------


def test_reserved_addresses_are_held_until_released(reservations: cnisdk.Reservations) -> None:
    """The whole way, with the order of reservation kept."""
    reserve(reservations, A, SIX, ONE)

    assert held(reservations, A) == (SIX, ONE)
    assert held(reservations, B) == ()
    assert reservations.release(A, NOW) == (SIX, ONE)
    assert reservations.release(A, NOW) == ()
    assert reservations.holder(ONE) is None


def test_reserving_is_all_or_nothing(reservations: cnisdk.Reservations) -> None:
    """One taken address, and none of the others is reserved; the holder is named."""
    reserve(reservations, A, TWO)
    with pytest.raises(cnisdk.AddressTaken) as refused:
        reserve(reservations, B, ONE, TWO)

    assert "10.1.0.3" in refused.value.msg
    assert "container c0 interface eth0 since 20" in refused.value.details
    assert {"lock", "10.1.0.3"} == reservations.taken()
    assert held(reservations, B) == ()


def test_a_failing_disk_leaves_nothing_reserved(
    reservations: cnisdk.Reservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC at the sync: code 5 with a hint, and the address is free again."""
    reserve(reservations, A, ONE)
    sync = os.fsync
    calls = iter(range(100))

    def full(fd: int) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.IoFailure) as refused:
        reserve(reservations, B, TWO, SIX)

    assert "filesystem is full" in refused.value.details
    assert {"lock", "10.1.0.2"} == reservations.taken()


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT])
def test_filesystems_without_unnamed_files_work_too(
    reservations: cnisdk.Reservations, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """NFS and others refuse O_TMPFILE in various ways; a named temporary file takes its place."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(_atomic, "_create_unnamed", refuse)
    reserve(reservations, A, ONE)

    assert Path(reservations.path, "10.1.0.2").read_bytes() == b"c0\r\neth0"
    assert held(reservations, A) == (ONE,)
    with pytest.raises(cnisdk.AddressTaken):
        reserve(reservations, B, ONE)
    assert {"lock", "10.1.0.2"} == reservations.taken()


def test_only_named_addresses_are_released_on_rollback(reservations: cnisdk.Reservations) -> None:
    """What the attachment held before stays, and is still found."""
    reserve(reservations, A, ONE)
    reserve(reservations, A, TWO)

    assert reservations.release(A, NOW, only=[TWO, SIX]) == (TWO,)
    assert held(reservations, A) == (ONE,)


def test_an_address_with_a_scope_is_refused(reservations: cnisdk.Reservations) -> None:
    """A scope may hold any text; it must not get into a file's name."""
    evil = ip_address("fe80::1%eth0")
    with pytest.raises(errors.InvalidConfig, match="scope"):
        reserve(reservations, A, evil)
    with pytest.raises(errors.InvalidConfig, match="scope"):
        file_name(evil)


def test_a_network_that_is_no_name_is_refused(tmp_path: Path) -> None:
    """A network's name never leads out of the data directory."""
    for name in ("", "../up", "a/b", ".cnisdk-index"):
        with pytest.raises(errors.InvalidConfig):
            cnisdk.Reservations(str(tmp_path), name)


@pytest.mark.parametrize(
    ("content", "owner"),
    [
        (b"c1\r\neth0", ("c1", "eth0")),
        (b" c1 \r\n eth0 \n", ("c1", "eth0")),
        (b"c1\neth0", ("c1", "eth0")),
        (b"c1", ("c1", "")),
        (b"", None),
        (b"  \r\n", None),
        (b"../x\r\neth0", None),
        (b"c1\r\neth0\r\nmore", None),
        (b"\xff\xfe", None),
    ],
)
def test_owners_are_read_from_old_and_new_reservations(
    content: bytes, owner: tuple[str, str] | None
) -> None:
    """Anything else is damaged and nobody's."""
    assert owner == parse_owner(content)


# ---- the index ----------------------------------------------------------------------------------


def test_del_and_add_read_their_own_reservations_only(
    reservations: cnisdk.Reservations, reads: list[str]
) -> None:
    """W-HL-1: with thousands of reservations in the directory nothing else is opened."""
    seed(Path(reservations.path), 700)
    with reservations.locked(NOW) as pool:
        assert pool.held_by(A).addresses == ()
        pool.reserve(A, [ONE])
    reservations.release(A, NOW)

    assert {"10.1.0.2"} == set(reads)


def test_foreign_reservations_are_found_by_one_search(
    reservations: cnisdk.Reservations, reads: list[str]
) -> None:
    """What Go wrote is looked for once; then the index knows it, and misses cost nothing."""
    seed(Path(reservations.path), 700)

    assert reservations.release(A, NOW) == ()
    assert len(reads) == 700
    reads.clear()
    assert reservations.release(B, NOW) == ()
    assert reads == []
    assert tuple(
        map(str, reservations.release(cnisdk.Attachment("net", "go300", "eth0"), NOW))
    ) == ("10.2.1.44",)
    assert {"10.2.1.44"} == set(reads)


def test_a_small_pool_is_searched_by_add(reservations: cnisdk.Reservations) -> None:
    """A duplicate that Go made is noticed."""
    seed(Path(reservations.path), 100)

    assert tuple(map(str, held(reservations, cnisdk.Attachment("net", "go7", "eth0")))) == (
        "10.2.0.7",
    )


def test_a_change_by_somebody_else_is_noticed(reservations: cnisdk.Reservations) -> None:
    """Whatever the time stamps of the filesystem are worth: right after our own change as well."""
    for n in range(50):
        reserve(reservations, A, ip_address(f"10.1.0.{n}"))
        Path(reservations.path, f"10.9.0.{n}").write_bytes(b"c1\r\neth0")

        assert (ip_address(f"10.9.0.{n}"),) == held(reservations, B)
        reservations.release(A, NOW)
        reservations.release(B, NOW)


def test_two_changes_in_one_tick_of_the_clock_do_not_look_like_a_seal(
    reservations: cnisdk.Reservations,
) -> None:
    """Equal modification times come about by chance; they must not mean that nobody interfered."""
    reserve(reservations, A, ONE)
    index = Path(reservations.path).parent / ".cnisdk-index" / "net"
    for nanoseconds in (123_456_789, 4_000_000, 1):
        stamp = 1_700_000_000 * 10**9 + nanoseconds
        for directory in (reservations.path, index):
            os.utime(directory, ns=(stamp, stamp))
        fds = [os.open(each, os.O_RDONLY) for each in (index, reservations.path)]

        assert not AttachmentIndex(*fds).is_complete()
        for fd in fds:
            os.close(fd)


def test_the_index_may_vanish_or_lie(reservations: cnisdk.Reservations) -> None:
    """Every hit is compared with the reservation itself."""
    reserve(reservations, A, ONE)
    reserve(reservations, B, TWO)
    index = Path(reservations.path).parent / ".cnisdk-index" / "net"
    (index / "c0:eth0").unlink()
    (index / "c0:eth0").symlink_to("boot 10.1.0.3 10.1.0.9 ../../x")

    assert reservations.release(A, NOW, only=[TWO]) == ()
    assert held(reservations, B) == (TWO,)
    (index / ".known").unlink()
    (index / ".known").write_bytes(b"c0:eth0 boot 10.1.0.3\n\nrubbish\n")
    assert reservations.release(A, NOW) == (ONE,)


def test_hints_of_prev_result_save_the_search(
    reservations: cnisdk.Reservations, reads: list[str]
) -> None:
    """DEL of what Go added, with prevResult: one reservation is read."""
    seed(Path(reservations.path), 700)
    attachment = cnisdk.Attachment("net", "go5", "eth0")

    assert tuple(
        map(str, reservations.release(attachment, NOW, hints=[ip_address("10.2.0.5")]))
    ) == ("10.2.0.5",)
    assert {"10.2.0.5"} == set(reads)


def test_any_name_is_found_among_the_known(reservations: cnisdk.Reservations) -> None:
    """The sorted file is searched by halving: first, last, every one."""
    seed(Path(reservations.path), 300)
    reservations.release(A, NOW)
    for n in (0, 1, 9, 10, 99, 100, 150, 298, 299):
        released = reservations.release(cnisdk.Attachment("net", f"go{n}", "eth0"), NOW)

        assert len(released) == 1
    assert len(reservations.taken()) - 1 == 291


def test_a_container_id_of_any_length_has_a_link(reservations: cnisdk.Reservations) -> None:
    """File names end at 255 bytes, container ids do not."""
    long = cnisdk.Attachment("net", "c" * 251, "eth0")
    reserve(reservations, long, ONE)

    assert len(link_name(long.container_id, long.ifname)) == 64
    assert reservations.release(long, NOW) == (ONE,)


def test_gc_seals_the_index_again(reservations: cnisdk.Reservations, reads: list[str]) -> None:
    """After GC nothing is searched any more."""
    seed(Path(reservations.path), 700)
    reserve(reservations, A, ONE)
    assert len(reservations.retain([A], NOW)) == 700
    reads.clear()
    assert reservations.release(C, NOW) == ()

    assert reads == []
    assert held(reservations, A) == (ONE,)


def test_where_links_cannot_be_made_a_search_takes_their_place(
    reservations: cnisdk.Reservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filesystems without symbolic links."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)
    reserve(reservations, A, ONE)
    reserve(reservations, B, TWO)

    assert held(reservations, A) == (ONE,)
    assert reservations.release(A, NOW) == (ONE,)
    assert {"lock", "10.1.0.3"} == reservations.taken()


# ---- usability ----------------------------------------------------------------------------------


def test_usability_is_told_without_changing_anything(tmp_path: Path) -> None:
    """The nearest existing directory must be writable."""
    cnisdk.Reservations(str(tmp_path / "a" / "b"), "net").check_usable()
    (tmp_path / "file").touch()
    with pytest.raises(errors.IoFailure, match="file"):
        cnisdk.Reservations(str(tmp_path / "file"), "net").check_usable()

    assert os.listdir(tmp_path) == ["file"]


def test_a_full_filesystem_is_not_usable(
    reservations: cnisdk.Reservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STATUS can tell before an ADD fails."""
    real = os.fstatvfs

    class Full:
        f_flag, f_bavail, f_files, f_favail = 0, 0, 10, 10

    monkeypatch.setattr(os, "fstatvfs", lambda _: Full)
    with pytest.raises(errors.IoFailure, match="No space left"):
        reservations.check_usable()

    class ReadOnly:
        f_flag, f_bavail, f_files, f_favail = os.ST_RDONLY, 9, 10, 10

    monkeypatch.setattr(os, "fstatvfs", lambda _: ReadOnly)
    with pytest.raises(errors.IoFailure, match="Read-only"):
        reservations.check_usable()
    monkeypatch.setattr(os, "fstatvfs", real)
    reservations.check_usable()
