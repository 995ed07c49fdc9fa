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
    ],
)
@pytest.mark.parametrize("version", VERSIONS[2:])
def test_a_trunk_in_order_is_applied(version: str, trunk: Any) -> None:
    """T: trunk parsing OK: empty list; range 100-105; id 10; id + range; without doubles, in order."""
    out = add(version, vlanTrunk=trunk)
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
        ({"minID": -100, "maxID": 105}, "minID parameter: -100"),
        ({"minID": 5000, "maxID": 105}, "minID parameter: 5000"),
        ({"minID": 100, "maxID": 5000}, "maxID parameter: 5000"),
        ({"minID": 100, "maxID": -5}, "maxID parameter: -5"),
        ({"minID": 0, "maxID": 5}, "minID parameter: 0"),
        ({"id": 5000}, "id parameter: 5000"),
        ({"id": -10}, "id parameter: -10"),
        ({"id": 0}, "id parameter: 0"),
        ({"minID": 200, "maxID": 100}, "minID is greater than maxID in trunk parameter"),
    ],
)
def test_a_trunk_that_makes_no_sense_is_named(entry: Any, named: str) -> None:
    """T: trunk parsing errors: missing maxID/minID; negative, 5000; id; maxID < minID."""
    text = refused(7, vlanTrunk=[{"id": 3}, entry])

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
    out = add(version, vlan=0, ipam={"type": "pool"})

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
        ({"hairpinMode": True, "promiscMode": True}, "hairpin mode and promiscuous mode"),
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
def test_what_makes_no_sense_is_refused_before_anything_is_done(conf: Any, named: str) -> None:
    """T: IPAM + disableContainerInterface rejected; 3.1: the two exclusivity checks."""
    assert named in refused(7, **conf)


@pytest.mark.parametrize(
    "conf", [{"isGateway": "yes"}, {"mtu": "1500"}, {"vlanTrunk": {}}, {"macspoofchk": 1}]
)
def test_a_wrong_type_is_named(conf: Any) -> None:
    """Design section 3: strict, no "no" -> True and no "12" -> 12."""
    assert next(iter(conf)) in refused(6, **conf)


@pytest.mark.parametrize("key", ["isGateway", "ISGATEWAY", "isgateway"])
def test_keys_are_matched_as_go_does(key: str) -> None:
    """Design section 3: keys matched case-insensitively."""
    conf: dict[str, Any] = {"ipam": {"type": "pool"}, key: True}
    out = add(**conf)

    assert out.host.host.links["cni0"].addresses == ("10.1.0.1/24",)


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
