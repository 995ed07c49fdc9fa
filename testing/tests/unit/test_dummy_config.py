"""dummy on the fake kernel: IPAM that has to be there, its keys, CHECK (contracts 3.8)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from cnisdk.testing import FakeIpam, LinkState, Runtime, Session
from reference_plugins.dummy import Dummy


VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NO_IPAM = "dummy interface requires an IPAM configuration"
INSIDE = "/run/netns/c1"


def session(version: str = "1.1.0", **keys: Any) -> Session:
    conf = {"ipam": {"type": "pool"}, **keys}
    pool = FakeIpam.giving("10.1.0.5/24", gateway="10.1.0.1")
    return Runtime(Dummy, conf, cni_version=version).session(ipam=pool)


def eth(made: Session) -> LinkState:
    return made.state.namespaces[INSIDE].links["eth0"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ipam", [None, {}, {"type": ""}])
def test_ipam_is_asked_for_before_anything_else(
    version: str, ipam: dict[str, str] | None, tmp_path: Path
) -> None:
    """T: no IPAM -> error, even with a namespace that does not exist."""
    conf = {"cniVersion": version, "name": "mynet", "type": "dummy", "ipam": ipam}
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": str(tmp_path / "nowhere"),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(tmp_path),
        "CNISDK_RUN_DIR": str(tmp_path),
    }
    stdout = io.BytesIO()

    assert Dummy().run(env, io.BytesIO(json.dumps(conf).encode()), stdout, io.BytesIO()) == 1
    error = json.loads(stdout.getvalue())
    assert (error["code"], error["msg"]) == (7, NO_IPAM)


@pytest.mark.parametrize("verb", ["CHECK", "STATUS", "DEL"])
def test_the_other_verbs_without_ipam(verb: str) -> None:
    """3.8: required on CHECK as on ADD; DEL needs no configuration."""
    made = session()
    result = made.add().result
    bare = Runtime(Dummy)
    call: dict[str, Callable[[], Any]] = {
        "CHECK": lambda: bare.check(made.state, prev_result=result),
        "STATUS": lambda: bare.status(made.state),
        "DEL": lambda: bare.delete(made.state, prev_result=result),
    }
    out = call[verb]()

    if verb == "DEL":
        assert out.error is None
        assert "eth0" not in out.host.namespaces[INSIDE].links
    else:
        assert (out.error.code, out.error.msg) == (7, NO_IPAM)


@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_del(version: str) -> None:
    """T: ADD/CHECK/DEL/DEL again; whatever the host has of that name."""
    made = session(version)
    made.state = before = made.state.with_link("", "eth0", LinkState(kind="dummy"))
    out = made.add()

    assert out.result is not None
    assert (eth(made).kind, eth(made).up, eth(made).addresses) == ("dummy", True, ("10.1.0.5/24",))
    if version in VERSIONS[2:]:
        (interface,) = out.result.interfaces
        assert (interface.name, interface.mac, interface.sandbox) == ("eth0", eth(made).mac, INSIDE)
        assert out.result.ips[0].interface == 0
    if version in VERSIONS[4:]:
        assert made.check().error is None
    for _ in range(2):
        assert made.delete().error is None
        assert made.state == before


MAC, ARG, CNI, ASKED = (f"02:00:00:00:00:0{number}" for number in range(1, 5))


@pytest.mark.parametrize(
    ("sources", "mac"),
    [
        ({}, ARG),
        ({"args": {"cni": {"mac": CNI}}}, CNI),
        ({"args": {"cni": {"mac": CNI}}, "runtimeConfig": {"mac": ASKED}}, ASKED),
    ],
)
def test_mac_and_mtu(sources: dict[str, Any], mac: str) -> None:
    """CNI_ARGS, args.cni, runtimeConfig: the later wins."""
    made = session(mtu=1300, **sources)
    made.runtime.args = {"MAC": ARG}
    out = made.add()

    assert (eth(made).mac, eth(made).mtu) == (mac, 1300)
    assert out.result is not None
    assert (out.result.interfaces[0].mac, out.result.interfaces[0].mtu) == (mac, 1300)


@pytest.mark.parametrize("mtu", [67, -1, 65536])
def test_a_bad_mtu_is_named(mtu: int) -> None:
    out = session(mtu=mtu).add()

    assert out.error is not None
    assert (out.error.code, "mtu: must be 0 or 68 to 65535" in out.error.msg) == (7, True)


@pytest.mark.parametrize(
    ("dns", "expected"), [({}, ["192.0.2.53"]), ({"nameservers": ["192.0.2.1"]}, ["192.0.2.1"])]
)
def test_dns(dns: dict[str, Any], expected: list[str]) -> None:
    """3.8: IPAM's; ours takes the configuration's where it has any, as the other plugins do."""
    made = session(dns=dns)
    made.ipam.result["dns"] = {"nameservers": ["192.0.2.53"]}

    assert made.add().document["dns"]["nameservers"] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mac": "02:00:00:00:00:99"}, "MAC is 02:00:00:00:00:99"),
        ({"kind": "veth"}, "kind is veth, not dummy"),
        ({"up": False}, "state is down"),
        ({"mtu": 1200}, "MTU is 1200"),
    ],
)
def test_check_notices(change: dict[str, Any], message: str) -> None:
    """3.8: type, MAC, link up."""
    made = session()
    made.runtime.args = {"MAC": MAC}
    made.add()
    made.state = made.state.with_link(INSIDE, "eth0", attrs.evolve(eth(made), **change))
    error = made.check().error

    assert error is not None
    assert message in error.msg
