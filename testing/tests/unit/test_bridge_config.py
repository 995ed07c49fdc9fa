"""bridge's configuration: VLAN ids, trunks and what excludes what (contracts 3.1)."""

from __future__ import annotations

from typing import Any

import pytest

from cnisdk import errors
from cnisdk._net._types import PortVlan
from cnisdk.testing import FakeIpam, HostState, LinkState, Outcome, Runtime
from reference_plugins.bridge import Bridge


DEFAULT = PortVlan(1, pvid=True, untagged=True)
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
TRUNK = [{"id": 101}, {"minID": 200, "maxID": 210}]
POOL = {"ipam": {"type": "pool"}}
FAMILIES = (
    ("10.1.0.5/24",),
    ("fd01::5/64",),
    ("10.1.0.5/24", "fd01::5/64"),
    ("10.1.0.5/24", "fd01::5/64", "fd02::5/64"),
)


def add(version: str = "1.1.0", **conf: Any) -> Outcome:
    """ADD on a fresh machine; a refusal must have changed nothing."""
    pool = FakeIpam.giving("10.1.0.5/24")
    out = Runtime(Bridge, conf=conf, cni_version=version).add(ipam=pool)
    if out.error is not None:
        assert out.host == HostState()
    return out


def port(out: Outcome) -> LinkState:
    """The container's port."""
    (found,) = (each for each in out.host.host.links.values() if each.master)
    return found


def refused(code: int, version: str = "1.1.0", **conf: Any) -> str:
    error = add(version, **conf).error
    assert error is not None
    assert error.code == code
    return str(error)


@pytest.mark.parametrize(
    "trunk",
    [
        [],
        [{"minID": 100, "maxID": 105}],
        [{"id": 10}],
        [{"minID": 100, "maxID": 105}, {"id": 10}],
        [{"minID": 100, "maxID": 105, "id": 10}],
        [{"minID": 1, "maxID": 4094}],
        [{"minID": 7, "maxID": 7}],
        [{"minID": 100, "maxID": 105}, {"minID": 103, "maxID": 107}, {"id": 104}, {"id": 99}],
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_trunk_in_order_is_applied(version: str, trunk: Any) -> None:
    """T: trunk parsing OK: empty list; range 100-105; id 10; id + range; without doubles, in order."""
    out = add(version, vlanTrunk=trunk, **POOL)
    ids = {each["id"] for each in trunk if "id" in each}
    for each in trunk:
        if "minID" in each:
            ids |= set(range(each["minID"], each["maxID"] + 1))

    assert out.error is None
    assert out.host.host.links["cni0"].vlan_filtering
    expected = [PortVlan(each) for each in sorted(ids - {1})]
    assert port(out).vlans == (DEFAULT, *expected)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"minID": 100}, "minID and maxID should be configured simultaneously, maxID is missing"),
        ({"maxID": 100}, "minID and maxID should be configured simultaneously, minID is missing"),
        ({"minID": -100, "maxID": 105}, "incorrect trunk minID parameter: -100"),
        ({"minID": 5000, "maxID": 105}, "incorrect trunk minID parameter: 5000"),
        ({"minID": 100, "maxID": 5000}, "incorrect trunk maxID parameter: 5000"),
        ({"minID": 100, "maxID": -5}, "incorrect trunk maxID parameter: -5"),
        ({"minID": 0, "maxID": 5}, "incorrect trunk minID parameter: 0"),
        ({"id": 5000}, "incorrect trunk id parameter: 5000"),
        ({"id": -10}, "incorrect trunk id parameter: -10"),
        ({"id": 0}, "incorrect trunk id parameter: 0"),
        ({"minID": 200, "maxID": 100}, "minID is greater than maxID in trunk parameter"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_trunk_that_makes_no_sense_is_named(version: str, entry: Any, named: str) -> None:
    """T: trunk parsing errors: missing maxID/minID; negative, 5000; id; maxID < minID."""
    text = refused(7, version, vlanTrunk=[{"id": 3}, entry])

    assert named in text
    assert "vlanTrunk[1]" in text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("vlan", [-100, 5000, 4095, -1])
def test_a_vlan_out_of_range_is_named(version: str, vlan: int) -> None:
    """T: vlan config validation: -100 and 5000 rejected."""
    text = refused(7, version, vlan=vlan)

    assert "vlan" in text
    assert f"invalid VLAN ID {vlan} (must be between 0 and 4094)" in text


@pytest.mark.parametrize("version", VERSIONS)
def test_vlan_0_is_no_vlan(version: str) -> None:
    """T: vlan config validation: 0 ok."""
    out = add(version, vlan=0, **POOL)

    assert out.error is None
    assert not out.host.host.links["cni0"].vlan_filtering


@pytest.mark.parametrize(
    ("conf", "vlans"),
    [
        ({"vlan": 1}, ("1 pvid untagged",)),
        ({"vlan": 4094}, ("4094 pvid untagged",)),
        ({"vlan": 100, "preserveDefaultVlan": True}, ("1 untagged", "100 pvid untagged")),
        ({"vlanTrunk": [{"id": 7}]}, ("1 pvid untagged", "7")),
        ({"vlanTrunk": [{"id": 7}], "preserveDefaultVlan": True}, ("1 pvid untagged", "7")),
        (
            {"vlan": 8, "vlanTrunk": [{"minID": 7, "maxID": 9}]},
            ("7", "8 pvid untagged", "9"),
        ),
    ],
)
def test_the_vlans_of_the_port(conf: Any, vlans: tuple[str, ...]) -> None:
    """3.1 step 5: vlan is pvid and untagged, the trunk tagged; preserveDefaultVlan is off by default."""
    assert tuple(map(str, port(add(**conf)).vlans)) == vlans


@pytest.mark.parametrize("version", VERSIONS[:2])
@pytest.mark.parametrize(
    "conf",
    [
        {"vlan": 100},
        {"vlan": 100, "preserveDefaultVlan": True},
        {"vlanTrunk": TRUNK},
        {"vlan": 100, "vlanTrunk": TRUNK},
    ],
)
def test_layer_2_has_no_result_in_the_first_versions(version: str, conf: Any) -> None:
    """T: L2 with vlan, trunk or both: 0.1.0/0.2.0 expect a conversion error; only the bridge stays."""
    out = Runtime(Bridge, conf=conf, cni_version=version).add()

    assert isinstance(out.error, errors.IncompatibleVersion)
    assert "cannot convert: no valid IP addresses" in out.error.msg
    assert set(out.host.host.links) == {"lo", "cni0"}
    assert out.host.without_shared() == HostState()


@pytest.mark.parametrize("preserve", [False, True])
@pytest.mark.parametrize(
    ("version", "given"),
    [(version, given) for version in VERSIONS for given in FAMILIES[: 3 if version < "0.3" else 4]],
)
def test_a_gateway_in_the_vlan(version: str, given: tuple[str, ...], preserve: bool) -> None:
    """T: L3 + vlan 100 default route: IPv4, IPv6, dual, 3 subnets; 0.1.0/0.2.0 with the last: in the lab."""
    conf = {"vlan": 100, "isDefaultGateway": True, "preserveDefaultVlan": preserve, **POOL}
    pool = FakeIpam.giving(*given)
    session = Runtime(Bridge, conf=conf, cni_version=version).session(ipam=pool)
    out = session.add()

    assert out.result is not None
    host, inside = out.host.host, out.host.namespaces["/run/netns/c1"]
    vlans = ("1 untagged", "100 pvid untagged") if preserve else ("100 pvid untagged",)
    ports = [each for each in host.links.values() if each.master]
    assert [tuple(map(str, each.vlans)) for each in ports] == [vlans] * 2
    assert (len(host.links), host.links["cni0.100"].kind) == (5, "veth")
    assert host.links["cni0"].vlan_filtering
    assert inside.links["eth0"].addresses == given
    assert host.links["cni0.100"].addresses == tuple(each.replace("5/", "1/") for each in given)
    defaults = {("::/0", "fd01::1") if ":" in each else ("0.0.0.0/0", "10.1.0.1") for each in given}
    assert {each[:2] for each in inside.routes if each[0].endswith("/0")} == defaults
    if version in VERSIONS[2:]:
        names = [each.name for each in out.result.interfaces]
        assert (names[0], names[2:]) == ("cni0", ["eth0", "cni0.100"])
    if version in VERSIONS[4:]:
        assert session.check().error is None
    assert session.delete().host.without_shared() == HostState()


def test_the_gateway_of_a_vlan_must_have_a_name() -> None:
    """W-BR-8: `<bridge>.<vlan>` may exceed what the kernel takes; without a gateway there is no such name."""
    long: dict[str, Any] = {"bridge": "bridge-12345", "vlan": 1000}

    pool: dict[str, Any] = {"ipam": {"type": "pool"}}
    assert '"bridge-12345.1000"' in refused(7, isGateway=True, **long, **pool)
    assert add(**long, **pool).error is None
    assert add(isGateway=True, **long).error is None


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        (
            {"hairpinMode": True, "promiscMode": True},
            "cannot set hairpin mode and promiscuous mode at the same time",
        ),
        (
            {"disableContainerInterface": True, "ipam": {"type": "pool"}},
            "cannot use IPAM when DisableContainerInterface flag is set",
        ),
        ({"ipMasqBackend": "ebtables"}, "ipMasqBackend"),
        ({"bridge": ""}, "bridge"),
        ({"bridge": "a/b"}, "a/b"),
        ({"bridge": "sixteen-bytes-xx"}, "sixteen-bytes-xx"),
        ({"bridge": "."}, "bridge"),
        ({"mtu": -1}, "mtu"),
        ({"mtu": 67}, "mtu"),
        ({"mtu": 65536}, "mtu"),
        ({"runtimeConfig": {"mac": "not-a-mac"}}, "not-a-mac"),
        ({"runtimeConfig": {"mac": "00:00:00:00:00:00"}}, "mac"),
        ({"args": {"cni": {"mac": "01:02:03:04:05:06"}}}, "01:02:03:04:05:06"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    version: str, conf: Any, named: str
) -> None:
    """T: IPAM + disableContainerInterface rejected; 3.1: the two exclusivity checks."""
    assert named in refused(7, version, **conf)


@pytest.mark.parametrize(
    "conf", [{"isGateway": "yes"}, {"mtu": "1500"}, {"vlanTrunk": {}}, {"macspoofchk": 1}]
)
def test_a_wrong_type_is_named(conf: Any) -> None:
    """Design section 3: strict, no "no" -> True and no "12" -> 12."""
    assert next(iter(conf)) in refused(6, **conf)


@pytest.mark.parametrize("key", ["isGateway", "ISGATEWAY", "isgateway"])
def test_keys_are_matched_as_go_does(key: str) -> None:
    """Design section 3: keys matched case-insensitively."""
    conf: dict[str, Any] = {**POOL, key: True}
    out = add(**conf)

    assert out.host.host.links["cni0"].addresses == ("10.1.0.1/24",)


@pytest.mark.parametrize("key", ["isGateway", "isDefaultGateway", "ipMasq"])
def test_what_is_about_addresses_does_nothing_without_ipam(key: str) -> None:
    """3.1: gateway and masquerading are L3 only."""
    conf: dict[str, Any] = {key: True}
    host = add(**conf).host.host

    assert host.links["cni0"].addresses == ()
    assert host.rules == frozenset()
    assert not any("forward" in each for each in host.sysctls)


@pytest.mark.parametrize(("gw", "expected"), [("fd01::7", "fd01::7"), (None, "fd01::1")])
def test_a_default_route_of_ipam_with_a_gateway_is_enough(gw: str | None, expected: str) -> None:
    """3.1 step 7, for IPv6; for IPv4 there is a test on a kernel."""
    pool = FakeIpam(
        result={"ips": [{"address": "fd01::5/64"}], "routes": [{"dst": "::/0", "gw": gw}]}
    )
    out = Runtime(Bridge, conf={"isDefaultGateway": True, **POOL}).add(ipam=pool)

    routes = out.host.namespaces["/run/netns/c1"].routes
    assert [each[1] for each in routes if each[0] == "::/0"] == [expected]


def test_the_defaults_are_gos() -> None:
    """3.1: bridge cni0, nothing else turned on."""
    out = add()

    (name,) = set(out.host.host.links) - {"lo", "cni0"}
    port = out.host.host.links[name]
    assert (port.master, port.hairpin, port.isolated, port.mtu) == ("cni0", False, False, 1500)
    assert not out.host.host.links["cni0"].promisc


def test_status_names_what_takes_the_bridges_name() -> None:
    """Design section 4.6: STATUS is honest."""
    out = Runtime(Bridge, conf={"bridge": "lo"}).status()

    assert isinstance(out.error, errors.PluginNotAvailable)
    assert '"lo" exists but is no bridge' in out.error.msg
