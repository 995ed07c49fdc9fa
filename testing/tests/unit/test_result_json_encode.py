"""Results are encoded in the seven shapes of the specification (contracts, table 1.5)."""

from ipaddress import ip_interface, ip_network

import pytest
from sample_results import DNS, FULL, ROUTES, V2, V4, V10

from cnisdk import errors
from cnisdk._result import Interface, Ip, Result, Route
from cnisdk._result_json import decode, encode


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
    assert caught.value.msg == "cannot convert: no valid IP addresses"
    assert "0.3.0" in caught.value.hint


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
