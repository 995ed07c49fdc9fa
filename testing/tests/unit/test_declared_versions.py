"""Which versions of the specification each reference plugin declares, which are those of Go's (contracts 3 to 5)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cnisdk import _launcher
from cnisdk.install import reference_plugins


ALL = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
DECLARED = {
    "bandwidth": ALL[2:],
    "bridge": ALL,
    "dhcp": ALL,
    "dummy": ALL,
    "firewall": ALL[2:],
    "host-device": ALL,
    "host-local": ALL,
    "ipvlan": ALL,
    "loopback": ALL,
    "macvlan": ALL,
    "portmap": ALL,
    "ptp": ALL,
    "sbr": ALL,
    "static": ALL,
    "tap": ALL,
    "tuning": ALL,
    "vlan": ALL,
    "vrf": ALL[3:],
}


def call(kind: str, verb: str, version: str, run_dir: str) -> dict[str, Any]:
    stdout = io.BytesIO()
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/no/such/namespace",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNISDK_RUN_DIR": run_dir,
    }
    document = {"cniVersion": version, "name": "mynet", "type": kind}
    plugin = _launcher.load(reference_plugins()[kind])
    plugin().run(env, io.BytesIO(json.dumps(document).encode()), stdout, io.BytesIO())
    return json.loads(stdout.getvalue())


def test_the_table_is_complete() -> None:
    assert DECLARED.keys() == reference_plugins().keys()


@pytest.mark.parametrize("kind", DECLARED)
def test_what_is_declared(kind: str, tmp_path: Path) -> None:
    """In the answer to VERSION; and others are refused by their version alone."""
    found = call(kind, "VERSION", "1.1.0", str(tmp_path))["supportedVersions"]

    assert found == DECLARED[kind]
    for version in ALL:
        refused = call(kind, "ADD", version, str(tmp_path))["code"] == 1
        assert refused == (version not in found), version
