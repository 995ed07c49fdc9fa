"""CHECK, GC and STATUS of host-local: what is reserved, what is stale, what is left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pools import DUAL, RANGES, SMALL, prev


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
        "available in range set: 10.1.2.1-10.1.2.6 5 of 5 addresses of network net" in answer.error
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


def test_status_tells_a_missing_resolv_conf(host_local: Any, tmp_path: Path) -> None:
    """Every ADD would fail at it."""
    file = tmp_path / "resolv.conf"
    answer = host_local("STATUS", {**RANGES, "resolvConf": str(file)})

    assert (answer.code, str(file) in answer.error) == (50, True)
    file.write_text("nameserver 192.0.2.53\n")
    assert host_local.ok("STATUS", {**RANGES, "resolvConf": str(file)})


def test_status_refuses_a_broken_configuration(host_local: Any) -> None:
    """The same strict reading as ADD."""
    assert host_local("STATUS", {"ranges": [[{"subnet": "10.1.2.3/24"}]]}).code == 7
