"""What lint finds, where it says it is, and what it keeps quiet about."""

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnisdk.cli._findings import RULES
from cnisdk.cli._json import parse, spelled


GOOD: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "capabilities": {"mac": True},
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.22.0.0/16"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The good network with one value set, or removed by ``...``."""
    document: Any = copy.deepcopy(GOOD)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place = document
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.fixture
def lint(cnisdk):
    """Check a path; returns the findings."""

    def run(path, *words):
        outcome = cnisdk("lint", path, "--json", "--cni-path", "/nonexistent", *words)
        findings = outcome.json["findings"]
        assert {each["rule"] for each in findings} <= set(RULES)
        assert outcome.code == (1 if outcome.json["errors"] else 0)
        return findings

    return run


def test_a_good_network_has_no_findings(node, cnisdk):
    """Silence is worth something only if a good file gets it."""
    path = node.write("10-mynet.conflist", GOOD)

    outcome = cnisdk("lint", path, "--cni-path", "/nonexistent")

    assert outcome.code == 0
    assert "no problems in 1 file" in outcome.stdout


def test_a_finding_tells_file_line_column_and_path(node, cnisdk):
    """The first line is one an editor can jump to."""
    path = node.write("10-mynet.conflist", changed("plugins/0/mtu", "1500"))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "mtu" in text)

    outcome = cnisdk("lint", path, "--cni-path", "/nonexistent")

    assert outcome.code == 1
    assert f"{path}:{line}:7: error: plugins[0].mtu: expected a whole number" in outcome.stdout
    assert "1 error in 1 file" in outcome.stdout


@pytest.mark.parametrize(
    ("where", "value", "path", "rule", "severity"),
    [
        ("name", ..., "name", "name", "error"),
        ("name", "my net", "name", "name", "error"),
        ("name", 5, "name", "name", "error"),
        ("cniVersion", ..., "cniVersion", "version", "warning"),
        ("cniVersion", "1.2.0", "cniVersion", "version", "error"),
        ("cniVersions", ["9.9.9"], "cniVersions[0]", "version", "warning"),
        ("cniVersions", "1.0.0", "cniVersions", "shape", "error"),
        ("disableGC", "perhaps", "disableGC", "shape", "error"),
        ("plugins", [], "plugins", "no-plugins", "error"),
        ("plugins", {}, "plugins", "shape", "error"),
        ("plugins/1", "portmap", "plugins[1]", "shape", "error"),
        ("plugins/0/type", ..., "plugins[0].type", "type", "error"),
        ("plugins/0/type", "bin/bridge", "plugins[0].type", "type", "error"),
        ("plugins/0/type", "tuning", "plugins[0].type", "order", "error"),
        (
            "plugins/1",
            {"type": "dummy", "ipam": {"type": "static"}},
            "plugins[1].type",
            "order",
            "warning",
        ),
        ("plugins/0/type", "host-local", "plugins[0].type", "ipam", "error"),
        ("plugins/0/ipam/type", "bridge", "plugins[0].ipam.type", "ipam", "error"),
        ("plugins/0/ipam/type", ..., "plugins[0].ipam", "ipam", "error"),
        ("plugins/0/ipam", ..., "plugins[0].isGateway", "ipam", "warning"),
        ("plugins/0/ipam", [], "plugins[0].ipam", "shape", "error"),
        ("plugins/0/isGatway", True, "plugins[0].isGatway", "unknown-key", "warning"),
        ("plugins/0/vlan", 5000, "plugins[0].vlan", "value", "error"),
        ("plugins/0/hairpinMode", "no", "plugins[0].hairpinMode", "shape", "error"),
        ("plugins/0/vlanTrunk", [{"minID": 7}], "plugins[0].vlanTrunk[0]", "value", "error"),
        (
            "plugins/0/ipam/ranges/0/0/subnet",
            "10.22.0.0/33",
            "plugins[0].ipam.ranges[0][0].subnet",
            "value",
            "error",
        ),
        (
            "plugins/0/ipam/ranges/0/0/rangeStrt",
            "10.22.0.5",
            "plugins[0].ipam.ranges[0][0].rangeStrt",
            "unknown-key",
            "warning",
        ),
        (
            "plugins/0/ipam/range.start",
            1,
            'plugins[0].ipam["range.start"]',
            "unknown-key",
            "warning",
        ),
        ("plugins/0/runtimeConfig", {}, "plugins[0].runtimeConfig", "reserved-key", "warning"),
        ("plugins/0/prevResult", {}, "plugins[0].prevResult", "reserved-key", "warning"),
        ("plugins/0/args", {"cni": {}}, "plugins[0].args", "reserved-key", "warning"),
        ("plugins/0/cni.dev/x", 1, "", "reserved-key", "warning"),
        ("plugins/0/name", "other", "plugins[0].name", "overridden-key", "warning"),
        ("plugins/0/capabilities/mac", "yes", "plugins[0].capabilities.mac", "shape", "error"),
        (
            "plugins/0/capabilities/macc",
            True,
            "plugins[0].capabilities.macc",
            "capability",
            "warning",
        ),
        ("plugins/0/capabilities", [], "plugins[0].capabilities", "shape", "error"),
        ("plugins/1/capabilities", ..., "plugins[1]", "capability", "warning"),
    ],
)
def test_a_defect_is_found_where_it_is(  # noqa: PLR0917
    node, lint, where, value, path, rule, severity
):
    """Each rule of a single network, with its JSON path and severity."""
    if where.endswith("cni.dev/x"):
        document = copy.deepcopy(GOOD)
        document["plugins"][0]["cni.dev/x"] = 1
        path = 'plugins[0]["cni.dev/x"]'
    else:
        document = changed(where, value)

    findings = lint(node.write("10-mynet.conflist", document))

    assert [(each["path"], each["rule"], each["severity"]) for each in findings] == [
        (path, rule, severity)
    ]


def test_a_misspelt_key_gets_the_right_one_proposed(node, lint):
    """Unknown keys are allowed by the plugins, so that only lint tells about them."""
    (finding,) = lint(node.write("10-mynet.conflist", changed("plugins/0/IsGatewy", True)))

    assert finding["hint"] == 'did you mean "isGateway"?'


def test_keys_are_matched_regardless_of_case(node, lint):
    """As the Go library and the plugins do."""
    assert lint(node.write("10-mynet.conflist", changed("plugins/0/ISGATEWAY", True))) == []


def test_an_empty_ipam_section_says_that_no_address_is_wanted(node, lint):
    """A network without addresses is legitimate; leaving the section out is more likely a slip."""
    document = changed("plugins/0/isGateway", False)
    document["plugins"][0]["ipam"] = {}

    assert lint(node.write("10-mynet.conflist", document)) == []


@pytest.mark.parametrize(
    ("text", "line", "column", "rule"),
    [
        ("", 1, 1, "json"),
        ('{\n  "name": "x",\n}', 3, 1, "json"),
        ('{\n  "name": "x"\n  "type": 1}', 3, 3, "json"),
        ("[]", 1, 1, "shape"),
        ('{"name": NaN}', 1, 10, "json"),
        ("[" * 5000, 1, 102, "json"),
    ],
)
def test_what_is_no_json_object_is_located(  # noqa: PLR0917
    node, lint, text, line, column, rule
):
    """plugins multus#931: empty and half-written files are the classic."""
    (finding,) = lint(node.write("10-x.conflist", text))

    assert (finding["line"], finding["column"], finding["rule"]) == (line, column, rule)


def test_a_key_given_twice_is_found(node, lint):
    """JSON readers silently take the last one."""
    text = json.dumps(GOOD).replace('"bridge": "cni0"', '"bridge": "cni0", "bridge": "cni1"')

    (finding,) = lint(node.write("10-mynet.conflist", text))

    assert (finding["path"], finding["rule"]) == ("plugins[0].bridge", "repeated-key")


@pytest.mark.parametrize("name", ["10-a.conf", "10-a.json"])
def test_a_list_in_a_file_for_a_single_plugin_is_found(node, lint, name):
    """Lists are read from *.conflist only."""
    assert [each["rule"] for each in lint(node.write(name, GOOD))] == ["wrong-extension"]


def test_a_single_plugin_in_a_file_for_lists_is_found(node, lint):
    """The other way round."""
    single = GOOD["plugins"][0] | {"name": "a", "cniVersion": "1.0.0"}

    assert [each["rule"] for each in lint(node.write("1.conflist", single))] == ["wrong-extension"]
    assert lint(node.write("1.conf", single)) == []


def test_a_file_others_may_write_to_is_found(node, lint):
    """Who can write a configuration can run programs as root."""
    path = node.write("10-mynet.conflist", GOOD)
    path.chmod(0o666)

    assert [each["rule"] for each in lint(path)] == ["writable-by-others"]


def test_a_plugin_that_is_not_installed_is_found(plugins, cnisdk):
    """Only a warning: the file may be checked on another machine than the node."""
    path = plugins.write("10-mynet.conflist", changed("plugins/0/type", "bridgee"))
    (plugins.bin / "portmap").unlink()

    outcome = cnisdk("lint", path, "--json")

    found = {each["path"]: each for each in outcome.json["findings"]}
    assert found["plugins[0].type"]["hint"] == 'did you mean "bridge"?'
    assert found["plugins[1].type"]["rule"] == "not-installed"
    assert outcome.code == 0


def test_strict_fails_on_warnings(node, cnisdk):
    """For use in CI."""
    path = node.write("10-mynet.conflist", changed("plugins/0/isGatway", True))

    assert cnisdk("lint", path, "--cni-path", "/nonexistent").code == 0
    assert cnisdk("lint", path, "--cni-path", "/nonexistent", "--strict").code == 1


def test_the_files_of_a_directory_are_compared(node, lint):
    """Same number, unpadded number, same name, same addresses."""
    node.write("10-a.conflist", GOOD)
    node.write("10-b.conflist", GOOD | {"name": "other"})
    node.write("9-c.conflist", GOOD | {"plugins": [{"type": "loopback"}]})

    found = [(os.path.basename(each["file"]), each["rule"]) for each in lint(node.conf)]

    assert found == [
        ("10-b.conflist", "file-order"),
        ("10-b.conflist", "overlapping-subnets"),
        ("9-c.conflist", "file-order"),
        ("9-c.conflist", "duplicate-name"),
    ]


def test_drop_ins_are_checked_with_their_network(node, lint):
    """SPEC section 1: plugins in the directory named after the network are appended."""
    node.write("10-mynet.conflist", GOOD | {"plugins": GOOD["plugins"][:1]})
    node.write("mynet/10-tuning.conf", {"type": "tuning", "mtu": 1400})
    node.write("mynet/20-portmap.conf", {"type": "portmap"})
    node.write("mynet/30-list.conf", GOOD)

    found = [(os.path.basename(each["file"]), each["rule"]) for each in lint(node.conf)]

    assert found == [("20-portmap.conf", "capability"), ("30-list.conf", "drop-in")]


def test_a_network_may_have_all_its_plugins_dropped_in(node, lint):
    """W-LIB: "plugins" may be absent, but then the directory must not be empty."""
    bare = {key: value for key, value in GOOD.items() if key != "plugins"}
    path = node.write("10-mynet.conflist", bare)
    assert [each["rule"] for each in lint(path)] == ["no-plugins"]

    node.write("mynet/10-bridge.conf", GOOD["plugins"][0])
    assert lint(node.conf) == []


@pytest.mark.parametrize(
    ("network", "file"),
    [
        (GOOD, "nobody/10-x.conf"),
        (GOOD | {"loadOnlyInlinedPlugins": True}, "mynet/10-x.conf"),
        (GOOD, "mynet/10-x.conflist"),
    ],
)
def test_drop_ins_nobody_reads_are_found(node, lint, network, file):
    """A drop-in without effect is a policy that silently does not hold."""
    node.write("10-mynet.conflist", network)
    node.write(file, {"type": "tuning", "mtu": 1400})

    assert "drop-in" in [each["rule"] for each in lint(node.conf)]


def test_what_cannot_be_read_is_reported(node, lint):
    """A dangling link, a FIFO: no traceback and no hanging."""
    (node.conf / "10-a.conflist").symlink_to("/nonexistent")
    os.mkfifo(node.conf / "20-b.conflist")

    assert [each["rule"] for each in lint(node.conf)] == ["unreadable", "unreadable"]


def test_lint_needs_a_file_that_exists(cnisdk):
    """A typing error on the command line is a usage error."""
    assert cnisdk("lint").code == 2
    assert cnisdk("lint", "/nonexistent/file").code == 2


def test_rules_can_be_listed(cnisdk):
    """Every rule has an explanation."""
    outcome = cnisdk("lint", "--rules", "--json")

    assert outcome.code == 0
    assert outcome.json == RULES


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
DOCUMENTS = st.recursive(
    SCALARS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(DOCUMENTS, st.sampled_from([None, 1, 4]))
def test_the_locating_reader_reads_what_json_reads(document, indent):
    """Same value, and every path leads to a place inside the text."""
    text = json.dumps(document, indent=indent)

    located = parse(text)

    assert located.value == document
    assert all(0 <= offset < len(text) for offset in located.offsets.values())


@given(st.text(alphabet='{}[]",:0123truefalsn -.eE\\u\n', max_size=30))
def test_the_locating_reader_refuses_what_json_refuses(text):
    """No text is taken by one and refused by the other."""

    def attempt(read):
        try:
            return read(text)
        except ValueError:
            return ValueError

    assert attempt(lambda each: parse(each).value) == attempt(json.loads)


@given(DOCUMENTS)
def test_no_document_brings_lint_down(document):
    """Whatever is in the file, lint ends with findings."""
    from cnisdk.cli._findings import Sheet
    from cnisdk.cli._lint_plugin import Entry, check_entry
    from cnisdk.cli._types import Types

    sheet = Sheet("file")
    for key in ("type", "ipam", "capabilities", "isGateway"):
        entry = Entry(sheet, (), {"type": "bridge", key: document}, "n", "1.1.0", True, False)
        check_entry(entry, Types("/nonexistent"))

    assert all(finding.rule in RULES for finding in sheet.findings)


def test_paths_are_spelled_unambiguously():
    """Keys with dots are quoted."""
    assert spelled(("plugins", 0, "sysctl", "net.ipv4.x")) == 'plugins[0].sysctl["net.ipv4.x"]'
