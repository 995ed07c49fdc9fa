"""Results in the seven shapes of the specification, both ways (contracts, table 1.5)."""

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk import errors, versions
from cnisdk._result import Dns, Interface, Ip, Result, Route
from cnisdk._result_json import decode, decode_dns, decode_route, encode, parse_cidr, parse_ip


V2 = ("0.1.0", "0.2.0")
V4 = ("0.3.0", "0.3.1", "0.4.0")
V10 = ("1.0.0", "1.1.0")

FULL = Result(
    interfaces=(
        Interface("br0", "02:00:00:00:00:01", 1500),
        Interface(
            "eth0", "02:00:00:00:00:02", 9000, "/run/netns/c1", "/run/s.sock", "0000:00:1f.6"
        ),
    ),
    ips=(
        Ip(ip_interface("10.1.0.5/16"), ip_address("10.1.0.1"), 1),
        Ip(ip_interface("fd00::5/64"), ip_address("fd00::1"), 0),
    ),
    routes=(
        Route(ip_network("0.0.0.0/0"), ip_address("10.1.0.1"), 1400, 1360, 50, 0, 0),
        Route(ip_network("fd01::/64"), table=100, scope=253),
        Route(ip_network("10.9.0.0/16")),
    ),
    dns=Dns(("10.1.0.1",), "example.org", ("a.example.org",), ("ndots:5",)),
)

DNS = {
    "nameservers": ["10.1.0.1"],
    "domain": "example.org",
    "search": ["a.example.org"],
    "options": ["ndots:5"],
}
ROUTES: list[dict[str, Any]] = [
    {
        "dst": "0.0.0.0/0",
        "gw": "10.1.0.1",
        "mtu": 1400,
        "advmss": 1360,
        "priority": 50,
        "table": 0,
        "scope": 0,
    },
    {"dst": "fd01::/64", "table": 100, "scope": 253},
    {"dst": "10.9.0.0/16"},
]


@pytest.mark.parametrize("version", V10)
def test_result_is_encoded_for_1_0_0_and_1_1_0(version: str) -> None:
    """T: F10 encode incl. mtu/pciID/socketPath; index 0."""
    assert encode(FULL, version) == {
        "cniVersion": version,
        "interfaces": [
            {"name": "br0", "mac": "02:00:00:00:00:01", "mtu": 1500},
            {
                "name": "eth0",
                "mac": "02:00:00:00:00:02",
                "mtu": 9000,
                "sandbox": "/run/netns/c1",
                "socketPath": "/run/s.sock",
                "pciID": "0000:00:1f.6",
            },
        ],
        "ips": [
            {"interface": 1, "address": "10.1.0.5/16", "gateway": "10.1.0.1"},
            {"interface": 0, "address": "fd00::5/64", "gateway": "fd00::1"},
        ],
        "routes": ROUTES,
        "dns": DNS,
    }


@pytest.mark.parametrize("version", V4)
def test_result_is_encoded_for_0_3_0_to_0_4_0(version: str) -> None:
    """T: F4 encode; →0.4.0; ips.version recomputed, interface mtu, socketPath and pciID lost."""
    assert encode(FULL, version) == {
        "cniVersion": version,
        "interfaces": [
            {"name": "br0", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/c1"},
        ],
        "ips": [
            {"version": "4", "interface": 1, "address": "10.1.0.5/16", "gateway": "10.1.0.1"},
            {"version": "6", "interface": 0, "address": "fd00::5/64", "gateway": "fd00::1"},
        ],
        "routes": ROUTES,
        "dns": DNS,
    }


@pytest.mark.parametrize("version", V2)
def test_result_is_encoded_for_0_1_0_and_0_2_0(version: str) -> None:
    """T: F2 encode 0.2.0 and 0.1.0; →0.1.0: routes split by family, dst and gw kept."""
    assert encode(FULL, version) == {
        "cniVersion": version,
        "ip4": {
            "ip": "10.1.0.5/16",
            "gateway": "10.1.0.1",
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "10.9.0.0/16"}],
        },
        "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1", "routes": [{"dst": "fd01::/64"}]},
        "dns": DNS,
    }


def reduced(result: Result, version: str) -> Result:
    """What a version keeps of a result."""
    if version in V10:
        return result
    if version in V4:
        bare = [attrs.evolve(each, mtu=0, socket_path="", pci_id="") for each in result.interfaces]
        return attrs.evolve(result, interfaces=tuple(bare))
    firsts = [next((ip for ip in result.ips if ip.version == family), None) for family in (4, 6)]
    ips = tuple(attrs.evolve(ip, interface=None) for ip in firsts if ip is not None)
    families = [ip.version for ip in ips]
    routes = sorted(
        (Route(each.dst, each.gw) for each in result.routes if each.dst.version in families),
        key=lambda route: route.dst.version,
    )
    return Result(ips=ips, routes=tuple(routes), dns=result.dns)


_mac = st.from_regex(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True)
_text = st.text(max_size=5)
_number = st.integers(0, 2**32 - 1)
_address = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(
    lambda ip: getattr(ip, "ipv4_mapped", None) is None
)
_cidr = st.builds(
    lambda ip, length: ip_interface(f"{ip}/{length % (ip.max_prefixlen + 1)}"),
    _address,
    st.integers(0, 128),
)
_results = st.builds(
    Result,
    st.lists(
        st.builds(Interface, _text, _mac | st.just(""), _number, _text, _text, _text), max_size=3
    ).map(tuple),
    st.lists(
        st.builds(Ip, _cidr, st.none() | _address, st.none() | st.integers(-1, 5)), max_size=3
    ).map(tuple),
    st.lists(
        st.builds(
            Route,
            _cidr.map(lambda each: each.network),
            st.none() | _address,
            _number,
            _number,
            _number,
            st.none() | _number,
            st.none() | _number,
        ),
        max_size=3,
    ).map(tuple),
    st.builds(Dns, *[st.lists(_text, max_size=2).map(tuple), _text] * 2).map(
        lambda dns: attrs.evolve(dns, search=(), options=dns.nameservers)
    ),
)


@pytest.mark.parametrize("version", versions.ALL)
@given(result=_results)
def test_what_a_version_keeps_survives_both_ways(version: str, result: Result) -> None:
    """Table 1.5: encode then decode loses exactly what the version has no room for."""
    if version in V2 and not result.ips:
        return
    assert decode(encode(result, version), version) == reduced(result, version)


@pytest.mark.parametrize("source", versions.ALL)
@pytest.mark.parametrize("target", versions.ALL)
def test_every_pair_of_versions_converts(source: str, target: str) -> None:
    """Table 1.5: a direct way between every ordered pair of the seven versions."""
    there = encode(FULL, source)
    back = encode(decode(there, target), target)

    assert back["cniVersion"] == target
    assert decode(back, target) == reduced(reduced(FULL, source), target)


@pytest.mark.parametrize(("source", "target"), [V2, V10, V4[:2], V4[1:]])
def test_versions_of_a_family_differ_in_the_version_alone(source: str, target: str) -> None:
    """T: 0.1↔0.2 conversion; 1.0.0→1.1.0 and back identical; W-LIB-20: nothing is left unchecked."""
    there = encode(FULL, source)

    assert encode(decode(there, source), target) == {**there, "cniVersion": target}
    assert encode(decode(encode(FULL, target), target), source) == there


@pytest.mark.parametrize("target", V4 + V10)
def test_old_result_gains_no_interfaces(target: str) -> None:
    """T: 0.2.0 round trip with and without route gateways; ip4 then ip6, no interface index."""
    old = {
        "cniVersion": "0.2.0",
        "ip6": {"ip": "fd00::5/64"},
        "ip4": {"ip": "10.1.0.5/16", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
    }
    found = decode(old, target)
    again = encode(found, target)

    assert "interfaces" not in again
    assert [ip["address"] for ip in again["ips"]] == ["10.1.0.5/16", "fd00::5/64"]
    assert all("interface" not in ip for ip in again["ips"])
    assert encode(found, "0.2.0") == {**old, "dns": {}}


@pytest.mark.parametrize("version", V2)
def test_only_first_address_of_a_family_fits_old_versions(version: str) -> None:
    """Table 1.5: only the first v4 and first v6 address survive."""
    result = Result(ips=(Ip(ip_interface("10.0.0.2/8")), Ip(ip_interface("10.0.0.3/8"))))

    assert encode(result, version)["ip4"] == {"ip": "10.0.0.2/8"}
    assert "ip6" not in encode(result, version)


@pytest.mark.parametrize("version", V2)
def test_routes_of_a_family_without_address_are_dropped(version: str) -> None:
    """Table 1.5."""
    result = Result(ips=(Ip(ip_interface("10.0.0.2/8")),), routes=(Route(ip_network("::/0")),))

    assert encode(result, version) == {
        "cniVersion": version,
        "ip4": {"ip": "10.0.0.2/8"},
        "dns": {},
    }


@pytest.mark.parametrize("version", V2)
def test_result_without_addresses_has_no_old_form(version: str) -> None:
    """T: no-IP downgrade error."""
    with pytest.raises(errors.IncompatibleVersion, match="no valid IP addresses") as caught:
        encode(Result(interfaces=(Interface("eth0"),)), version)

    assert caught.value.code == 1
    assert "0.3.0" in caught.value.details


@pytest.mark.parametrize("version", V4)
def test_empty_dns_is_printed_before_1_0_0(version: str) -> None:
    """Contract 1.5: F2 and F4 print `"dns": {}` when empty, F10 omits it."""
    assert encode(Result(), version) == {"cniVersion": version, "dns": {}}


@pytest.mark.parametrize("version", V10)
def test_empty_lists_are_omitted(version: str) -> None:
    """Contract 1.5: empty arrays for interfaces/ips/routes are omitted everywhere."""
    assert encode(Result(), version) == {"cniVersion": version}


def test_name_of_an_interface_is_always_printed() -> None:
    """Contract 1.5: even empty; other strings and an MTU of 0 are dropped."""
    assert encode(Result(interfaces=(Interface(""),)), "1.1.0")["interfaces"] == [{"name": ""}]


@pytest.mark.parametrize("version", V4 + V10)
def test_missing_interface_index_is_omitted(version: str) -> None:
    """T: missing index omitted; index 0 kept."""
    result = Result(ips=(Ip(ip_interface("10.0.0.2/8")), Ip(ip_interface("::2/64"), None, 0)))
    ips = encode(result, version)["ips"]

    assert "interface" not in ips[0]
    assert ips[1]["interface"] == 0
    assert decode(encode(result, version), version) == result


@pytest.mark.parametrize("given", [{}, {"cniVersion": ""}, {"cniVersion": None}])
def test_result_without_version_has_the_configurations(given: dict[str, Any]) -> None:
    """T: empty version accepted; prevResult takes the configuration's (W-LIB-22: nothing mutated)."""
    document = {**given, "ips": [{"address": "10.0.0.2/8"}]}
    before = dict(document)

    assert decode(document, "1.0.0").ips[0].address == ip_interface("10.0.0.2/8")
    assert decode({**given, "ip4": {"ip": "10.0.0.2/8"}}, "0.2.0").ips
    assert document == before


def test_result_of_another_family_than_the_configuration_is_read() -> None:
    """T: prevResult wrong family. Go refuses config 1.1.0 + prev 0.4.0; ours reads what it says it is."""
    previous = {"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/8"}}

    assert decode(previous, "1.1.0").ips[0].address == ip_interface("10.0.0.2/8")


def test_keys_of_a_result_are_matched_regardless_of_case() -> None:
    """Contract 1.3; W-LIB-22: Go looks for one spelling of cniVersion alone."""
    document = {"CNIVersion": "0.4.0", "IPs": [{"Address": "10.0.0.2/8", "Interface": 0}]}

    assert decode(document, "1.1.0").ips == (Ip(ip_interface("10.0.0.2/8"), None, 0),)


@pytest.mark.parametrize("path", ["pciID", "pciId", "PCIID"])
def test_pci_id_is_read_in_any_spelling(path: str) -> None:
    """The specification's key has two capitals."""
    assert decode({"interfaces": [{"name": "e", path: "x"}]}, "1.1.0").interfaces[0].pci_id == "x"


WRONG = [
    ([], "prevResult: expected an object, got []"),
    ("x", 'prevResult: expected an object, got "x"'),
    ({"cniVersion": "9.0.0"}, 'prevResult: unknown cniVersion "9.0.0"'),
    ({"cniVersion": ["1.1.0"]}, 'prevResult: unknown cniVersion ["1.1.0"]'),
    ({"ips": {}}, "prevResult.ips: expected a list, got {}"),
    ({"ips": [5]}, "prevResult.ips[0]: expected an object, got 5"),
    ({"ips": [{}]}, "prevResult.ips[0].address: expected a string, got null"),
    ({"ips": [{"address": "10.0.0.2"}]}, 'prevResult.ips[0].address: invalid address "10.0.0.2"'),
    ({"ips": [{"address": "zz/8"}]}, 'prevResult.ips[0].address: invalid address "zz/8"'),
    (
        {"ips": [{"address": "::1/64", "gateway": "fe80::1%1"}]},
        'prevResult.ips[0].gateway: invalid address "fe80::1%1"',
    ),
    (
        {"ips": [{"address": "::1/64", "interface": True}]},
        "prevResult.ips[0].interface: expected a whole number, got true",
    ),
    (
        {"interfaces": [{"name": "e"}, {"name": "f", "mtu": -1}]},
        "prevResult.interfaces[1].mtu: -1 is out of range",
    ),
    ({"interfaces": [{"name": 5}]}, "prevResult.interfaces[0].name: expected a string, got 5"),
    ({"routes": [{"dst": None}]}, "prevResult.routes[0].dst: expected a string, got null"),
    (
        {"routes": [{"dst": "::/0", "table": 2**32}]},
        "prevResult.routes[0].table: 4294967296 is out of range",
    ),
    ({"dns": []}, "prevResult.dns: expected an object, got []"),
    ({"dns": {"search": ["a", 1]}}, "prevResult.dns.search[1]: expected a string, got 1"),
    ({"cniVersion": "0.2.0", "ip4": 1}, "prevResult.ip4: expected an object, got 1"),
    ({"cniVersion": "0.2.0", "ip6": {}}, "prevResult.ip6.ip: expected a string, got null"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_defect_of_a_result_is_named_by_its_path(document: object, message: str) -> None:
    """T: F2, F4, F10 bad JSON; prevResult of an unknown version; invalid gw text."""
    with pytest.raises(errors.DecodingFailure) as caught:
        decode(document, "1.1.0")

    assert caught.value.msg == message
    assert caught.value.code == 6


def test_result_with_null_everywhere_is_empty() -> None:
    """Contract 1.3: `null` = absent."""
    document = dict.fromkeys(["cniVersion", "interfaces", "ips", "routes", "dns"])

    assert decode(document, "1.1.0") == Result()


@pytest.mark.parametrize("text", ["10.2.3.1/24", "fd00::5/64", "0.0.0.0/0", "10.0.0.1/32"])
def test_cidr_keeps_its_host_bits(text: str) -> None:
    """T: CIDR parse keeps host bits; IPNet JSON round trip."""
    assert str(parse_cidr(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "10.2.3.1", "10.2.3.1/33", "x/8", "10.0.0.1/255.0.0.0", "fe80::1%e/64", "1/8", "/8"],
)
def test_invalid_cidr_is_refused(text: str) -> None:
    """T: invalid CIDR; netmasks and zones are Python's, not CNI's."""
    with pytest.raises(ValueError):
        parse_cidr(text)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FD00:0:0::1", "fd00::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_address_is_printed_in_canonical_form(text: str, printed: str) -> None:
    """Contract 1.3: lower case, RFC 5952 compression; v4-mapped v6 prints as v4."""
    assert str(parse_ip(text)) == printed


def test_route_has_seven_keys() -> None:
    """T: Route JSON round trip with all seven keys."""
    assert decode_route(ROUTES[0]) == FULL.routes[0]
    assert encode(Result(routes=(decode_route(ROUTES[0]),)), "0.3.1")["routes"] == ROUTES[:1]


def test_dns_with_nothing_set_is_none() -> None:
    """An empty list counts as set, as in Go."""
    assert decode_dns({}) is None
    assert decode_dns(None) is None
    assert decode_dns({"nameservers": []}) == Dns()
    assert decode_dns({"Domain": "x"}) == Dns(domain="x")


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | _cidr.map(str),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "cniVersion",
                    "interfaces",
                    "ips",
                    "routes",
                    "dns",
                    "ip4",
                    "ip6",
                    "ip",
                    "name",
                    "mac",
                    "mtu",
                    "address",
                    "gateway",
                    "interface",
                    "dst",
                    "gw",
                    "table",
                    "nameservers",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(document=_json, version=st.sampled_from(versions.ALL))
def test_any_document_is_a_result_or_a_decoding_failure(document: object, version: str) -> None:
    """A malformed prevResult never ends in another error."""
    try:
        found = decode(document, version)
    except errors.DecodingFailure as refused:
        assert refused.msg.startswith("prevResult")
    else:
        assert decode(encode(found, "1.1.0"), version) == found
