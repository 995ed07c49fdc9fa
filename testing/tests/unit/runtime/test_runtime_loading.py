"""Loading networks from files and directories."""

import json
import os

import pytest

from cnisdk import errors
from cnisdk.runtime import NetworkNotFound, load, load_all, load_named


@pytest.fixture
def net_d(tmp_path):
    directory = tmp_path / "net.d"
    directory.mkdir()
    return directory


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def conflist(name="net", *types, **keys):
    plugins = [{"type": each} for each in types or ("bridge",)]
    return {"cniVersion": "1.0.0", "name": name, "plugins": plugins} | keys


def types(network):
    return [plugin.type for plugin in network.plugins]


# ---- by name ------------------------------------------------------------------------------------


def test_a_network_is_found_by_its_name(net_d):
    """T: LoadNetworkConf finds."""
    write(net_d / "10-other.conflist", conflist("other"))
    path = write(net_d / "20-net.conflist", conflist("net", "bridge", "portmap"))

    found = load_named(str(net_d), "net")

    assert ("net", "1.0.0", path) == (found.name, found.version, found.source)
    assert types(found) == ["bridge", "portmap"]


def test_a_list_is_preferred_over_a_single_configuration_of_the_name(net_d):
    """T: LoadNetworkConf prefers conflist over same-name conf."""
    write(net_d / "00-net.conf", {"name": "net", "type": "single"})
    write(net_d / "99-net.conflist", conflist("net", "list"))

    assert types(load_named(str(net_d), "net")) == ["list"]


@pytest.mark.parametrize("extension", ["conf", "json"])
def test_a_single_configuration_becomes_a_list_of_one(net_d, extension):
    """T: falls back; .json extension; single config up-converted to list."""
    single = {"cniVersion": "0.4.0", "name": "net", "type": "bridge", "mtu": 9000}
    write(net_d / f"10-net.{extension}", single)

    found = load_named(str(net_d), "net")

    assert (found.name, found.version, types(found)) == ("net", "0.4.0", ["bridge"])
    assert single == found.plugins[0].document


def test_the_first_file_in_byte_order_wins(net_d):
    """D4: of several files with the network's name, the one whose name sorts first."""
    write(net_d / "b.conflist", conflist("net", "second"))
    write(net_d / "B.conflist", conflist("net", "first"))

    assert types(load_named(str(net_d), "net")) == ["first"]


@pytest.mark.parametrize("make", [True, False])
def test_a_directory_without_configurations_says_so(net_d, make):
    """T: missing dir; nothing anywhere."""
    where = str(net_d if make else net_d / "missing")

    with pytest.raises(NetworkNotFound) as caught:
        load_named(where, "net")

    assert f"no net configurations found in {where}" == caught.value.msg


@pytest.mark.parametrize("name", ["10-other.conflist", "10-other.conf"])
def test_a_name_nobody_has_is_an_error(net_d, name):
    """T: name not found; no match."""
    write(net_d / name, conflist("other") if "list" in name else {"name": "o", "type": "t"})

    with pytest.raises(NetworkNotFound) as caught:
        load_named(str(net_d), "net")

    assert f'no net configuration with name "net" in {net_d}' == caught.value.msg


def test_files_in_nested_directories_are_not_looked_at(net_d):
    """T: nested dir ignored; a directory called like a file is, too."""
    write(net_d / "sub" / "10-net.conflist", conflist())
    (net_d / "10-net.conflist").mkdir()

    with pytest.raises(NetworkNotFound):
        load_named(str(net_d), "net")


@pytest.mark.parametrize("name", ["../net", "a/b", "", "..", "-x", "net\n"])
def test_the_name_is_checked_before_a_path_is_made_of_it(net_d, name):
    """W-LIB-9: a name with ".." must not read elsewhere."""
    with pytest.raises(errors.InvalidConfig, match="network name"):
        load_named(str(net_d), name)


def test_a_name_in_a_file_is_checked_before_its_drop_in_directory_is_read(net_d, tmp_path):
    """W-LIB-9: the configuration's name neither."""
    write(tmp_path / "evil" / "10-x.conf", {"type": "evil"})
    path = write(net_d / "10-net.conflist", conflist("../evil"))

    with pytest.raises(errors.InvalidConfig, match=r'invalid characters .* "\.\./evil"') as caught:
        load(path)

    assert path in caught.value.msg


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("00-broken.conflist", "{"),
        ("00-broken.conflist", ""),
        ("00-broken.conflist", "[]"),
        ("00-broken.conflist", {"cniVersion": "1.0.0", "plugins": [{"type": "x"}]}),
        ("00-broken.conflist", {"name": 7}),
    ],
)
def test_a_malformed_earlier_file_does_not_hide_a_network_but_is_reported(net_d, file, content):
    """W-LIB-10: Go's search ends at the first file it cannot parse. T: malformed."""
    broken = write(net_d / file, content)
    write(net_d / "10-net.conflist", conflist())

    found = load_named(str(net_d), "net")

    assert types(found) == ["bridge"]
    assert [broken] == [warning.path for warning in found.warnings]


def test_an_earlier_network_without_plugins_does_not_matter(net_d):
    """W-LIB-10: neither does one whose plugin entries are wrong."""
    write(net_d / "00-other.conflist", conflist("other", plugins=[]))
    write(net_d / "10-net.conflist", conflist())

    assert load_named(str(net_d), "net").name == "net"


def test_a_defect_of_the_network_itself_is_an_error_not_a_reason_to_use_another_file(net_d):
    """W-LIB-10: passing over the network's own file would attach to something else."""
    write(net_d / "00-net.conflist", conflist(plugins=[{"bridge": "cni0"}]))
    write(net_d / "10-net.conflist", conflist())

    with pytest.raises(
        errors.InvalidConfig, match=r"00-net.conflist: plugins\[0\]: .*missing 'type'"
    ):
        load_named(str(net_d), "net")


def test_files_passed_over_are_in_the_error_when_nothing_is_found(net_d):
    """The file that was meant is probably the broken one."""
    broken = write(net_d / "10-net.conflist", '{"name": "net",}')

    with pytest.raises(NetworkNotFound) as caught:
        load_named(str(net_d), "net")

    assert f"passed over {broken}: error parsing configuration" in caught.value.details
    assert "line 1 column" in caught.value.details


def test_a_list_in_a_file_for_single_configurations_is_passed_over(net_d):
    """The Go library does not find it there either; which network wins must not depend on the tool."""
    path = write(net_d / "10-net.conf", conflist())

    with pytest.raises(NetworkNotFound) as caught:
        load_named(str(net_d), "net")

    assert path in caught.value.details
    assert "rename it" in caught.value.details


def test_a_fifo_does_not_hang_the_search(net_d):
    """Nothing in the directory may block the runtime."""
    os.mkfifo(net_d / "00-pipe.conflist")
    write(net_d / "10-net.conflist", conflist())

    assert "not a regular file" in load_named(str(net_d), "net").warnings[0].message


# ---- all of a directory -------------------------------------------------------------------------


def test_all_networks_are_listed_with_what_is_hidden_and_what_is_broken(net_d):
    """D4: which file wins, and why."""
    first = write(net_d / "10-a.conflist", conflist("a"))
    hidden = write(net_d / "20-a.conflist", conflist("a"))
    broken = write(net_d / "30-b.conflist", "{")
    write(net_d / "00-c.conf", {"name": "c", "type": "t"})

    loaded = load_all(str(net_d))

    assert [network.name for network in loaded.networks] == ["a", "c"]
    assert [hidden, broken] == [warning.path for warning in loaded.warnings]
    assert f'hidden: network "a" is defined in {first} already' == loaded.warnings[0].message


def test_a_missing_directory_holds_no_networks(net_d):
    """T: missing dir yields nothing without error."""
    assert (load_all(str(net_d / "x")).networks, load_all(str(net_d / "x")).warnings) == ((), ())


# ---- one file -----------------------------------------------------------------------------------


def test_a_file_is_loaded_by_its_path(net_d):
    """T: LoadConf."""
    path = write(net_d / "10-net.conflist", conflist())

    assert path == load(path).source


def test_an_unreadable_file_is_an_io_error_with_its_name(net_d):
    """T: LoadConf of a missing file."""
    with pytest.raises(errors.IoFailure, match=r"missing\.conflist: No such file"):
        load(str(net_d / "missing.conflist"))


def test_large_numbers_and_key_order_survive(net_d):
    """W-LIB-11: Go passes numbers through doubles and sorts the keys."""
    text = '{"name": "net", "plugins": [{"type": "t", "z": 9007199254740993, "a": 1.5, "m": 1}]}'
    path = write(net_d / "10-net.conflist", text)

    assert (
        json.dumps(load(path).plugins[0].document)
        == '{"type": "t", "z": 9007199254740993, "a": 1.5, "m": 1}'
    )


# ---- drop-in directory --------------------------------------------------------------------------


def test_plugins_of_the_drop_in_directory_come_after_the_inlined_ones_in_name_order(net_d):
    """T: inline + dir merged (2)."""
    path = write(net_d / "10-net.conflist", conflist("net", "inline"))
    write(net_d / "net" / "20-b.conf", {"type": "b"})
    write(net_d / "net" / "10-a.conf", {"type": "a"})
    write(net_d / "net" / "30-c.json", {"type": "not-conf"})

    assert types(load(path)) == ["inline", "a", "b"]


def test_plugins_may_come_from_the_drop_in_directory_alone(net_d):
    """T: false without plugins but dir has one: 1 plugin."""
    path = write(net_d / "10-net.conflist", {"name": "net", "loadOnlyInlinedPlugins": False})
    dropped = write(net_d / "net" / "10-a.conf", {"type": "a"})

    network = load(path)

    assert types(network) == ["a"]
    assert dropped == network.plugins[0].source


@pytest.mark.parametrize("value", [True, "true", "TRUE"])
def test_the_drop_in_directory_can_be_switched_off(net_d, value):
    """T: inline + dir with flag true (1); loadOnlyInlinedPlugins parsed."""
    path = write(net_d / "10-net.conflist", conflist(loadOnlyInlinedPlugins=value))
    write(net_d / "net" / "10-a.conf", "not even JSON")

    assert types(load(path)) == ["bridge"]


@pytest.mark.parametrize("make", [True, False])
def test_a_missing_or_empty_drop_in_directory_is_fine(net_d, make):
    """T: inline + no dir OK; inline + empty dir OK."""
    path = write(net_d / "10-net.conflist", conflist())
    if make:
        (net_d / "net").mkdir()

    assert types(load(path)) == ["bridge"]


def test_only_inlined_plugins_without_plugins_is_a_contradiction(net_d):
    """T: true without plugins: error."""
    path = write(net_d / "10-net.conflist", {"name": "net", "loadOnlyInlinedPlugins": True})

    with pytest.raises(errors.InvalidConfig, match=r'"loadOnlyInlinedPlugins".*"plugins"'):
        load(path)


def test_no_plugins_anywhere_is_an_error(net_d):
    """T: nothing anywhere: error."""
    path = write(net_d / "10-net.conflist", {"name": "net"})

    with pytest.raises(errors.InvalidConfig, match="no plugin configs found"):
        load(path)


@pytest.mark.parametrize("content", ["{", '{"no": "type"}', "[]"])
def test_a_broken_drop_in_is_an_error_of_its_network(net_d, content):
    """D1: a chain without its firewall plugin must not start silently."""
    path = write(net_d / "10-net.conflist", conflist())
    dropped = write(net_d / "net" / "10-a.conf", content)

    with pytest.raises(errors.CniError) as caught:
        load(path)

    assert dropped in caught.value.msg


def test_the_drop_in_directory_lies_beside_the_file_not_beside_a_link_to_it(net_d, tmp_path):
    """The sibling folder of the path that was given."""
    path = write(tmp_path / "real" / "x.conflist", conflist())
    write(net_d / "net" / "10-a.conf", {"type": "a"})
    (net_d / "10-net.conflist").symlink_to(path)

    assert types(load(str(net_d / "10-net.conflist"))) == ["bridge", "a"]
