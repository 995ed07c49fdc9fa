"""portmap's configuration: what is refused before anything is looked at (contracts 5.1)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cnisdk import versions
from reference_plugins.portmap import Portmap


WITH_CHECK = versions.ALL[4:]
WEB = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
NFT, IPTABLES = ["ip", "saddr", "192.0.2.1"], ["!", "-s", "192.0.2.1"]


def call(verb: str, version: str, run_dir: Path, *mappings: dict[str, Any], **keys: Any) -> str:
    """The error's message, or that of the missing namespace."""
    ips = [{"address": "10.0.0.2/24", "version": "4"}]
    result = {"ips": ips} if version >= "0.3.0" else {"ip4": {"ip": "10.0.0.2/24"}}
    document = {
        "cniVersion": version,
        "name": "mynet",
        "type": "portmap",
        "runtimeConfig": {"portMappings": list(mappings or [WEB])},
        "prevResult": {"cniVersion": version, **result},
        **keys,
    }
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/no/such/namespace" if verb != "DEL" else "",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNISDK_RUN_DIR": str(run_dir),
    }
    stdout = io.BytesIO()
    Portmap().run(env, io.BytesIO(json.dumps(document).encode()), stdout, io.BytesIO())
    return str(json.loads(stdout.getvalue())["msg"])


def verbs(version: str) -> tuple[str, ...]:
    return ("ADD", "CHECK") if version in WITH_CHECK else ("ADD",)


@pytest.mark.parametrize("version", versions.ALL)
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"backend": "x"}, 'backend: unrecognized backend "x"'),
        ({"conditionsV4": ["ip saddr 1.2.3.4 accept\nflush ruleset"]}, "conditionsV4: must be on one line"),
        ({"markMasqBit": 32}, "markMasqBit: MasqMarkBit must be between 0 and 31"),
        ({"markMasqBit": -1}, "markMasqBit: MasqMarkBit must be between 0 and 31"),
        ({"markMasqBit": 5, "externalSetMarkChain": "X"}, "Cannot specify externalSetMarkChain and markMasqBit"),
        ({"conditionsV4": NFT, "conditionsV6": ["-s", "::1"]}, "nftables backend was requested but configuration contains iptables-specific options [conditionsV6]"),
        ({"backend": "iptables", "conditionsV4": NFT}, "iptables backend was requested but configuration contains nftables-specific options [conditionsV4]"),
        ({"backend": "iptables", "conditionsV4": NFT, "conditionsV6": NFT}, "iptables backend was requested but configuration contains nftables-specific options [conditionsV4 conditionsV6]"),
        ({"backend": "nftables", "conditionsV4": IPTABLES, "conditionsV6": IPTABLES}, "nftables backend was requested but configuration contains iptables-specific options [conditionsV4 conditionsV6]"),
        ({"backend": "nftables", "conditionsV4": IPTABLES, "conditionsV6": IPTABLES, "externalSetMarkChain": "X"}, "nftables backend was requested but configuration contains iptables-specific options [externalSetMarkChain conditionsV4 conditionsV6]"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit(
    version: str, keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """T: nft conditions with iptables, iptables options with nftables -> exact error, listing the keys."""
    for verb in verbs(version):
        assert call(verb, version, tmp_path, **keys) == message


@pytest.mark.parametrize("version", versions.ALL)
@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"hostPort": 0}, "Invalid host port number: 0; must be 1 to 65535"),
        ({"containerPort": 0}, "Invalid container port number: 0; must be 1 to 65535"),
        ({"hostPort": -1}, "Invalid host port number: -1; must be 1 to 65535"),
        ({"hostPort": 65536}, "Invalid host port number: 65536; must be 1 to 65535"),
        ({"protocol": "icmp"}, 'protocol: must be tcp, udp or sctp, got "icmp"'),
        ({"hostIP": "here"}, "'here' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_mappings_that_do_not_fit(
    version: str, mapping: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """T: hostPort 0 -> exact error; W-PM-6: ports, protocol and address are looked at before anything is done."""
    for verb in verbs(version):
        found = call(verb, version, tmp_path, WEB, {**WEB, **mapping})
        assert found == f"runtimeConfig.portMappings[1]: {message}"


@pytest.mark.parametrize("version", versions.ALL)
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"snat": False, "conditionsV4": IPTABLES, "conditionsV6": IPTABLES},
        {"backend": "iptables", "externalSetMarkChain": "X"},
        {"backend": "nftables", "conditionsV4": NFT, "conditionsV6": NFT},
        {"markMasqBit": 0},
        {"markMasqBit": 31},
    ],
)
def test_keys_that_fit(version: str, keys: dict[str, Any], tmp_path: Path) -> None:
    """T: parse ADD config: snat false, conditions; explicit nftables; nft conditions with nft."""
    for verb in verbs(version):
        assert "cannot open network namespace" in call(verb, version, tmp_path, **keys)
