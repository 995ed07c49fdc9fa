"""Results are decoded from whatever a plugin or a runtime sends (contracts 1.3)."""

from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_results import FULL, ROUTES, cidrs

from cnisdk import errors, versions
from cnisdk._result import Dns, Ip, Result
from cnisdk._result_json import decode, decode_dns, decode_route, encode, parse_cidr, parse_ip


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
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | cidrs.map(str),
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
