"""Ranges of addresses: what a configuration amounts to, and which address comes next."""

from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnisdk
from cnisdk import IpRange, RangeSet, errors, range_sets


def conf(subnet: str, start: str = "", end: str = "", gateway: str = "") -> IpRange:
    return IpRange(
        subnet=ip_interface(subnet),
        range_start=ip_address(start) if start else None,
        range_end=ip_address(end) if end else None,
        gateway=ip_address(gateway) if gateway else None,
    )


def one_set(*confs: IpRange) -> RangeSet:
    return range_sets([("ipam.ranges[0]", confs)])[0]


class Pool:
    """Taken addresses, and how often they were looked at."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.names = set(taken)
        self.looks = 0
        self.listings = 0

    def is_free(self, address: cnisdk.IpAddress) -> bool:
        self.looks += 1
        return str(address) not in self.names

    def taken(self) -> set[str]:
        self.listings += 1
        return self.names

    def pick(self, of: RangeSet, after: str = "") -> str | None:
        chosen = of.pick(ip_address(after) if after else None, self.is_free, self.taken)
        return None if chosen is None else str(chosen)


# ---- what a range amounts to --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subnet", "first", "last", "gateway"),
    [
        ("192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1"),
        ("192.0.2.0/25", "192.0.2.1", "192.0.2.126", "192.0.2.1"),
        ("2001:db8:1::/64", "2001:db8:1::1", "2001:db8:1:0:ffff:ffff:ffff:fffe", "2001:db8:1::1"),
        ("192.0.2.0/30", "192.0.2.1", "192.0.2.2", "192.0.2.1"),
    ],
)
def test_a_subnet_alone_implies_start_end_and_gateway(
    subnet: str, first: str, last: str, gateway: str
) -> None:
    """T: range defaults v4 /24, v4 /25, v6 /64. W-HL-10: the last IPv6 address is reserved anycast."""
    (found,) = one_set(conf(subnet)).ranges

    assert (f"{first}-{last}", gateway) == (str(found), str(found.gateway))


def test_all_keys_of_a_range_are_kept() -> None:
    """T: all fields kept."""
    (found,) = one_set(conf("192.0.2.0/24", "192.0.2.40", "192.0.2.50", "192.0.2.254")).ranges

    assert str(found) == "192.0.2.40-192.0.2.50"
    assert str(found.gateway) == "192.0.2.254"
    assert found.size == 11


@pytest.mark.parametrize(
    ("subnet", "network"),
    [
        ("192.0.2.12/24", "192.0.2.0/24"),
        ("2001:db8:1::24:19:29/64", "2001:db8:1::/64"),
        ("2001:db8:1::1/63", "2001:db8::/63"),
        ("10.1.3.0/23", "10.1.2.0/23"),
    ],
)
def test_host_bits_in_a_subnet_are_refused(subnet: str, network: str) -> None:
    """T: host bits v4 /24, v6 /64, v6 /63, v4 /23."""
    if subnet.startswith("2001:db8:1::1/63"):
        network = str(ip_interface(subnet).network)
    with pytest.raises(errors.InvalidConfig, match="host bits set") as refused:
        one_set(conf(subnet))

    assert refused.value.msg.startswith("ipam.ranges[0][0].subnet: ")
    assert network in refused.value.details


@pytest.mark.parametrize("subnet", ["192.0.2.0/32", "2001:db8::/128"])
def test_a_single_address_is_too_small(subnet: str) -> None:
    """T: too small. One address leaves none for the container."""
    with pytest.raises(errors.InvalidConfig, match="too small to allocate from"):
        one_set(conf(subnet))


@pytest.mark.parametrize(
    ("subnet", "gateway", "container"),
    [("192.0.2.0/31", "192.0.2.0", "192.0.2.1"), ("2001:db8::2/127", "2001:db8::2", "2001:db8::3")],
)
def test_a_point_to_point_subnet_holds_a_gateway_and_a_container(
    subnet: str, gateway: str, container: str
) -> None:
    """W-HL-10: /31 and /127 can be used (RFC 3021, RFC 6164)."""
    found = one_set(conf(subnet))

    assert gateway == str(found.ranges[0].gateway)
    assert found.size == 1
    assert container == Pool().pick(found)
    assert Pool([container]).pick(found) is None


@pytest.mark.parametrize(
    ("key", "range_"),
    [
        ("rangeStart", conf("192.0.2.0/24", start="192.0.3.1")),
        ("rangeStart", conf("192.0.2.0/24", start="2001:db8::1")),
        ("rangeEnd", conf("192.0.2.0/24", end="192.0.1.255")),
        ("gateway", conf("192.0.2.0/24", gateway="192.0.3.1")),
        ("gateway", conf("fe80::/64", gateway="fe80::1%eth0")),
    ],
)
def test_an_address_outside_the_subnet_is_refused_with_its_path(key: str, range_: IpRange) -> None:
    """T: start/end outside. W-HL-10: a gateway outside the subnet is refused as well."""
    with pytest.raises(errors.InvalidConfig, match="not in network") as refused:
        one_set(conf("10.1.0.0/24") if ":" not in str(range_.subnet) else conf("fd00::/64"), range_)

    assert refused.value.msg.startswith(f"ipam.ranges[0][1].{key}: ")


def test_a_start_after_the_end_is_refused() -> None:
    """T: start > end."""
    with pytest.raises(
        errors.InvalidConfig, match=r"192.0.2.50 is after the range's end 192.0.2.40"
    ):
        one_set(conf("192.0.2.0/24", "192.0.2.50", "192.0.2.40"))


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        (conf("192.0.2.0/24", "192.0.2.40", "192.0.2.50"), ("192.0.2.40", "192.0.2.50"), ("192.0.2.39", "192.0.2.51")),
        (conf("192.0.2.0/24", "192.0.2.0", "192.0.2.50"), ("192.0.2.0", "192.0.2.50"), ("192.0.1.255", "192.0.2.51")),
        (conf("2001:db8::/64", "2001:db8::40", "2001:db8::50"), ("2001:db8::40", "2001:db8::50"), ("2001:db8::3f", "2001:db8::51")),
        (conf("192.0.2.0/24"), ("192.0.2.1", "192.0.2.254"), ("192.0.2.0", "192.0.2.255", "::c000:201")),
    ],
)  # fmt: skip
def test_membership_is_exact_at_both_edges(
    range_: IpRange, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    """T: membership at both edges v4, v6; set membership."""
    found = one_set(range_)

    assert all(ip_address(each) in found for each in inside)
    assert not any(ip_address(each) in found for each in outside)


def test_an_address_goes_out_with_prefix_length_and_gateway_of_its_range() -> None:
    """A result names them; the gateway itself is not offered."""
    found = one_set(conf("192.0.2.0/24", end="192.0.2.9"), conf("192.0.3.0/25"))

    assert found.ip(ip_address("192.0.3.7")) == cnisdk.Ip(
        ip_interface("192.0.3.7/25"), ip_address("192.0.3.1")
    )
    assert [
        found.offers(ip_address(f"192.0.{rest}")) for rest in ("2.2", "2.1", "2.10", "3.1")
    ] == [True, False, False, False]
    with pytest.raises(ValueError, match=r"192.0.2.10 is not in 192.0.2.1-192.0.2.9,192.0.3.1-"):
        found.ip(ip_address("192.0.2.10"))


# ---- sets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (conf("10.0.0.0/20"), conf("10.0.16.0/20"), False),
        (conf("0.0.0.0/1"), conf("::/1"), False),
        (conf("10.0.0.0/20"), conf("10.0.0.0/20"), True),
        (conf("10.0.0.0/20"), conf("10.0.8.0/24"), True),
        (conf("10.0.0.0/24", end="10.0.0.127"), conf("10.0.0.0/24", start="10.0.0.128"), False),
        (conf("10.0.0.0/24", end="10.0.0.127"), conf("10.0.0.0/24", start="10.0.0.127"), True),
    ],
    ids=["disjoint", "families", "identical", "containing", "split", "touching"],
)
def test_overlaps_are_found_within_and_between_sets(
    one: IpRange, other: IpRange, overlap: bool
) -> None:
    """T: overlap table; overlaps within; overlaps between; config overlap between and within sets."""

    def outcome(*sets: tuple[IpRange, ...]) -> str:
        try:
            range_sets([(f"ipam.ranges[{i}]", each) for i, each in enumerate(sets)])
        except errors.InvalidConfig as refused:
            return refused.msg
        return ""

    between = outcome((one,), (other,))
    within = outcome((one, other))

    assert overlap == between.startswith("ipam.ranges[1]: range set overlaps with ipam.ranges[0]")
    assert overlap == ("overlap" in within)


def test_a_set_holds_one_address_family() -> None:
    """T: mixed families."""
    with pytest.raises(errors.InvalidConfig, match=r"ipam.ranges\[0\]: mixed address families"):
        one_set(conf("10.1.0.0/24"), conf("fd00::/64"))


def test_a_set_needs_a_range_and_a_network_a_set() -> None:
    """An empty list is a mistake that would otherwise give containers no address."""
    with pytest.raises(errors.InvalidConfig, match=r"ipam.ranges\[0\]: empty range set"):
        one_set()
    with pytest.raises(errors.InvalidConfig, match="no IP ranges specified"):
        range_sets([])


# ---- choosing -----------------------------------------------------------------------------------

MIDDLE = (conf("192.0.2.0/29"), conf("192.0.3.0/30"), conf("192.0.4.0/30"))


@pytest.mark.parametrize(
    ("confs", "taken", "after", "expected"),
    [
        ((conf("10.0.0.0/29"),), [], "", "10.0.0.2"),
        ((conf("2001:db8:1::/64"),), [], "", "2001:db8:1::2"),
        ((conf("10.0.0.0/30"),), [], "", "10.0.0.2"),
        ((conf("10.0.0.0/29"),), ["10.0.0.2"], "", "10.0.0.3"),
        ((conf("10.0.0.0/29", "10.0.0.0"),), [], "", "10.0.0.0"),
        ((conf("10.0.0.0/29"),), [], "10.0.0.3", "10.0.0.4"),
        ((conf("10.0.0.0/29"),), ["10.0.0.4", "10.0.0.5"], "10.0.0.3", "10.0.0.6"),
        ((conf("10.0.0.0/29"),), ["10.0.0.6"], "10.0.0.5", "10.0.0.2"),
        ((conf("10.0.0.0/29"),), [], "10.0.1.9", "10.0.0.2"),
        ((conf("10.0.0.0/29"),), [f"10.0.0.{n}" for n in (2, 3, 4, 5)], "10.0.0.6", "10.0.0.6"),
        (MIDDLE, [], "", "192.0.2.2"),
        (MIDDLE, [], "192.0.2.6", "192.0.3.2"),
        (MIDDLE, [], "192.0.3.2", "192.0.4.2"),
        (MIDDLE, [], "192.0.4.2", "192.0.2.2"),
        (MIDDLE, ["192.0.3.2"], "192.0.2.6", "192.0.4.2"),
    ],
    ids=[
        "fresh /29", "fresh /64", "fresh /30", "first taken", "explicit network", "after last", "skipping taken",
        "wrap to start", "last IP outside range", "only last IP free", "multi subnet first",
        "multi-range start after last address of first range", "advance", "roll over",
        "skip a full range",
    ],
)  # fmt: skip
def test_addresses_are_chosen_round_robin(
    confs: tuple[IpRange, ...], taken: list[str], after: str, expected: str
) -> None:
    """T: allocation table; iterator from beginning, middle, end; no last address."""
    assert expected == Pool(taken).pick(one_set(*confs), after)


@pytest.mark.parametrize(
    ("confs", "usable"),
    [
        ((conf("192.0.2.0/30"),), ["192.0.2.2"]),
        ((conf("192.0.2.0/29"),), [f"192.0.2.{n}" for n in range(2, 7)]),
        ((conf("192.0.2.0/30"), conf("192.0.3.0/30")), ["192.0.2.2", "192.0.3.2"]),
    ],
    ids=["/30", "/29", "two /30"],
)
def test_every_usable_address_is_given_once_then_none(
    confs: tuple[IpRange, ...], usable: list[str]
) -> None:
    """T: exhausted for /30, /29, two /30s; never gives network, broadcast or gateway."""
    pool, found, last = Pool(), one_set(*confs), ""
    given: list[str] = []
    while (address := pool.pick(found, last)) is not None:
        given.append(address)
        pool.names.add(address)
        last = address

    assert usable == given
    assert len(usable) == found.size == found.used([*usable, "lock", "192.0.2.1"])


def test_a_set_is_full_when_nothing_can_be_handed_out() -> None:
    """Whatever else lies in the directory of the taken addresses."""
    found = one_set(conf("192.0.2.0/29"))
    taken = [f"192.0.2.{n}" for n in range(2, 7)]

    assert found.is_full([*taken, "lock"])
    assert not found.is_full([*taken[1:], "lock", "last_reserved_ip.0", "192.0.2.1"])


def test_released_addresses_come_round_again_last() -> None:
    """T: round robin after release."""
    pool, found = Pool(["10.0.0.3"]), one_set(conf("10.0.0.0/29"))

    assert pool.pick(found, "10.0.0.3") == "10.0.0.4"
    assert pool.pick(found, "10.0.0.6") == "10.0.0.2"


def test_a_densely_taken_start_costs_few_looks() -> None:
    """W-HL-3: 60,000 taken addresses in a row are jumped over; the first free one is found."""
    base = int(IPv4Address("10.1.0.0"))
    pool = Pool(str(IPv4Address(base + n)) for n in range(2, 60_002))
    chosen = pool.pick(one_set(conf("10.1.0.0/16")))

    assert str(IPv4Address(base + 60_002)) == chosen
    assert pool.looks < 100
    assert pool.listings == 0


def test_near_exhaustion_reads_all_names_once() -> None:
    """W-HL-3: one free address among many is found by one listing, not by a look at each."""
    base = int(IPv4Address("10.1.0.0"))
    for prefix in (24, 22, 16):
        size = 1 << (32 - prefix)
        pool = Pool(str(IPv4Address(base + n)) for n in range(2, size - 1) if n != 177)

        assert str(IPv4Address(base + 177)) == pool.pick(one_set(conf(f"10.1.0.0/{prefix}")))
        assert pool.looks < 100
        assert pool.listings == 1


def test_in_a_set_of_usual_size_it_is_the_very_next_free_address() -> None:
    """The same choice as the Go plugin's, also when many taken addresses come first."""
    base = int(IPv4Address("10.1.0.0"))
    pool = Pool(str(IPv4Address(base + n)) for n in range(2, 200) if n not in {150, 160})

    assert pool.pick(one_set(conf("10.1.0.0/24"))) == "10.1.0.150"
    assert pool.pick(one_set(conf("10.1.0.0/24")), "10.1.0.150") == "10.1.0.160"


@given(
    taken=st.sets(st.integers(0, 600)),
    after=st.one_of(st.none(), st.integers(0, 600)),
    split=st.integers(10, 500),
)
def test_a_choice_is_always_free_and_made_whenever_possible(
    taken: set[int], after: int | None, split: int
) -> None:
    """Whatever is taken: the address is in the set, free and no gateway; None means exhausted."""
    base = int(IPv4Address("10.1.0.0"))

    def text(number: int) -> str:
        return str(IPv4Address(base + number))

    found = one_set(
        conf("10.1.0.0/22", end=text(split)), conf("10.1.0.0/22", text(split + 1), text(550))
    )
    pool = Pool(map(text, taken))
    chosen = pool.pick(found, "" if after is None else text(after))
    free = {text(n) for n in range(1, 551) if n != 1 and n not in taken}

    assert chosen in free if free else chosen is None
    assert 549 - len(free) == found.used(pool.names)
