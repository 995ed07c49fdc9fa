"""tuning against the real kernel: the test cases of the Go plugin, its known faults, swaps with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Netns

from reference_plugins import _sysctls


pytestmark = pytest.mark.kernel

GO = Path("/usr/lib/cni")
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = {"0.4.0", "1.0.0", "1.1.0"}
MAC = "c2:11:22:33:44:55"
EVERYTHING: dict[str, Any] = {
    "mac": MAC,
    "promisc": True,
    "mtu": 1454,
    "txQLen": 500,
    "allmulti": True,
}


@pytest.fixture
def link(machine: Machine, container: Netns) -> dict[str, Any]:
    """The interface an earlier plugin has made, as it was."""
    container.ip("link add eth0 type veth peer name eth1")
    container.ip("link set eth0 up")
    return container.link("eth0")


def conf(machine: Machine, *, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "name": "mynet",
        "type": "tuning",
        "dataDir": str(machine.root / "tuning"),
        **keys,
    }


def prev(container: Netns, version: str = "1.0.0") -> dict[str, Any]:
    return {
        "cniVersion": version,
        "interfaces": [
            {"name": "eth0"},
            {"name": "eth0", "sandbox": container.path, "mac": "02:00:00:00:00:01"},
        ],
        "ips": [{"address": "10.0.0.2/24", "interface": 1, "version": "4"}],
    }


def looks(container: Netns) -> tuple[Any, ...]:
    found = container.link("eth0")
    flags = {"PROMISC", "ALLMULTI"} & set(found["flags"])
    return found["address"], found["mtu"], found["txqlen"], flags


def saved(machine: Machine) -> list[Path]:
    return sorted((machine.root / "tuning").glob("*"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", ["keys", "args"])
def test_every_attribute(
    machine: Machine, container: Netns, link: dict[str, Any], version: str, source: str
) -> None:
    """T: promisc, mtu, txQLen, mac, allmulti from config and args; backup file; DEL restores."""
    before = looks(container)
    keys = EVERYTHING if source == "keys" else {"args": {"cni": EVERYTHING}}
    cfg, given = conf(machine, version=version, **keys), prev(container, version)
    result = machine.add(cfg, container, prev=given)

    assert looks(container) == (MAC, 1454, 500, {"PROMISC", "ALLMULTI"})
    assert [each.get("mac") for each in result["interfaces"]] == [None, MAC]
    (backup,) = saved(machine)
    assert backup.name == "c1_eth0.json"
    assert (backup.stat().st_mode & 0o777, backup.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert json.loads(backup.read_text())["mac"] == link["address"]
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert looks(container) == before
        assert saved(machine) == []


@pytest.mark.parametrize(
    ("keys", "args", "mac"),
    [
        ({"mac": MAC}, "", MAC),
        ({"mac": "c2:00:00:00:00:01"}, f"IgnoreUnknown=true;MAC={MAC}", MAC),
        ({"runtimeConfig": {"mac": MAC}}, "MAC=c2:00:00:00:00:01", MAC),
        (
            {"runtimeConfig": {"mac": MAC}, "args": {"cni": {"mac": "c2:00:00:00:00:01"}}},
            "MAC=c2:00:00:00:00:02",
            MAC,
        ),
        ({"mac": MAC.upper()}, "", MAC),
    ],
)
@pytest.mark.usefixtures("link")
def test_mac_from_every_source(
    machine: Machine, container: Netns, keys: dict[str, Any], args: str, mac: str
) -> None:
    """T: mac from config, CNI_ARGS, runtimeConfig, args.cni; W-TU-4: capitals are no difference."""
    cfg = conf(machine, **keys)
    result = machine.add(cfg, container, prev=prev(container), args=args)

    assert container.link("eth0")["address"] == mac
    machine.check(cfg, container, result, args=args)


@pytest.mark.usefixtures("link")
def test_a_result_that_does_not_say_where_the_interface_is(
    machine: Machine, container: Netns
) -> None:
    """5.2: the MAC of each interface of that name becomes what it is now."""
    given = {**prev(container), "interfaces": [{"name": "veth1"}, {"name": "eth0"}]}
    result = machine.add(conf(machine, mac=MAC), container, prev=given)

    assert [each.get("mac") for each in result["interfaces"]] == [None, MAC]


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("version", VERSIONS)
def test_sysctls_come_and_go(machine: Machine, container: Netns, version: str) -> None:
    """T: sysctl only, prevResult unchanged; W-TU-3: restored; W-TU-1: args without the key."""
    cfg = conf(
        machine,
        version=version,
        sysctl={"net.ipv4.conf.IFNAME.arp_filter": "1", "net/core/somaxconn": "500"},
        args={"cni": {"sysctl": {"net.core.somaxconn": "600"}}},
    )
    before = container.sysctl("core/somaxconn")
    result = machine.add(cfg, container, prev=prev(container, version))

    assert result["interfaces"] == prev(container)["interfaces"]
    # T: no backup file; the settings, which Go does not restore, are in another one.
    assert [each.name for each in saved(machine)] == ["c1_eth0:sysctl.json"]
    assert container.sysctl("ipv4/conf/eth0/arp_filter") == "1"
    assert container.sysctl("core/somaxconn") == "600"
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
        container.set_sysctl("core/somaxconn", "700")
        assert "somaxconn" in machine.call("CHECK", cfg, container, prev=result).error
    machine.delete(cfg, container, prev=result)
    assert container.sysctl("ipv4/conf/eth0/arp_filter") == "0"
    assert container.sysctl("core/somaxconn") == before
    assert saved(machine) == []

    only_args = conf(machine, version=version, args=cfg["args"])
    machine.add(only_args, container, prev=prev(container, version))
    assert container.sysctl("core/somaxconn") == "600"


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize(
    ("key", "value"),
    [("net.ipv6.conf.IFNAME.stable_secret", "fd00::1"), ("net.ipv4.route.flush", "1")],
)
def test_settings_that_can_only_be_written(
    machine: Machine, container: Netns, key: str, value: str
) -> None:
    """They have no original; Go takes them, too."""
    container.set_sysctl("ipv6/conf/eth0/disable_ipv6", "0")
    cfg = conf(machine, sysctl={key: value})
    result = machine.add(cfg, container, prev=prev(container))

    machine.check(cfg, container, result)
    machine.delete(cfg, container, prev=result)
    assert saved(machine) == []


def test_sysctls_of_the_namespace_need_no_interface(machine: Machine, container: Netns) -> None:
    """T: passes prevResult through unchanged: upstream's test has no such interface in the namespace."""
    cfg = conf(machine, sysctl={"net.ipv4.conf.all.log_martians": "1"})
    result = machine.add(cfg, container, prev=prev(container))

    assert result["interfaces"] == prev(container)["interfaces"]
    assert container.sysctl("ipv4/conf/all/log_martians") == "1"
    machine.delete(cfg, container, prev=result)
    assert container.sysctl("ipv4/conf/all/log_martians") == "0"
    assert saved(machine) == []
    assert (
        'interface "eth0" not found'
        in machine.call("ADD", conf(machine, mtu=1400), container, prev=prev(container)).error
    )


@pytest.mark.usefixtures("link")
def test_a_second_add_keeps_the_originals(machine: Machine, container: Netns) -> None:
    """W-TU-2."""
    before = looks(container)
    cfg = conf(machine, **EVERYTHING)
    result = machine.add(cfg, container, prev=prev(container))
    machine.add(cfg, container, prev=prev(container))
    machine.delete(cfg, container, prev=result)

    assert looks(container) == before


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("keys", [{"mtu": 70000}, {"mac": "02:00:00:00:00:00:00"}, {"txQLen": -1}])
def test_a_bad_value_changes_nothing(
    machine: Machine, container: Netns, keys: dict[str, Any]
) -> None:
    before = looks(container)
    out = machine.call("ADD", conf(machine, promisc=True, **keys), container, prev=prev(container))

    assert out.document["code"] == 7
    assert next(iter(keys)) in out.error
    assert looks(container) == before
    assert saved(machine) == []


@pytest.mark.usefixtures("link")
def test_a_refusal_of_the_kernel_is_rolled_back(machine: Machine, container: Netns) -> None:
    """W-TU-5: sysctls are in the document's order; the first is taken back when the second fails."""
    before = looks(container)
    sysctl = {"net.ipv4.conf.IFNAME.arp_filter": "1", "net.ipv4.ip_default_ttl": "nonsense"}
    cfg = conf(machine, sysctl=sysctl, **EVERYTHING)

    assert "ip_default_ttl" in machine.call("ADD", cfg, container, prev=prev(container)).error
    assert container.sysctl("ipv4/conf/eth0/arp_filter") == "0"
    assert looks(container) == before
    assert saved(machine) == []


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("kernel.hostname", 'invalid net sysctl key: "kernel.hostname"'),
        ("net/../kernel/hostname", "invalid net sysctl key"),
        ("net.ipv4.no_such_setting", "does not exist"),
    ],
)
def test_bad_sysctls(machine: Machine, container: Netns, key: str, message: str) -> None:
    out = machine.call("ADD", conf(machine, sysctl={key: "1"}), container, prev=prev(container))

    assert message in out.error
    assert saved(machine) == []


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("^net.ipv4.conf.IFNAME.[a-z_]*$", ""),
        ("^net.other", "is not allowed. Only the following sysctls are allowed"),
        ("[net", '"[net" is no regular expression: unterminated character set'),
    ],
)
def test_allow_list(
    machine: Machine,
    container: Netns,
    monkeypatch: pytest.MonkeyPatch,
    *,
    pattern: str,
    complaint: str,
    version: str,
) -> None:
    """T: allow-list accepts and rejects; DEL is still ok."""
    path = machine.root / "allowlist.conf"
    path.write_text(f"{pattern}\n\n")
    monkeypatch.setattr(_sysctls, "_ALLOW_LIST", str(path))
    cfg = conf(machine, version=version, sysctl={"net.ipv4.conf.IFNAME.arp_filter": "1"})
    out = machine.call("ADD", cfg, container, prev=prev(container, version))
    status = machine.call("STATUS", {**cfg, "cniVersion": "1.1.0"})

    for each in (out, status):
        assert each.code == (1 if complaint else 0)
        assert complaint in each.stdout.replace('\\"', '"')
    machine.delete(cfg, container)


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("what", ["empty", "vanished", "link gone"])
def test_del_leaves_no_file(machine: Machine, container: Netns, what: str) -> None:
    """W-TU-3: state files leak in Go when namespace or link are gone."""
    cfg = conf(machine, **EVERYTHING)
    machine.add(cfg, container, prev=prev(container))
    path = "" if what == "empty" else container.path
    if what == "vanished":
        container.close()
    if what == "link gone":
        container.ip("link del eth0")
    machine.delete(cfg, path)

    assert saved(machine) == []


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link set eth0 address 02:00:00:00:00:99", "mac of eth0"),
        ("link set eth0 mtu 1400", "mtu of eth0"),
        ("link set eth0 promisc off", "promisc of eth0"),
        ("link set eth0 allmulticast off", "allmulti of eth0"),
        ("link set eth0 txqueuelen 7", "txQLen of eth0"),
    ],
)
def test_check_notices(machine: Machine, container: Netns, change: str, message: str) -> None:
    cfg = conf(machine, **EVERYTHING)
    result = machine.add(cfg, container, prev=prev(container))
    container.ip(change)

    assert message in machine.call("CHECK", cfg, container, prev=result).error


@pytest.mark.usefixtures("link")
def test_check_notices_that_del_could_restore_nothing(machine: Machine, container: Netns) -> None:
    cfg = conf(machine, mtu=1400)
    result = machine.add(cfg, container, prev=prev(container))
    for file in saved(machine):
        file.unlink()

    assert "no original settings" in machine.call("CHECK", cfg, container, prev=result).error


def test_status_without_a_place_for_the_originals(machine: Machine) -> None:
    (machine.root / "file").touch()
    cfg = {**conf(machine, version="1.1.0", mtu=1400), "dataDir": f"{machine.root}/file/tuning"}
    out = machine.call("STATUS", cfg)

    assert out.document["code"] == 50
    assert "dataDir" in out.error


@pytest.mark.usefixtures("link")
def test_what_was_not_configured_may_change(machine: Machine, container: Netns) -> None:
    """W-TU-4: somebody else set the interface promiscuous; that is no fault."""
    cfg = conf(machine, mtu=1400)
    result = machine.add(cfg, container, prev=prev(container))
    container.ip("link set eth0 promisc on")

    machine.check(cfg, container, result)


@pytest.mark.usefixtures("link")
def test_gc_forgets_what_is_not_valid(machine: Machine, container: Netns) -> None:
    cfg = conf(machine, mtu=1400)
    machine.add(cfg, container, prev=prev(container))
    machine.gc(cfg, ("c1", "eth0"))
    assert len(saved(machine)) == 1
    machine.gc({**cfg, "name": "other"})
    assert len(saved(machine)) == 1
    machine.gc(cfg)
    assert saved(machine) == []


@pytest.mark.parametrize("kind", ["bridge", "ptp"])
def test_the_checks_of_earlier_plugins_hold(machine: Machine, container: Netns, kind: str) -> None:
    """MAC and MTU of the result are what they are now, whatever their own configurations say."""
    bridge = machine.conf("10.1.0.0/24", version="1.1.0", type=kind, mtu=1450)
    first = machine.add(bridge, container)
    cfg = conf(machine, version="1.1.0", mac=MAC, mtu=1400)
    result = machine.add(cfg, container, prev=first)

    assert result["interfaces"][-1]["mtu"] == 1400
    machine.check(bridge, container, result)
    machine.check(cfg, container, result)


@pytest.mark.interop
@pytest.mark.skipif(not (GO / "tuning").exists(), reason="needs containernetworking-plugins")
@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("maker", ["go", "ours"])
def test_swap_with_go(machine: Machine, container: Netns, maker: str) -> None:
    """What one has changed, the other checks and restores."""
    before = looks(container)
    # The Go plugin of Debian's release has no txQLen.
    cfg = conf(machine, **{key: it for key, it in EVERYTHING.items() if key != "txQLen"})
    first, second = (GO, machine.plugins) if maker == "go" else (machine.plugins, GO)
    result = machine.add(cfg, container, prev=prev(container), plugins=first)
    machine.check(cfg, container, result, plugins=second)
    machine.delete(cfg, container, prev=result, plugins=second)

    assert looks(container) == before
    assert saved(machine) == []
