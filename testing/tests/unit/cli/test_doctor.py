"""The examination of a node."""

from typing import Any

import pytest

from cnisdk.cli import _network_checks, _node_checks
from cnisdk.cli._probe import ProbeFailure


BRIDGE: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "plugins": [{"type": "bridge", "ipMasq": True, "ipam": {"type": "host-local"}}],
}
ALL = ("veth", "bridge", "dummy", "nftables", "iptables", "ipv6", "tun", "vrf", "macvlan")


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that has everything; what is set to a text lacks that."""
    features = dict.fromkeys(ALL, "")
    monkeypatch.setattr(_node_checks, "probe", lambda: features)
    return features


@pytest.fixture
def doctor(node, cnisdk, kernel):  # the kernel is there to be found
    """Examine the node; returns the exit status and the checks by section and name."""

    def run(*words):
        outcome = cnisdk("doctor", "--cache-dir", node.cache, "--json", *words)
        checks = {(each["section"], each["name"]): each for each in outcome.json["checks"]}
        assert outcome.code == (0 if outcome.json["ok"] else 1)
        return outcome, checks

    return run


def test_the_first_file_by_name_wins_and_the_reason_is_given(plugins, doctor):
    """D4: "which conflist wins and why" is the question behind most outages of this kind."""
    plugins.write("20-other.conflist", plugins.pool("other"))
    plugins.write("10-pool.conflist", plugins.pool())

    outcome, checks = doctor()

    assert outcome.code == 0
    assert outcome.json["active"] == "pool"
    assert "its file is the first by name" in checks["networks", "10-pool.conflist"]["message"]
    assert checks["networks", "20-other.conflist"]["status"] == "info"


def test_a_broken_file_before_the_active_one_fails(plugins, doctor):
    """Some runtimes stop there, others pass over it: not what anybody wants to rely on."""
    plugins.write("00-broken.conflist", "{")
    plugins.write("10-pool.conflist", plugins.pool())
    plugins.write("99-broken.conflist", "{")

    outcome, checks = doctor()

    assert outcome.code == 1
    assert checks["networks", "00-broken.conflist"]["status"] == "fail"
    assert checks["networks", "99-broken.conflist"]["status"] == "warn"
    assert "can be read" in checks["networks", "10-pool.conflist"]["message"]


def test_a_missing_plugin_fails_and_the_way_to_get_it_is_shown(node, doctor):
    """ctrd#12130: without the binary neither ADD nor DEL works."""
    node.write("10-mynet.conflist", BRIDGE)

    outcome, checks = doctor()

    assert outcome.code == 1
    missing = checks["plugins", "bridge"]
    assert missing["status"] == "fail"
    assert missing["hint"] == "cnisdk install reference_plugins.bridge:Bridge"
    assert checks["plugins", "host-local"]["status"] == "fail"


def test_a_plugin_that_does_not_know_the_version_fails(node, doctor):
    """D8: "incompatible CNI versions" after an upgrade, told before it happens."""
    node.executable(
        "old", 'echo \'{"cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0"]}\''
    )
    plugin = {"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "old"}]}
    path = node.write("10-n.conflist", plugin)

    _, checks = doctor()

    assert checks["plugins", "old"]["status"] == "fail"
    assert checks["plugins", "old"]["hint"] == f"change cniVersion in {path} to one of 0.3.1, 0.4.0"


def test_a_network_that_is_not_ready_fails(plugins, doctor):
    """STATUS is part of the examination."""
    plugins.write("10-pool.conflist", plugins.pool(subnet="10.9.0.0/33"))

    outcome, checks = doctor()

    assert outcome.code == 1
    assert "10.9.0.0/33" in checks["plugins", "STATUS"]["message"]


@pytest.mark.parametrize(
    ("backend", "lacking", "failing"),
    [
        (None, ["nftables"], []),
        (None, ["nftables", "iptables"], ["nftables", "iptables"]),
        ("iptables", ["iptables"], ["iptables"]),
        ("nftables", ["iptables"], []),
        (None, ["bridge", "vrf"], ["bridge"]),
    ],
)
def test_a_feature_matters_when_the_active_network_needs_it(  # noqa: PLR0917
    plugins, doctor, kernel, backend, lacking, failing
):
    """Masquerading needs one of two packet filters, unless the configuration chose."""
    plugin = BRIDGE["plugins"][0] | ({"ipMasqBackend": backend} if backend else {})
    plugins.write("10-mynet.conflist", BRIDGE | {"plugins": [plugin]})
    kernel.update(dict.fromkeys(lacking, "not in this kernel"))

    _, checks = doctor()

    failed = [name for (section, name), each in checks.items()
              if section == "kernel" and each["status"] == "fail"]  # fmt: skip
    assert sorted(failed) == sorted(failing)


def test_a_node_without_network_is_not_broken(doctor):
    """Nothing is asked for, so nothing is missing."""
    outcome, checks = doctor()

    assert outcome.code == 0
    assert outcome.json["active"] is None
    assert checks["networks", "active"]["status"] == "warn"


def test_directories_others_may_write_to_are_reported(plugins, doctor):
    """Whoever can put a file there has it run as root."""
    plugins.write("10-pool.conflist", plugins.pool())
    plugins.bin.chmod(0o777)

    _, checks = doctor()

    assert checks["directories", "plugins"]["status"] == "warn"
    assert "chmod go-w" in checks["directories", "plugins"]["hint"]


def test_stale_attachments_are_counted(plugins, cnisdk, doctor):
    """A2: what a reboot leaves is the oldest pain; the command that removes it is shown."""
    plugins.write("10-pool.conflist", plugins.pool())
    cnisdk("add", "pool", "/nonexistent/c1", "--cache-dir", plugins.cache)

    _, checks = doctor()

    assert checks["state", "stale"]["hint"] == "cnisdk gc pool --stale"
    assert checks["state", "reservations"]["message"].startswith("1 addresses")


def test_a_kernel_that_cannot_be_probed_is_a_warning(plugins, doctor, monkeypatch):
    """In a container without privileges nothing is known, which is not the same as missing."""

    def refuse():
        raise ProbeFailure("Operation not permitted")

    monkeypatch.setattr(_node_checks, "probe", refuse)
    plugins.write("10-mynet.conflist", BRIDGE)

    _, checks = doctor()

    assert checks["kernel", "features"]["status"] == "warn"


@pytest.mark.usefixtures("kernel")
def test_the_report_has_a_line_per_check(plugins, cnisdk):
    """Sections, and the conclusion at the end."""
    plugins.write("10-pool.conflist", plugins.pool())

    outcome = cnisdk("doctor", "--cache-dir", plugins.cache)

    assert "networks" in outcome.stdout.splitlines()
    assert "this node is ready" in outcome.stdout.splitlines()[-1]


def test_known_features_are_those_that_are_probed():
    """A type cannot be said to need what nobody looks at."""
    needed = {each for features in _network_checks._NEEDS.values() for each in features}

    assert needed <= {*_node_checks._SHOWN_FEATURES, _node_checks.NAT}
