"""ADD of host-local: an address of each set or none at all, for one attachment after the other."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from pools import DUAL, RANGES


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
    routes = [
        {"dst": "0.0.0.0/0"},
        {"dst": "::/0"},
        {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
        {"dst": "2001:db8:2::/64", "gw": "2001:db8:3::1"},
    ]
    if version >= "0.3.0":
        assert [ip["gateway"] for ip in answer.document["ips"]] == ["10.1.2.1", "2001:db8:1::1"]
        assert answer.document["routes"] == routes
    else:
        four, six = answer.document["ip4"], answer.document["ip6"]
        assert (four["gateway"], six["gateway"]) == ("10.1.2.1", "2001:db8:1::1")
        assert (four["routes"], six["routes"]) == (routes[0::2], routes[1::2])
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
    assert "10.1.2.2 has been allocated to one, duplicate allocation is not allowed" in again.error
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


def test_the_first_add_complains_about_nothing(host_local: Any, version: str) -> None:
    """T: first-ever ADD prints no complaint about missing last_reserved file."""
    assert host_local.ok("ADD", RANGES, version=version).stderr == ""


@pytest.mark.parametrize(("owner", "code"), [(b"c1", 110), (b"other", 0)])
def test_add_beside_a_reservation_without_ifname(
    host_local: Any, version: str, owner: bytes, code: int
) -> None:
    """T: old-format (cid-only) file: it is the container's own, or one that somebody else holds."""
    network = host_local.data_dir / "net"
    network.mkdir(parents=True)
    (network / "10.1.2.2").write_bytes(owner)
    answer = host_local("ADD", RANGES, version=version)

    assert answer.code == code
    assert {"10.1.2.2"} | ({"10.1.2.3"} if not code else set()) == host_local.reserved()
    assert host_local.files()["10.1.2.2"] == owner


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


# ---- atomic ADD ---------------------------------------------------------------------------------


def test_a_failing_set_leaves_nothing_of_the_others(host_local: Any) -> None:
    """W-HL-5: set 1 exhausted, so set 0 keeps nothing, and what others hold stays."""
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.2.0/30"}]]}
    host_local.ok("ADD", ipam, "c1")
    answer = host_local("ADD", ipam, "c2")

    assert answer.code == 11
    assert "for range 1: no IP addresses available in range set: 10.2.2.1-10.2.2.2" in answer.error
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
    """plugins#561: a stuck holder must not pile up processes for ever; W-HL-9: Go ignores such failures."""
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


def test_dots_in_data_dir_are_read_by_the_text(host_local: Any) -> None:
    """As Go's filepath.Join, so that both find the same directory; "gone" need not be there."""
    beside = {**RANGES, "dataDir": f"{host_local.data_dir}/gone/../../networks/"}

    host_local.ok("ADD", RANGES)
    assert host_local("ADD", beside).code == 110
    host_local.ok("DEL", beside)
    assert host_local.reserved() == set()


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
