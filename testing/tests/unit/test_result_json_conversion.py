"""What a version keeps of a result, from every version to every other (contracts, table 1.5)."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_results import FULL, V2, V4, V10, addresses, cidrs

from cnisdk import versions
from cnisdk._result import Dns, Interface, Ip, Result, Route
from cnisdk._result_json import decode, encode


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
_results = st.builds(
    Result,
    st.lists(
        st.builds(Interface, _text, _mac | st.just(""), _number, _text, _text, _text), max_size=3
    ).map(tuple),
    st.lists(
        st.builds(Ip, cidrs, st.none() | addresses, st.none() | st.integers(-1, 5)), max_size=3
    ).map(tuple),
    st.lists(
        st.builds(
            Route,
            cidrs.map(lambda each: each.network),
            st.none() | addresses,
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
