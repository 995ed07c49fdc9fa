"""STATUS, VERSION and validation of a network."""

import pytest

from cnisdk import errors
from cnisdk.runtime import PluginFailed, SeveralFailed


# ---- STATUS -------------------------------------------------------------------------------------


def test_status_asks_the_plugins_in_order(bin_dir, runtime, network):
    """Name and version are put in, nothing else; there is no attachment."""
    runtime.status(network(version="1.1.0"))

    assert bin_dir.order == ["one STATUS", "two STATUS", "three STATUS"]
    assert bin_dir.calls[0].stdin == {"cniVersion": "1.1.0", "name": "net", "type": "one"}
    assert "CNI_CONTAINERID" not in bin_dir.calls[0].env


@pytest.mark.parametrize("code", [50, 51])
def test_the_first_bad_status_surfaces_with_its_code(bin_dir, runtime, network, code):
    """T: STATUS: second plugin's code 50 surfaces and third is not run."""
    bin_dir.fail("two", "STATUS", code, "pool exhausted")

    with pytest.raises(PluginFailed, match=r'type="two" name="net".*pool exhausted') as caught:
        runtime.status(network(version="1.1.0"))

    assert code == caught.value.code
    assert bin_dir.order == ["one STATUS", "two STATUS"]


def test_below_1_1_0_the_status_is_good_without_asking(bin_dir, runtime, network):
    """STATUS came with 1.1.0."""
    runtime.status(network("absent", version="1.0.0"))

    assert bin_dir.order == []


def test_a_plugin_that_is_not_installed_is_not_available(runtime, network):
    """D6: the reason is said, with the code that means it."""
    with pytest.raises(PluginFailed, match='failed to find plugin "absent"') as caught:
        runtime.status(network("one", "absent", version="1.1.0"))

    assert errors.PluginNotAvailable.code == caught.value.code


# ---- VERSION ------------------------------------------------------------------------------------


def test_a_plugin_is_asked_with_dummy_parameters_and_our_version(bin_dir, runtime):
    """T: dummy env for VERSION; VERSION decode good."""
    info = runtime.version("one")

    call = bin_dir.calls[0]
    assert call.stdin == {"cniVersion": "1.1.0"}
    assert call.env["CNI_NETNS"]
    assert call.env["CNI_IFNAME"]
    assert (info.cni_version, info.supported[0]) == ("1.1.0", "0.1.0")


def test_a_plugin_from_before_the_verb_supports_the_oldest_version(bin_dir, runtime):
    """T: old plugin: 0.1.0."""
    bin_dir.fail("one", "VERSION", 4, "unknown CNI_COMMAND: VERSION")

    assert runtime.version("one").supported == ("0.1.0",)


def test_a_list_may_be_missing_in_0_2_0_only(bin_dir, runtime):
    """T: VERSION decode: missing list with 0.2.0."""
    bin_dir.answer("one", "VERSION", {"cniVersion": "0.2.0"})

    assert runtime.version("one").supported == ("0.1.0", "0.2.0")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "text",
        [],
        {"supportedVersions": ["1.0.0"]},
        {"cniVersion": "1.0.0"},
        {"cniVersion": "1.0.0", "supportedVersions": []},
        {"cniVersion": "1.0.0", "supportedVersions": "1.0.0"},
        {"cniVersion": "1.0.0", "supportedVersions": [1]},
    ],
    ids=str,
)
def test_any_other_answer_is_an_error_that_names_the_plugin(bin_dir, runtime, answer):
    """T: VERSION decode: bad JSON / missing cniVersion."""
    bin_dir.answer("one", "VERSION", answer)

    with pytest.raises(errors.CniError, match='plugin "one"'):
        runtime.version("one")


def test_other_errors_of_version_are_passed_on(bin_dir, runtime):
    """Only the one message means an old plugin."""
    bin_dir.fail("one", "VERSION", 99, "out of order")

    with pytest.raises(errors.DelegateError, match="out of order"):
        runtime.version("one")


def test_a_hanging_plugin_does_not_hold_up_version(bin_dir, make_runtime):
    """T: context timeout on VERSION."""
    bin_dir.script("one", "VERSION", "sleep 30")

    with pytest.raises(errors.TryAgainLater):
        make_runtime(seconds=0.3).version("one")


# ---- validation ---------------------------------------------------------------------------------


def test_a_good_network_validates_to_its_capabilities(runtime, network):
    """T: validate good; validate returns capabilities."""
    plugins = [
        {"type": "one", "capabilities": {"mac": True, "ips": False}},
        {"type": "two", "capabilities": {"portMappings": True}},
    ]

    assert {"mac", "portMappings"} == runtime.validate(network(plugins=plugins))


def test_a_network_without_version_is_validated_as_the_oldest(runtime, network):
    """T: version omitted."""
    assert frozenset() == runtime.validate(network("one", version=""))


def test_every_missing_or_unsuitable_plugin_is_reported(bin_dir, runtime, network):
    """T: validate missing plugin / unsupported version."""
    bin_dir.answer("two", "VERSION", {"cniVersion": "0.4.0", "supportedVersions": ["0.4.0"]})

    with pytest.raises(SeveralFailed) as caught:
        runtime.validate(network("absent", "one", "two"))

    assert [vars(each)["plugin_type"] for each in caught.value.failures] == ["absent", "two"]
    assert 'does not support config version "1.0.0"' in caught.value.msg


def test_validation_has_a_deadline(bin_dir, make_runtime, network):
    """T: context timeout on validate."""
    bin_dir.script("one", "VERSION", "sleep 30")

    with pytest.raises(PluginFailed) as caught:
        make_runtime(seconds=0.3).validate(network("one"))

    assert errors.TryAgainLater.code == caught.value.code
