"""Reading a network's document: versions, flags, plugins, capabilities."""

import json

import pytest

from cnisdk import errors
from cnisdk.runtime import parse


def read(**keys):
    document = {"name": "net", "plugins": [{"type": "bridge"}]} | keys
    return parse(json.dumps(document).encode(), "net.conflist")


# ---- cniVersion and cniVersions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("single", "several", "chosen"),
    [
        ("1.0.0", None, "1.0.0"),
        ("0.4.0", ["1.0.0", "1.1.0", "0.3.1"], "1.1.0"),
        ("1.0.0", ["0.3.1", "0.4.0"], "1.0.0"),
        ("1.0.0", ["1.2.0", "99.0.0"], "1.0.0"),
        ("99.0.0", ["0.4.0", "1.0.0"], "1.0.0"),
        ("1.2.0", ["1.3.0"], "1.2.0"),
        (None, ["0.4.0", "1.0.0"], "1.0.0"),
        ("0.4.0", [], "0.4.0"),
        (None, [], "0.1.0"),
        (None, None, "0.1.0"),
        ("", None, "0.1.0"),
        ("1.2.3", None, "1.2.3"),
        ("0.9.0", ["0.10.0"], "0.10.0"),
    ],
)
def test_the_highest_version_both_sides_support_is_chosen(single, several, chosen):
    """T: cniVersions: max chosen; above-library skipped; only cniVersion; merge both; empty list."""
    keys = {"cniVersion": single, "cniVersions": several}

    assert (
        chosen == read(**{key: value for key, value in keys.items() if value is not None}).version
    )


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "x"]}, r"cniVersions\[1\]"),
        ({"cniVersions": ["1.0.0.0"]}, r"cniVersions\[0\]"),
        ({"cniVersions": [1]}, r"cniVersions\[0\]"),
        ({"cniVersions": "1.0.0"}, "cniVersions: expected a list"),
        ({"cniVersion": 1}, "cniVersion: expected a string"),
        ({"cniVersion": "one"}, "cniVersion: invalid version"),
    ],
)
def test_a_version_that_is_none_is_an_error_that_names_it(keys, named):
    """T: cniVersions: invalid: error."""
    with pytest.raises(errors.DecodingFailure, match=f"net.conflist: {named}"):
        read(**keys)


# ---- flags --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "field"), [("disableCheck", "disable_check"), ("disableGC", "disable_gc")]
)
@pytest.mark.parametrize(
    ("value", "meaning"),
    [(True, True), (False, False), ("true", True), ("fAlse", False), ("TRUE", True), (None, False)],
)
def test_flags_may_be_words(key, field, value, meaning):
    """T: disableCheck as "true"/"false"."""
    assert meaning is getattr(read(**{key: value}), field)
    assert getattr(read(), field) is False


@pytest.mark.parametrize("key", ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"])
@pytest.mark.parametrize("value", ["yes", "", 1, [], "0"])
def test_any_other_flag_is_an_error_that_names_the_key(key, value):
    """T: disableCheck garbage; loadOnlyInlinedPlugins garbage."""
    with pytest.raises(errors.DecodingFailure, match=f"net.conflist: {key}: expected true, false"):
        read(**{key: value})


# ---- plugins ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plugins", "named"),
    [
        ([], "no plugins in list"),
        ({}, '"plugins": expected a list'),
        ([{"type": "a"}, {}], r"plugins\[1\]: error parsing configuration: missing 'type'"),
        ([{"type": ""}], "missing 'type'"),
        ([{"type": 4}], r"plugins\[0\]: type: expected a string, got 4"),
        (["bridge"], r"plugins\[0\]: expected an object"),
        ([{"type": "a", "capabilities": ["mac"]}], r"plugins\[0\]: capabilities"),
        ([{"type": "a", "capabilities": {"mac": "yes"}}], r"plugins\[0\]: capabilities"),
    ],
)
def test_a_wrong_plugin_entry_is_named_with_its_place(plugins, named):
    """T: missing type."""
    with pytest.raises(errors.CniError, match=f"net.conflist: .*{named}"):
        read(plugins=plugins)


def test_capabilities_are_those_declared_true():
    """T: capabilities read."""
    plugin = {"type": "a", "capabilities": {"mac": True, "ips": False, "portMappings": True}}

    assert {"mac", "portMappings"} == read(plugins=[plugin]).plugins[0].capabilities


@pytest.mark.parametrize("name", [None, "", 7, "a b", "../x", "-a"])
def test_the_name_must_be_there_and_well_formed(name):
    """W-LIB-9: checked at loading, not at the first ADD."""
    with pytest.raises(errors.CniError, match=r"net.conflist: .*name"):
        read(name=name)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_decoding_failure(content):
    """T: bad bytes."""
    with pytest.raises(errors.DecodingFailure, match=r"^x\.conflist: error parsing configuration"):
        parse(content, "x.conflist")


def test_a_network_survives_being_written_and_read_again():
    """The cache keeps networks that way."""
    network = read(cniVersion="0.4.0", cniVersions=["1.0.0"], disableCheck=True, disableGC="true")

    again = parse(network.encoded(), "net.conflist")

    assert network.name == again.name
    assert again.version == "1.0.0"
    assert (again.disable_check, again.disable_gc) == (True, True)
    assert [dict(p.document) for p in network.plugins] == [dict(p.document) for p in again.plugins]
