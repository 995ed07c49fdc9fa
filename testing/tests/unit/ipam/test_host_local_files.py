"""The files of host-local: their modes, damaged ones, and symbolic links."""

from pathlib import Path
from typing import Any

import pytest
from pools import RANGES, SMALL


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
