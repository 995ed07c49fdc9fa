"""host-local called as a runtime calls it: addresses, files, errors."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


RANGES = {"ranges": [[{"subnet": "10.1.2.0/24"}]]}
DUAL = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}
SMALL = {"ranges": [[{"subnet": "10.1.2.0/29"}]]}


def prev(*ips: str, version: str = "1.1.0") -> dict[str, Any]:
    return {"cniVersion": version, "ips": [{"address": each} for each in ips]}


# ---- ADD and DEL --------------------------------------------------------------------------------


def test_add_gives_one_address_of_each_set_and_del_takes_them_back(
    host_local: Any, version: str, tmp_path: Path
) -> None:
    """T: ADD/DEL with 2 v4 subnets in set 0 and v6 in set 1, 4 routes, resolvConf; exact files."""
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.3\n")
    ipam = {
        "ranges": [
            [{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}],
            [{"subnet": "2001:db8:1::0/64"}],
        ],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "::/0"},
            {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
            {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"},
        ],
        "resolvConf": str(resolv),
    }
    answer = host_local.ok("ADD", ipam, "dummy", version=version)

    assert answer.ips == ["10.1.2.2/24", "2001:db8:1::2/64"]
    assert answer.document["dns"]["nameservers"] == ["192.0.2.3"]
    if version >= "0.3.0":
        assert [ip["gateway"] for ip in answer.document["ips"]] == ["10.1.2.1", "2001:db8:1::1"]
        assert [route["dst"] for route in answer.document["routes"]] == [
            "0.0.0.0/0",
            "::/0",
            "192.168.0.0/16",
            "2001:db8:2::/64",
        ]
    if "0.3.0" <= version < "1.0.0":
        assert [ip["version"] for ip in answer.document["ips"]] == ["4", "6"]
    assert host_local.files() == {
        "10.1.2.2": b"dummy\r\neth0",
        "2001:db8:1::2": b"dummy\r\neth0",
        "last_reserved_ip.0": b"10.1.2.2",
        "last_reserved_ip.1": b"2001:db8:1::2",
    }

    host_local.ok("DEL", ipam, "dummy", version=version)

    assert {"last_reserved_ip.0", "last_reserved_ip.1"} == set(host_local.files())


def test_files_have_the_modes_of_secrets(host_local: Any) -> None:
    """Reservations are 0600, the network's directory 0755, the index 0700."""
    host_local.ok("ADD", RANGES)
    network = host_local.data_dir / "net"

    modes = {path.name: path.stat().st_mode & 0o777 for path in [network, *network.iterdir()]}
    assert modes == {
        "net": 0o755,
        "lock": 0o600,
        "10.1.2.2": 0o600,
        "last_reserved_ip.0": 0o600,
    }
    assert (host_local.data_dir / ".cnisdk-index" / "net").stat().st_mode & 0o777 == 0o700


def test_networks_and_interfaces_of_a_container_are_independent(
    host_local: Any, version: str
) -> None:
    """T: two networks, two interfaces, same container: independent files and releases."""
    other = {"ranges": [[{"subnet": "10.2.2.0/24"}]]}
    host_local.ok("ADD", RANGES, "dummy", network="net0", version=version)
    host_local.ok("ADD", other, "dummy", network="net1", ifname="eth1", version=version)

    assert {"10.1.2.2"} == host_local.reserved("net0")
    assert host_local.files("net1")["10.2.2.2"] == b"dummy\r\neth1"

    host_local.ok("DEL", RANGES, "dummy", network="net0", version=version)

    assert set() == host_local.reserved("net0")
    assert {"10.2.2.2"} == host_local.reserved("net1")


def test_a_second_add_is_refused_until_del(host_local: Any, version: str) -> None:
    """T: second ADD with same cid+ifname fails; other cid gets the next address; DEL releases each."""
    host_local.ok("ADD", RANGES, "one", version=version)
    again = host_local("ADD", RANGES, "one", version=version)
    other = host_local.ok("ADD", RANGES, "two", version=version)
    still = host_local("ADD", RANGES, "one", version=version)

    assert 110 == again.code == still.code
    assert "10.1.2.2 has been allocated to one/eth0 on network net" in again.error
    assert other.ips == ["10.1.2.3/24"]

    for container in ("one", "two"):
        host_local.ok("DEL", RANGES, container, version=version)
    assert set() == host_local.reserved()
    assert host_local.ok("ADD", RANGES, "one", version=version).ips == ["10.1.2.4/24"]


def test_a_container_may_have_two_interfaces_on_a_network(host_local: Any) -> None:
    """The attachment is container and interface, not the container."""
    host_local.ok("ADD", RANGES, ifname="eth0")
    host_local.ok("ADD", RANGES, ifname="eth1")
    host_local.ok("DEL", RANGES, ifname="eth0")

    assert {"10.1.2.3"} == host_local.reserved()


def test_reservations_without_ifname_are_released(host_local: Any, version: str) -> None:
    """T: old-format (cid-only) file released by DEL."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.7").write_bytes(b"dummy")
    (network / "10.1.2.8").write_bytes(b"other")
    host_local.ok("DEL", RANGES, "dummy", version=version)

    assert {"10.1.2.8"} == host_local.reserved()


def test_reservations_without_ifname_are_kept_while_there_are_others(host_local: Any) -> None:
    """The Go plugin's rule: cid-only files count only when cid+ifname has none."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.7").write_bytes(b"c1")
    (network / "10.1.2.8").write_bytes(b"c1\r\neth0")
    host_local.ok("DEL", RANGES)

    assert {"10.1.2.7"} == host_local.reserved()


def test_white_space_around_an_owner_is_ignored(host_local: Any) -> None:
    """T: cid with surrounding white space is trimmed in file and on release."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.7").write_bytes(b"  c1\r\neth0\n")
    host_local.ok("DEL", RANGES)

    assert set() == host_local.reserved()


def test_del_of_what_was_never_added_succeeds_and_creates_nothing(
    host_local: Any, version: str
) -> None:
    """T: DEL of unknown id succeeds. W-HL-8: DEL makes no directory."""
    host_local.ok("DEL", RANGES, "never", version=version)

    assert not host_local.data_dir.exists()


def test_the_first_add_complains_about_nothing(host_local: Any) -> None:
    """T: first-ever ADD prints no complaint about missing last_reserved file."""
    assert host_local.ok("ADD", RANGES).stderr == ""


@pytest.mark.parametrize("content", [b"", b"garbage", b"10.1.2.300", b"\xff\xfe"])
def test_a_damaged_last_address_starts_the_round_anew(host_local: Any, content: bytes) -> None:
    """W-HL-2: the Go plugin truncates the file in place, so a crash can leave any of these."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "last_reserved_ip.0").write_bytes(content)

    assert host_local.ok("ADD", RANGES).ips == ["10.1.2.2/24"]
    assert host_local.files()["last_reserved_ip.0"] == b"10.1.2.2"


def test_empty_reservations_do_not_hold_an_address(host_local: Any) -> None:
    """W-HL-2, plugins#498: what a crash leaves between create and write is taken over."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    for last in range(2, 7):
        (network / f"10.1.2.{last}").touch()

    assert host_local.ok("ADD", SMALL).ips == ["10.1.2.2/29"]
    assert host_local.files()["10.1.2.2"] == b"c1\r\neth0"


def test_a_network_directory_that_is_a_symbolic_link_is_refused(
    host_local: Any, tmp_path: Path
) -> None:
    """Whoever can write to the data directory must not redirect what root writes."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    host_local.data_dir.mkdir()
    (host_local.data_dir / "net").symlink_to(elsewhere)
    answer = host_local("ADD", RANGES)

    assert answer.code == 5
    assert "symbolic link" in answer.error
    assert list(elsewhere.iterdir()) == []


def test_a_reservation_that_is_a_symbolic_link_is_taken_and_not_followed(
    host_local: Any, tmp_path: Path
) -> None:
    """Nothing is read or written through a link; GC removes the link itself."""
    target = tmp_path / "precious"
    target.write_bytes(b"c1\r\neth0")
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.2").symlink_to(target)

    assert host_local.ok("ADD", RANGES).ips == ["10.1.2.3/24"]

    host_local.ok("GC", RANGES, **{"cni.dev/valid-attachments": []})

    assert set() == host_local.reserved()
    assert target.read_bytes() == b"c1\r\neth0"


def test_parallel_adds_get_different_addresses(host_local: Any) -> None:
    """The lock is held once per ADD over all sets (W-HL-5), so nobody comes in between."""
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(host_local("ADD", DUAL, f"c{n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status for answer in answers] == [0] * 8
    # Both addresses of an attachment have the same place in their sets.
    assert {(f"10.1.2.{n}/24", f"2001:db8:1::{n:x}/64") for n in range(2, 10)} == {
        tuple(answer.ips) for answer in answers
    }


# ---- DEL under adverse conditions ---------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"ranges": []},
        {"ranges": "all of them"},
        {"ranges": [[{"subnet": "10.9.0.0/24"}]]},
        {"ranges": [[{"subnet": "not a subnet", "rangeStart": 7}]]},
        {"routes": [{"dst": "nowhere"}], "resolvConf": "/not/there"},
    ],
)
def test_del_needs_no_valid_ranges(host_local: Any, broken: dict[str, Any], version: str) -> None:
    """W-HL-7: an altered or missing range configuration does not keep an address."""
    host_local.ok("ADD", RANGES, version=version)
    host_local.ok("DEL", broken, version=version)

    assert set() == host_local.reserved()


def test_del_needs_no_runtime_config(host_local: Any) -> None:
    """W-HL-7: ranges from runtimeConfig.ipRanges are not there any more at DEL."""
    host_local.ok("ADD", {}, runtimeConfig={"ipRanges": [[{"subnet": "10.1.2.0/24"}]]})
    host_local.ok("DEL", {})
    host_local.ok("DEL", {}, runtimeConfig="gone", args=7)

    assert set() == host_local.reserved()


@pytest.mark.parametrize("prev_result", [None, {}, "garbage", [], {"ips": 7}])
def test_del_needs_no_prev_result(host_local: Any, prev_result: object) -> None:
    """cni#1055: whatever became of the cached result, the address is released."""
    host_local.ok("ADD", RANGES)
    host_local.ok("DEL", RANGES, prevResult=prev_result)

    assert set() == host_local.reserved()


def test_del_releases_only_its_own_addresses_of_prev_result(host_local: Any) -> None:
    """prevResult is a hint where to look, not a licence."""
    host_local.ok("ADD", RANGES, "other")
    host_local.ok("DEL", RANGES, "c1", prevResult=prev("10.1.2.2/24"))

    assert {"10.1.2.2"} == host_local.reserved()


def test_del_works_without_the_index(host_local: Any) -> None:
    """The index is a hint: deleted at any time, the reservations are still found."""
    for container in ("c1", "c2"):
        host_local.ok("ADD", DUAL, container)
    for path in (host_local.data_dir / ".cnisdk-index" / "net").iterdir():
        path.unlink()
    host_local.ok("DEL", DUAL, "c1")

    assert {"10.1.2.3", "2001:db8:1::3"} == host_local.reserved()


def test_an_unusable_index_is_done_without(host_local: Any) -> None:
    """A file in the place of the index directory costs a search, nothing else."""
    host_local.data_dir.mkdir()
    (host_local.data_dir / ".cnisdk-index").touch()
    host_local.ok("ADD", DUAL)

    assert host_local("ADD", DUAL).code == 110
    host_local.ok("DEL", DUAL)
    assert set() == host_local.reserved()


# ---- atomic ADD ---------------------------------------------------------------------------------


def test_a_failing_set_leaves_nothing_of_the_others(host_local: Any) -> None:
    """W-HL-5: set 1 exhausted, so set 0 keeps nothing, and what others hold stays."""
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.2.0/30"}]]}
    host_local.ok("ADD", ipam, "c1")
    answer = host_local("ADD", ipam, "c2")

    assert answer.code == 11
    assert (
        "no IP addresses available in range set 1 of network net: 10.2.2.1-10.2.2.2" in answer.error
    )
    assert {"10.1.2.2", "10.2.2.2"} == host_local.reserved()


def test_rollback_keeps_what_was_held_before(host_local: Any) -> None:
    """W-HL-5: an ADD over new ranges that fails does not drop addresses of the ADD before."""
    host_local.ok("ADD", RANGES)
    other = {"ranges": [[{"subnet": "10.2.2.0/24"}], [{"subnet": "10.3.2.0/30"}]]}
    host_local.ok("ADD", {"ranges": other["ranges"][1:]}, "greedy")
    answer = host_local("ADD", other)

    assert answer.code == 11
    assert {"10.1.2.2", "10.3.2.2"} == host_local.reserved()


def test_a_result_nobody_reads_is_taken_back(
    host_local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after the handler fails as well: the address goes back, others keep theirs."""
    host_local.ok("ADD", RANGES, "c1")

    def broken(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("cnisdk._dispatch.encode", broken)
    answer = host_local("ADD", RANGES, "c2")

    assert answer.code
    assert {"10.1.2.2"} == host_local.reserved()


def test_a_held_lock_ends_with_code_11_and_names_its_holder(host_local: Any) -> None:
    """plugins#561: a stuck holder must not pile up processes for ever."""
    import fcntl

    host_local.ok("ADD", RANGES)
    lock = os.open(host_local.data_dir / "net" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        answer = host_local("ADD", RANGES, "c2", timeout="0.2")
    finally:
        os.close(lock)

    assert answer.code == 11
    assert f"{host_local.data_dir}/net/lock" in answer.error
    assert f"pid {os.getpid()}" in answer.error


# ---- CHECK --------------------------------------------------------------------------------------


def test_check_passes_for_what_add_reported(host_local: Any) -> None:
    """An unchanged attachment passes."""
    result = host_local.ok("ADD", DUAL).document

    assert host_local.ok("CHECK", DUAL, prevResult=result).status == 0


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda network: (network / "10.1.2.2").unlink(), "nobody holds it"),
        (lambda network: (network / "10.1.2.2").write_text("c9\r\neth0"), "held by container c9"),
        (lambda network: (network / "2001:db8:1::2").unlink(), "address 2001:db8:1::2"),
        (lambda network: (network / "10.1.2.2").write_text(""), "damaged reservation"),
    ],
)
def test_check_compares_the_addresses_of_prev_result(
    host_local: Any, damage: Callable[[Path], None], complaint: str
) -> None:
    """W-HL-8: each address of prevResult must be reserved for the attachment."""
    result = host_local.ok("ADD", DUAL).document
    damage(host_local.data_dir / "net")
    answer = host_local("CHECK", DUAL, prevResult=result)

    assert answer.code
    assert complaint in answer.error


def test_check_of_another_address_fails(host_local: Any) -> None:
    """W-HL-8: that some file exists for the container is not enough."""
    host_local.ok("ADD", RANGES)

    assert "10.1.2.77" in host_local("CHECK", RANGES, prevResult=prev("10.1.2.77/24")).error
    assert "no address" in host_local("CHECK", RANGES, prevResult=prev()).error


def test_check_ignores_addresses_of_other_plugins(host_local: Any) -> None:
    """A later plugin of the chain may have added addresses of its own."""
    result = host_local.ok("ADD", RANGES).document
    result["ips"].append({"address": "172.16.0.9/24"})

    assert host_local.ok("CHECK", RANGES, prevResult=result).status == 0


def test_check_and_status_create_nothing(
    host_local: Any, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    """W-HL-8: disk contents are the same before and after; no directory appears."""
    host_local("CHECK", RANGES, prevResult=prev("10.1.2.2/24"))
    host_local.ok("STATUS", RANGES)

    assert not host_local.data_dir.exists()

    result = host_local.ok("ADD", RANGES).document
    before = snapshot(host_local.data_dir)
    host_local.ok("CHECK", RANGES, prevResult=result)
    host_local.ok("STATUS", RANGES)

    assert before == snapshot(host_local.data_dir)


# ---- GC and STATUS ------------------------------------------------------------------------------


def gc(host_local: Any, *valid: tuple[str, str]) -> None:
    attachments = [{"containerID": cid, "ifname": ifname} for cid, ifname in valid]
    host_local.ok("GC", RANGES, **{"cni.dev/valid-attachments": attachments})


def test_gc_releases_what_no_valid_attachment_holds(host_local: Any) -> None:
    """W-HL-6: addresses of vanished containers come back; the lock and the last address stay."""
    for container in ("c1", "c2", "c3"):
        host_local.ok("ADD", RANGES, container)
    gc(host_local, ("c2", "eth0"), ("c3", "eth9"))

    assert {"10.1.2.3", "last_reserved_ip.0"} == set(host_local.files())
    assert (host_local.data_dir / "net" / "lock").exists()
    assert host_local("ADD", RANGES, "c2").code == 110
    assert host_local("ADD", RANGES, "c3").status == 0


def test_gc_knows_reservations_of_all_ages_and_states(host_local: Any) -> None:
    """Old ones go with the container's last attachment; empty and damaged ones go; others stay."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.2").write_bytes(b"alive")
    (network / "10.1.2.3").write_bytes(b"gone")
    (network / "10.1.2.4").touch()
    (network / "10.1.2.5").write_bytes(b"\0\xff not an owner")
    (network / "10.1.2.6").mkdir()
    (network / "notes.txt").write_text("of the operator")
    gc(host_local, ("alive", "eth3"))

    assert {"10.1.2.2", "10.1.2.6", "lock", "notes.txt"} == {
        each.name for each in network.iterdir()
    }


def test_gc_after_a_reboot_leaves_nothing(host_local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """cni#204: namespaces and links are gone, the reservations of all containers come back."""
    for n in range(5):
        host_local.ok("ADD", DUAL, f"c{n}")
    monkeypatch.setattr("cnisdk._store._boot.boot_id", lambda: "another boot")
    gc(host_local)

    assert set() == host_local.reserved()


def test_gc_of_an_unknown_network_creates_nothing(host_local: Any) -> None:
    """GC comes for every network, also those nobody ever used."""
    gc(host_local)

    assert not host_local.data_dir.exists()


def test_status_is_ready_while_an_address_is_left(host_local: Any) -> None:
    """Four of five addresses taken is still ready."""
    for n in range(4):
        host_local.ok("ADD", SMALL, f"c{n}")

    assert host_local.ok("STATUS", SMALL).status == 0


def test_status_tells_exhaustion(host_local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """W-HL-6: 50 with counts; after a reboot it says that GC would help."""
    for n in range(5):
        host_local.ok("ADD", SMALL, f"c{n}")
    answer = host_local("STATUS", SMALL)

    assert answer.code == 50
    assert (
        "range set 0 of network net: 10.1.2.1-10.1.2.6 5 of 5 addresses are taken" in answer.error
    )
    assert "GC" not in answer.error

    monkeypatch.setattr("cnisdk._store._boot.boot_id", lambda: "another boot")

    assert (
        "5 are from before the last reboot, and GC would free them"
        in host_local("STATUS", SMALL).error
    )


def test_status_tells_an_unusable_store(host_local: Any) -> None:
    """A file in the place of the data directory means no ADD could be served."""
    host_local.data_dir.touch()
    answer = host_local("STATUS", RANGES)

    assert answer.code == 50
    assert str(host_local.data_dir) in answer.error


def test_status_refuses_a_broken_configuration(host_local: Any) -> None:
    """The same strict reading as ADD."""
    assert host_local("STATUS", {"ranges": [[{"subnet": "10.1.2.3/24"}]]}).code == 7


# ---- reboot -------------------------------------------------------------------------------------


def test_after_a_reboot_an_attachment_gets_its_addresses_again(
    host_local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nerdctl#3355: no "duplicate allocation" for a container that is started again after a reboot."""
    host_local.ok("ADD", DUAL, "c0")
    first = host_local.ok("ADD", DUAL, "c1").ips
    monkeypatch.setattr("cnisdk._store._boot.boot_id", lambda: "another boot")
    monkeypatch.setattr("cnisdk._store._locked_reservations.boot_id", lambda: "another boot")
    again = host_local.ok("ADD", DUAL, "c1").ips

    assert first == again
    assert host_local("ADD", DUAL, "c1").code == 110
    host_local.ok("DEL", DUAL, "c1")
    assert {"10.1.2.2", "2001:db8:1::2"} == host_local.reserved()


def test_after_a_reboot_addresses_outside_the_new_ranges_are_released(
    host_local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration changed in between: new address, and the old one does not leak."""
    host_local.ok("ADD", RANGES)
    monkeypatch.setattr("cnisdk._store._boot.boot_id", lambda: "another boot")
    monkeypatch.setattr("cnisdk._store._locked_reservations.boot_id", lambda: "another boot")
    answer = host_local.ok("ADD", {"ranges": [[{"subnet": "10.7.0.0/24"}]]})

    assert answer.ips == ["10.7.0.2/24"]
    assert {"10.7.0.2"} == host_local.reserved()
