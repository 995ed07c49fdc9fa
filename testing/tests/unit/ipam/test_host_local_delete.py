"""DEL of host-local: its own addresses come back, whatever else is missing or wrong."""

from typing import Any

import pytest
from pools import DUAL, RANGES, prev


def test_reservations_without_ifname_are_released(host_local: Any, version: str) -> None:
    """T: old-format (cid-only) file released by DEL."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.7").write_bytes(b"dummy")
    (network / "10.1.2.8").write_bytes(b"other")
    host_local.ok("DEL", RANGES, "dummy", version=version)

    assert {"10.1.2.8"} == host_local.reserved()


def test_reservations_rewritten_in_place_are_released(host_local: Any, version: str) -> None:
    """T: old-format (cid-only) file released by DEL; upstream's test writes over what ADD has made."""
    host_local.ok("ADD", RANGES, "dummy", version=version)
    (name,) = host_local.reserved()
    (host_local.data_dir / "net" / name).write_bytes(b"dummy")
    host_local.ok("DEL", RANGES, "dummy", version=version)

    assert set() == host_local.reserved()


def test_reservations_rewritten_in_place_are_found(host_local: Any) -> None:
    result = host_local.ok("ADD", RANGES).document
    (name,) = host_local.reserved()
    (host_local.data_dir / "net" / name).write_bytes(b"c1")
    host_local.ok("CHECK", RANGES, prevResult=result)
    (host_local.data_dir / "net" / name).write_bytes(b"other")

    assert "other" in host_local("CHECK", RANGES, prevResult=result).error


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
