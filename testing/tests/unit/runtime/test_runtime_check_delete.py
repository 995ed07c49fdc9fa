"""CHECK and DEL over the plugins of a network."""

import json

import pytest

from cnisdk import errors
from cnisdk.runtime import DamagedEntry, Parameters, PluginFailed, SeveralFailed


RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]}


@pytest.fixture
def attached(bin_dir, runtime, network):
    """An attachment whose ADD had arguments; only what comes after is recorded."""

    def make(*types, version="1.0.0", **keys):
        made = network(*types, version=version, **keys)
        parameters = Parameters(
            "c1", "/run/netns/blue", args={"A": "1"}, capability_args={"mac": "02:00:00:00:00:01"}
        )
        runtime.add(made, parameters)
        bin_dir.forget()
        return made

    return make


def previous(bin_dir):
    return [call.stdin.get("prevResult") for call in bin_dir.calls]


# ---- CHECK --------------------------------------------------------------------------------------


def test_check_gives_every_plugin_the_final_result(bin_dir, runtime, attached):
    """T: CheckNetworkList happy; 0.4.0 prev."""
    runtime.check(attached(), Parameters("c1"))

    assert bin_dir.order == ["one CHECK", "two CHECK", "three CHECK"]
    assert previous(bin_dir) == [RESULT] * 3


def test_check_uses_the_parameters_of_add(bin_dir, runtime, attached):
    """SPEC section 3: the same attachment parameters. T: cached runtime conf returned."""
    plugins = [{"type": "one", "capabilities": {"mac": True}}]

    runtime.check(attached(plugins=plugins), Parameters("c1"))

    call = bin_dir.calls[0]
    assert (call.env["CNI_NETNS"], call.env["CNI_ARGS"]) == ("/run/netns/blue", "A=1")
    assert call.stdin["runtimeConfig"] == {"mac": "02:00:00:00:00:01"}


def test_check_stops_at_the_first_error_and_names_the_plugin(bin_dir, runtime, attached):
    """T: CheckNetworkList error."""
    network = attached()
    bin_dir.fail("two", "CHECK", 105, "route gone")

    with pytest.raises(
        PluginFailed, match=r'"two" name="net" failed \(check\): route gone'
    ) as caught:
        runtime.check(network, Parameters("c1"))

    assert caught.value.code == 105
    assert bin_dir.order == ["one CHECK", "two CHECK"]


def test_check_needs_version_0_4_0(bin_dir, runtime, attached):
    """T: CheckNetworkList < 0.4.0; also with disableCheck."""
    network = attached(version="0.3.1", disableCheck=True)

    with pytest.raises(errors.IncompatibleVersion) as caught:
        runtime.check(network, Parameters("c1"))

    message = 'configuration version "0.3.1" does not support the CHECK command'
    assert message == caught.value.msg
    assert bin_dir.order == []


def test_check_can_be_disabled_by_the_network(bin_dir, runtime, network):
    """T: CheckNetworkList disableCheck. Not even an ADD is needed."""
    runtime.check(network(disableCheck="true"), Parameters("c1"))

    assert bin_dir.order == []


def test_check_of_what_was_never_added_is_refused(bin_dir, runtime, network):
    """T: cached result only. SPEC section 2: a runtime must not, and prevResult is mandatory."""
    with pytest.raises(errors.UnknownContainer, match="c1/eth0 on net is not known"):
        runtime.check(network(), Parameters("c1"))

    assert bin_dir.order == []


def test_check_of_an_add_that_failed_says_so(bin_dir, runtime, network, blue):
    """The entry that DEL needs must not pass for an attachment."""
    bin_dir.fail("two", "ADD")
    with pytest.raises(PluginFailed):
        runtime.add(network(), blue, rollback=False)

    with pytest.raises(errors.CniError, match="did not come to its end"):
        runtime.check(network(), blue)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"kind": "other"}', '{"kind": "cniCacheV1"}']
)
def test_check_fails_on_a_damaged_cache_entry(runtime, attached, entry_file, content):
    """T: CheckNetworkList invalid cache."""
    network = attached()
    entry_file.write_text(content)

    with pytest.raises(DamagedEntry) as caught:
        runtime.check(network, Parameters("c1"))

    assert str(entry_file) in caught.value.msg


def test_a_cached_result_of_another_version_is_converted(bin_dir, runtime, attached, network):
    """T: CheckNetwork cache of other version convertible."""
    attached("one")

    runtime.check(network("one", version="0.4.0"), Parameters("c1"))

    assert previous(bin_dir) == [
        {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.2.3/24"}], "dns": {}}
    ]


def test_a_cached_result_that_cannot_be_converted_fails_check(runtime, attached, entry_file):
    """T: CheckNetwork cache of other version not convertible."""
    network = attached("one")
    edit(entry_file, result={"cniVersion": "9.9.9"})

    with pytest.raises(errors.CniError, match="cached result"):
        runtime.check(network, Parameters("c1"))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_bare_result_from_before_the_cache_had_identities_is_understood(
    bin_dir, runtime, network, entry_file
):
    """contracts 1.11: legacy result documents."""
    entry_file.parent.mkdir(parents=True)
    entry_file.write_text(json.dumps({"cniVersion": "0.4.0", "ips": []}))

    runtime.check(network("one"), Parameters("c1"))

    assert previous(bin_dir) == [{"cniVersion": "1.0.0"}]


# ---- DEL ----------------------------------------------------------------------------------------


def test_delete_runs_in_reverse_with_the_final_result_and_forgets(
    bin_dir, runtime, attached, entry_file
):
    """T: DelNetworkList reverse order; prev on 0.4.0; removes cache."""
    runtime.delete(attached(), Parameters("c1"))

    assert bin_dir.order == ["three DEL", "two DEL", "one DEL"]
    assert previous(bin_dir) == [RESULT] * 3
    assert not entry_file.exists()


def test_delete_uses_the_parameters_of_add_unless_told_otherwise(bin_dir, runtime, attached):
    """SPEC section 3; an empty netns says that it is gone."""
    network = attached("one")

    runtime.delete(network, Parameters("c1", ""))

    assert (bin_dir.calls[0].env["CNI_NETNS"], bin_dir.calls[0].env["CNI_ARGS"]) == ("", "A=1")


def test_delete_can_be_repeated(bin_dir, runtime, attached):
    """T: DelNetwork called twice. Without anything known there is no prevResult."""
    network = attached("one")

    runtime.delete(network, Parameters("c1"))
    runtime.delete(network, Parameters("c1"))

    assert previous(bin_dir) == [RESULT, None]


def test_below_0_4_0_delete_sends_no_prev_result(bin_dir, runtime, attached):
    """T: DelNetworkList none below."""
    runtime.delete(attached("one", version="0.3.1"), Parameters("c1"))

    assert previous(bin_dir) == [None]


def test_a_failing_plugin_does_not_keep_the_others_from_deleting(
    bin_dir, runtime, attached, entry_file
):
    """W-LIB-14, A1: Go stops at the first, and the address of the others leaks."""
    network = attached()
    bin_dir.fail("three", "DEL", 110, "iptables missing")

    with pytest.raises(PluginFailed, match="iptables missing") as caught:
        runtime.delete(network, Parameters("c1"))

    assert caught.value.code == 110
    assert bin_dir.order == ["three DEL", "two DEL", "one DEL"]
    assert entry_file.exists(), "the next DEL needs it"


def test_a_missing_plugin_does_not_either(bin_dir, runtime, attached):
    """A1: uninstalling one plugin must not leak what the others hold. T: DelNetworkList missing."""
    network = attached()
    (bin_dir.path / "two").unlink()

    with pytest.raises(PluginFailed, match=r'type="two".*failed to find plugin'):
        runtime.delete(network, Parameters("c1"))

    assert bin_dir.order == ["three DEL", "one DEL"]


def test_nor_does_one_that_hangs(bin_dir, make_runtime, attached):
    """T: context timeout on DEL. Every plugin has its own time."""
    network = attached()
    bin_dir.script("three", "DEL", "sleep 30")

    with pytest.raises(PluginFailed) as caught:
        make_runtime(seconds=0.5).delete(network, Parameters("c1"))

    assert errors.TryAgainLater.code == caught.value.code
    assert bin_dir.order == ["three DEL", "two DEL", "one DEL"]


def test_all_failures_are_reported_with_their_plugins_and_codes(bin_dir, runtime, attached):
    """W-LIB-14: nothing is swallowed."""
    network = attached()
    bin_dir.fail("three", "DEL", 111, "third")
    bin_dir.fail("one", "DEL", 112, "first")

    with pytest.raises(SeveralFailed) as caught:
        runtime.delete(network, Parameters("c1"))

    assert [(vars(each)["plugin_type"], each.code) for each in caught.value.failures] == [
        ("three", 111),
        ("one", 112),
    ]
    assert caught.value.code == 111
    assert 'network "net": DEL of c1/eth0 on net: 2 errors' in caught.value.msg
    assert "third" in caught.value.msg
    assert "first" in caught.value.msg


def test_a_plugin_that_does_not_know_the_container_has_nothing_to_delete(
    bin_dir, runtime, attached, entry_file
):
    """SPEC section 5: code 3 implies that no cleanup is needed."""
    network = attached()
    bin_dir.fail("two", "DEL", 3, "no such container")

    runtime.delete(network, Parameters("c1"))

    assert not entry_file.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kind": "cniCacheV1"}', "\0" * 100])
def test_delete_goes_on_without_a_damaged_cache_entry_and_removes_it(
    runtime, attached, entry_file, warnings, content
):
    """A7: after a power loss the result is an empty file. T: DelNetworkList invalid cache tolerated."""
    network = attached("one")
    entry_file.write_text(content)

    runtime.delete(network, Parameters("c1"))

    assert "DEL goes on without prevResult" in warnings[0]
    assert not entry_file.exists()


def test_delete_goes_on_without_a_result_that_cannot_be_converted(
    bin_dir, runtime, attached, entry_file, warnings
):
    """T: DelNetwork unconvertible tolerated."""
    network = attached("one")
    edit(entry_file, result={"cniVersion": "9.9.9"})

    runtime.delete(network, Parameters("c1"))

    assert previous(bin_dir) == [None]
    assert ["unknown cniVersion" in line for line in warnings] == [True]


def test_a_convertible_result_of_another_version_is_sent(bin_dir, runtime, attached, network):
    """T: DelNetwork convertible tolerated."""
    attached("one")

    runtime.delete(network("one", version="0.4.0"), Parameters("c1"))

    assert previous(bin_dir)[0]["cniVersion"] == "0.4.0"


def test_delete_works_with_an_unusable_cache_directory(
    bin_dir, make_runtime, network, tmp_path, warnings
):
    """Nothing may keep DEL from releasing what plugins hold."""
    (tmp_path / "file").write_text("")

    make_runtime(cache_dir=str(tmp_path / "file" / "cache")).delete(network(), Parameters("c1"))

    assert bin_dir.order == ["three DEL", "two DEL", "one DEL"]
    assert "operations are not serialised" in warnings[0]


def test_delete_works_with_a_version_nobody_knows(bin_dir, runtime, network):
    """A9: DEL is not as strict as ADD."""
    runtime.delete(network("one", version="1.2.3"), Parameters("c1"))

    assert bin_dir.order == ["one DEL"]
