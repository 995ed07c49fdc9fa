"""Options of the DHCP protocol: names, wishes, and what answers mean."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._result import Dns, Route
from cnisdk.dhcp import _options
from cnisdk.dhcp._lease import Lease, Place, client_id
from cnisdk.dhcp._options import Wishes


def lease(options, *, obtained=1000.0, wishes=None):
    return Lease(
        attachment=Attachment("net", "c1", "eth0"),
        netns="/run/netns/x",
        place=Place(device=4, inode=7, index=2),
        wishes=wishes or Wishes(),
        address="10.0.0.5",
        options={1: b"\xff\xff\xff\0", **options},
        server="10.0.0.1",
        server_mac="02:00:00:00:00:01",
        obtained=obtained,
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("dhcp-client-identifier", 61),
        ("subnet-mask", 1),
        ("routers", 3),
        ("host-name", 12),
        ("user-class", 77),
        ("vendor-class-identifier", 60),
        ("12", 12),
        ("0", 0),
        ("255", 255),
    ],
)
def test_names_and_numbers(name, code):
    """T: option names host-name, "12": Go's option names, and any number."""
    assert _options.option_code(name) == code


@pytest.mark.parametrize("name", ["garbage", "", "256", "-1", "1.0", "٣"])
def test_unknown_names(name):
    """T: option names: garbage."""
    with pytest.raises(ValueError, match="Can not parse option"):
        _options.option_code(name)


def test_provided_values():
    """A value, and then an argument, which wins."""
    ipam = {
        "Provide": [
            {"option": "host-name", "value": "a", "fromArg": "NAME"},
            {"option": "12", "fromArg": "MISSING"},
            {"option": "user-class", "VALUE": "x"},
        ]
    }
    assert Wishes.of(ipam, {"NAME": "b"}).provide == {12: b"b", 77: b"x"}


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (None, _options.DEFAULTS),
        ([], _options.DEFAULTS),
        ([{"option": "42"}], (42, *_options.DEFAULTS)),
        ([{"option": "routers"}], (3, *(each for each in _options.DEFAULTS if each != 3))),
        ([{"skipDefault": True, "option": "42"}], (42,)),
        ([{"option": "42"}, {"skipDefault": True}], (42,)),
        ([{"skipDefault": True}], _options.DEFAULTS),
    ],
)
def test_what_is_asked_for(request_, wanted):
    assert Wishes.of({"request": request_}, {}).request == wanted


@pytest.mark.parametrize(
    "ipam",
    [
        {"provide": [{"option": "12", "value": "x" * 256}]},
        {"provide": [{"option": "nope", "value": "x"}]},
        {"request": [{"option": "nope"}]},
        {"priority": "high"},
    ],
)
def test_refused_wishes(ipam):
    with pytest.raises(errors.InvalidConfig, match="ipam: "):
        Wishes.of(ipam, {})


def test_static_routes():
    """Option 33: two classful routes, then the default; Go's order."""
    options = {
        33: bytes([10, 0, 0, 0, 10, 1, 1, 1, 192, 168, 1, 0, 10, 2, 2, 2]),
        3: b"\x0a\x00\x00\x01",
    }

    found = _options.routes(options, priority=5)

    assert [(str(each.dst), str(each.gw), each.priority) for each in found] == [
        ("10.0.0.0/8", "10.1.1.1", 5),
        ("192.168.1.0/24", "10.2.2.2", 5),
        ("0.0.0.0/0", "10.0.0.1", 5),
    ]


def test_classless_routes():
    data = bytes([0, 10, 0, 0, 1, 20, 172, 16, 16, 10, 0, 0, 2, 32, 10, 9, 8, 7, 0, 0, 0, 0])

    found = _options.routes({121: data, 3: b"\x0a\x00\x00\x09", 26: b"\x05\x78"})

    assert [(str(each.dst), str(each.gw), each.scope) for each in found] == [
        ("0.0.0.0/0", "10.0.0.1", None),
        ("172.16.16.0/20", "10.0.0.2", None),
        ("10.9.8.7/32", "0.0.0.0", 253),
    ]
    assert {each.mtu for each in found} == {1400}


@given(st.binary(max_size=80), st.binary(max_size=40), st.binary(max_size=5))
def test_garbage_is_read_as_far_as_it_goes(routes, names, mtu):
    """Whatever a server sends, nothing raises."""
    options = {121: routes, 33: routes, 3: mtu, 119: names, 6: routes, 15: names, 26: mtu, 51: mtu}
    made = lease(options)

    assert isinstance(_options.routes(options), tuple)
    assert isinstance(made.result.dns, Dns)
    assert made.obtained <= made.renew_at <= made.rebind_at <= made.expires


@given(
    st.lists(st.tuples(st.integers(0, 32), st.ip_addresses(v=4), st.ip_addresses(v=4)), max_size=9)
)
def test_classless_routes_come_back(entries):
    data, wanted = b"", []
    for bits, target, gateway in entries:
        network = ip_network(f"{target}/{bits}", strict=False)
        data += bytes([bits]) + network.network_address.packed[: (bits + 7) // 8] + gateway.packed
        wanted.append(Route(network, gateway, scope=None if int(gateway) else 253))

    assert _options.routes({121: data}) == tuple(wanted)


def test_search_list():
    """RFC 3397's own example: a pointer into what came before."""
    data = b"\3eng\5apple\3com\0\x09marketing\xc0\x04"

    assert _options.dns({119: data, 15: b"apple.com\0", 6: b"\1\1\1\1"}) == Dns(
        nameservers=("1.1.1.1",),
        domain="apple.com",
        search=("eng.apple.com", "marketing.apple.com"),
    )


@pytest.mark.parametrize("data", [b"\xc0\x00", b"\3abc", b"\3ab", b"\1a\xc0\x00"])
def test_search_list_that_goes_round_in_circles(data):
    assert len(_options.dns({119: data}).search) <= 2


@pytest.mark.parametrize(
    ("options", "times"),
    [
        ({}, (1800, 3060, 3600)),
        ({51: (100).to_bytes(4, "big")}, (50, 85, 100)),
        ({51: b"\0\0\0\x64", 58: b"\0\0\0\x0a", 59: b"\0\0\0\x14"}, (10, 20, 100)),
        ({51: b"\0\0\0\x64", 58: b"\0\0\0\xff", 59: b"\0\0\0\xff"}, (50, 85, 100)),
        ({51: b"\0\0\0\x64", 59: b"\0\0\0\x14"}, (20, 20, 100)),
        ({51: b"\xff\xff\xff\xff"}, (float("inf"), float("inf"), float("inf"))),
    ],
)
def test_times(options, times):
    """An hour, a half and 85 % unless the server says; nonsense is not believed."""
    made = lease(options)

    found = (made.renew_at, made.rebind_at, made.expires)
    assert tuple(each - made.obtained for each in found) == times


def test_a_lease_without_mask():
    with pytest.raises(errors.CniError, match="Subnet Mask not found in DHCPACK"):
        _ = lease({1: b""}).interface


@given(st.dictionaries(st.integers(1, 254), st.binary(max_size=20)), st.floats(0, 1e9))
def test_records_come_back(options, obtained):
    made = lease(options, obtained=obtained, wishes=Wishes({12: b"x"}, (3, 1), 7))

    assert Lease.of_record(made.record()) == made


def test_client_id():
    """Type 0, then the triple in Go's order; 254 bytes at most."""
    assert client_id(Attachment("net", "c1", "eth0")) == b"\0c1/net/eth0"
    assert len(client_id(Attachment("n" * 300, "c", "eth0"))) == 255
