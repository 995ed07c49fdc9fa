"""Reading a configuration: keys, sources and their precedence, strict and lenient readings."""

from functools import partial
from typing import Any

import attrs
import pytest

import cnisdk
from cnisdk import errors
from cnisdk._codec import Sources, decode, decode_leniently
from cnisdk._config import camel_case, capabilities_of


@cnisdk.config
class Section:
    """A nested section."""

    size: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@cnisdk.config
class Conf(cnisdk.NetConf):
    """One of everything."""

    bridge: str = "cni0"
    is_gateway: bool = False
    mtu: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    section: Section | None = None
    mac: str | None = cnisdk.capability("mac", arg="MAC", default=None)
    ip: str = cnisdk.arg("IP", default="")
    preserve: bool = cnisdk.key("preserveDefaultVlan", default=True, arg="PRESERVE")


@cnisdk.config(strict=True)
class StrictConf(cnisdk.NetConf):
    """Refuses unknown keys."""

    bridge: str = "cni0"


@cnisdk.config
class Needy(cnisdk.NetConf):
    """Has a required key and a check over two."""

    master: str
    low: int = 0
    high: int = 9

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise errors.InvalidConfig(f"low: {self.low} is above high: {self.high}")


def _octal(text: Any) -> int:
    return int(text, 8)


@cnisdk.config
class Converting(cnisdk.NetConf):
    """A field with a converter of its own."""

    level: Any = attrs.field(default="1", converter=_octal)


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("bridge", "bridge"),
        ("is_gateway", "isGateway"),
        ("a_b_c", "aBC"),
        ("type_", "type"),
        ("ip6_prefix", "ip6Prefix"),
    ],
)
def test_key_is_the_field_name_in_camel_case(field: str, key: str) -> None:
    """The rule of the authoring guide."""
    assert camel_case(field) == key


@pytest.mark.parametrize("key", ["isGateway", "isgateway", "IsGateway", "ISGATEWAY"])
def test_keys_are_matched_regardless_of_case(key: str) -> None:
    """Contract 1.3: configurations in the wild rely on it."""
    assert decode(Conf, {key: True}).is_gateway is True


@pytest.mark.parametrize("keys", [("bridge", "BRIDGE"), ("BRIDGE", "bridge")])
def test_last_of_keys_that_differ_in_case_wins(keys: tuple[str, str]) -> None:
    """Contract 1.3: as in Go, so that runtime and plugin read the same."""
    assert decode(Conf, {keys[0]: "first", keys[1]: "last"}).bridge == "last"


def test_null_is_the_same_as_an_absent_key() -> None:
    """Contract 1.3: `null` = absent."""
    assert decode(Conf, {"bridge": None, "section": None, "mac": None}) == Conf()


def test_unknown_keys_are_allowed() -> None:
    """Contract 1.3: unknown fields are ignored."""
    assert decode(Conf, {"whatever": [1]}) == Conf()


def test_unknown_key_of_a_strict_configuration_is_unsupported() -> None:
    """SPEC section 5: "The message must contain the key and value of the unsupported field"."""
    document = {"name": "n", "type": "t", "cniVersion": "1.1.0", "capabilities": {}, "brigde": "x"}
    with pytest.raises(errors.UnsupportedField) as caught:
        decode(StrictConf, document)

    assert caught.value.msg == 'brigde: unsupported field with value "x"'
    assert caught.value.code == 2


SOURCES = Sources(
    cni_args=lambda: {"MAC": "from-args", "ip": "1", "PRESERVE": "0"},
    args_cni={"mac": "from-args-cni"},
    runtime_config={"MAC": "from-runtime"},
)


def test_capability_beats_argument_beats_key() -> None:
    """Precedence: key, CNI_ARGS, args.cni, runtimeConfig."""
    document = {"preserveDefaultVlan": True}

    assert decode(Conf, document, sources=SOURCES).mac == "from-runtime"
    without_runtime = SOURCES._replace(runtime_config={})
    assert decode(Conf, document, sources=without_runtime).mac == "from-args-cni"
    without_args_cni = without_runtime._replace(args_cni={})
    assert decode(Conf, document, sources=without_args_cni).mac == "from-args"
    assert decode(Conf, document, sources=SOURCES).preserve is False
    assert decode(Conf, document).preserve is True


def test_cni_args_are_matched_regardless_of_case() -> None:
    """W-LIB-21: in Go a lower-case key is an unknown argument."""
    assert decode(Conf, {}, sources=SOURCES).ip == "1"


@cnisdk.config
class Worded(cnisdk.IpamConf):
    """Fields with the words of another plugin."""

    address: cnisdk.IpInterface | None = cnisdk.key(default=None, refusal="'{}' is no CIDR")
    ips: tuple[cnisdk.IpAddress, ...] = cnisdk.arg("IP", default=(), refusal="bad IP: {}")
    asked: tuple[cnisdk.IpAddress | cnisdk.IpInterface, ...] = cnisdk.capability("ips", default=())


def test_items_of_a_list_are_separated_by_commas_in_cni_args() -> None:
    """CNI_ARGS have no other form for a list; args.cni have JSON's."""
    for text, expected in (("10.0.0.1, ::1,", 2), ("10.0.0.1", 1), ("", 0)):
        sources = Sources(cni_args=partial(dict, IP=text))
        assert len(decode(Worded, {}, sources=sources).ips) == expected
    with pytest.raises(errors.DecodingFailure, match=r"args.cni.IP: expected a list"):
        decode(Worded, {}, sources=Sources(args_cni={"IP": "10.0.0.1"}))


def test_a_field_may_have_its_own_words_for_what_cannot_be_read() -> None:
    """The message callers know stands alone; path and reason are in the hint."""
    sources = Sources(cni_args=lambda: {"IP": "::1,here"})
    with pytest.raises(errors.InvalidConfig) as refused:
        decode(Worded, {"address": "10.0.0.1"}, path="ipam", sources=sources)

    assert refused.value.msg == "'10.0.0.1' is no CIDR"
    assert refused.value.hint == (
        'ipam.address: expected an address in CIDR notation, got "10.0.0.1"'
    )
    assert refused.value.details == 'also CNI_ARGS IP[1]: expected an IP address, got "here"'
    with pytest.raises(errors.DecodingFailure, match=r"^ipam.address: expected"):
        decode(Worded, {"address": 10}, path="ipam")


def test_an_address_may_come_with_or_without_prefix_length() -> None:
    """Runtimes send both in the capability ips."""
    sources = Sources(runtime_config={"ips": ["10.0.0.1", "10.0.0.2/24", "::1/64"]})

    assert [str(each) for each in decode(Worded, {}, sources=sources).asked] == [
        "10.0.0.1",
        "10.0.0.2/24",
        "::1/64",
    ]


def test_unknown_arguments_are_ignored() -> None:
    """T: args: unknown ignored / not ignored. Ours need no IgnoreUnknown: Kubernetes' args are fine."""
    sources = Sources(cni_args=lambda: {"K8S_POD_NAME": "p", "IgnoreUnknown": "0"})

    assert decode(Conf, {}, sources=sources) == Conf()


def test_null_capability_does_not_hide_a_value() -> None:
    """`null` = absent, in runtimeConfig too."""
    sources = Sources(args_cni={"MAC": "m"}, runtime_config={"mac": None})

    assert decode(Conf, {}, sources=sources).mac == "m"


def test_capability_is_no_key() -> None:
    """A conflist author cannot set what only the runtime may."""
    assert decode(Conf, {"mac": "02:00:00:00:00:01"}).mac is None
    assert capabilities_of(Conf) == ("mac",)


@pytest.mark.parametrize(
    ("document", "sources", "message", "code"),
    [
        ({"MTU": "x"}, None, 'MTU: expected a whole number, got "x"', 6),
        ({"mtu": -1}, None, "mtu: must be >= 0: -1", 7),
        ({"section": {"Size": True}}, None, "section.Size: expected a whole number, got true", 6),
        ({"section": {"size": 0}}, None, "section.size: must be >= 1: 0", 7),
        (
            {},
            Sources(cni_args=lambda: {"PRESERVE": "x"}),
            "CNI_ARGS PRESERVE: expected true or false",
            6,
        ),
        ({}, Sources(args_cni={"Ip": 5}), "args.cni.Ip: expected a string, got 5", 6),
        ({}, Sources(runtime_config={"mac": 5}), "runtimeConfig.mac: expected a string, got 5", 6),
        ({"ipam": []}, None, "ipam: expected an object, got []", 6),
        ({"dns": {"search": "x"}}, None, 'dns.search: expected a list, got "x"', 6),
        ({"timeoutSeconds": "x"}, None, 'timeoutSeconds: expected a number, got "x"', 6),
    ],
)
def test_error_names_key_and_value_in_the_operators_spelling(
    document: dict[str, Any], sources: Sources | None, message: str, code: int
) -> None:
    """Bad input: the message names the offender in the user's spelling."""
    with pytest.raises(errors.CniError) as caught:
        decode(Conf, document, sources=sources)

    assert caught.value.msg.startswith(message)
    assert caught.value.code == code


def test_a_value_that_fails_a_validator_is_named_by_where_it_comes_from() -> None:
    """The operator looks into args, not for a key that is not there."""

    @cnisdk.config
    class Limited(cnisdk.NetConf):
        mtu: int = cnisdk.key(default=0, arg="mtu", validator=attrs.validators.ge(0))

    for sources, where in (
        (Sources(), "mtu"),
        (Sources(cni_args=lambda: {"MTU": "-1"}), "CNI_ARGS MTU"),
        (Sources(args_cni={"mtu": -1}), "args.cni.mtu"),
    ):
        with pytest.raises(errors.InvalidConfig, match=f"^{where}: must be >= 0"):
            decode(Limited, {"mtu": -1}, sources=sources)
        lenient, (problem,) = decode_leniently(Limited, {"mtu": -1}, sources=sources)
        assert lenient is not None
        assert (lenient.mtu, problem.path) == (0, where)


def test_all_defects_are_reported_at_once() -> None:
    """One error: the first decides the code, the others are in the details."""
    with pytest.raises(errors.DecodingFailure) as caught:
        decode(Conf, {"bridge": 1, "mtu": "x"})

    assert caught.value.msg == "bridge: expected a string, got 1"
    assert caught.value.details == 'also mtu: expected a whole number, got "x"'


def test_report_of_many_defects_is_cut() -> None:
    """A list of thousands of wrong entries makes a short error."""

    @cnisdk.config
    class Many(cnisdk.NetConf):
        numbers: tuple[int, ...] = ()

    with pytest.raises(errors.DecodingFailure) as caught:
        decode(Many, {"numbers": ["x"] * 1000})

    assert caught.value.details.endswith("and 989 more")


def test_missing_required_key_is_named() -> None:
    """Code 7."""
    with pytest.raises(errors.InvalidConfig, match="^master: required, but not given$"):
        decode(Needy, {})


def test_error_of_the_class_as_a_whole_keeps_its_code() -> None:
    """An author's `__attrs_post_init__` may compare keys."""
    with pytest.raises(errors.InvalidConfig, match="^low: 5 is above high: 2$"):
        decode(Needy, {"master": "eth0", "low": 5, "high": 2})


def test_failing_converter_is_named() -> None:
    """attrs itself does not say whose it was."""
    with pytest.raises(errors.CniError, match="^level: "):
        decode(Converting, {"level": 3})


def test_a_key_a_subclass_has_no_use_for_is_not_read() -> None:
    """A plugin that knows no addresses takes the field out of its constructor."""

    @cnisdk.config
    class Plain(cnisdk.NetConf):
        """Without IPAM, whatever the configuration says."""

        ipam: None = attrs.field(default=None, init=False)

    assert decode(Plain, {"name": "n", "ipam": {"type": "host-local"}}).ipam is None
    assert decode(Plain, {"name": "n", "ipam": "nonsense"}).name == "n"


def test_ipam_section_without_type_is_no_ipam() -> None:
    """`"ipam": {}` is how layer-2 networks are written."""
    assert decode(Conf, {"ipam": {}}).ipam is None
    assert decode(Conf, {"ipam": {"type": ""}}).ipam is None
    found = decode(Conf, {"ipam": {"type": "static"}}).ipam
    assert found is not None
    assert found.type == "static"


# ---- the lenient reading ------------------------------------------------------------------------


def test_lenient_reading_replaces_a_defective_value_by_its_default() -> None:
    """DEL and GC survive any defect."""
    config, problems = decode_leniently(
        Conf, {"bridge": "br1", "mtu": "x", "isGateway": "yes", "section": {"size": 0}}
    )

    assert config == Conf(bridge="br1")
    assert [problem.path for problem in problems] == ["isGateway", "mtu", "section.size"]


def test_lenient_reading_replaces_what_a_validator_refuses() -> None:
    """The value is left out, the rest is kept."""
    config, problems = decode_leniently(Conf, {"bridge": "br1", "mtu": -1})

    assert config == Conf(bridge="br1")
    assert [problem.path for problem in problems] == ["mtu"]


def test_lenient_reading_without_a_required_key_gives_no_configuration() -> None:
    """The handler finds out only when it asks for the configuration."""
    config, problems = decode_leniently(Needy, {})

    assert config is None
    assert [problem.path for problem in problems] == ["master"]


def test_lenient_reading_survives_the_classes_own_check() -> None:
    """Whatever `__attrs_post_init__` raises."""
    config, problems = decode_leniently(Needy, {"master": "m", "low": 5, "high": 2})

    assert config is None
    assert [str(problem) for problem in problems] == ["low: 5 is above high: 2"]


def test_lenient_reading_allows_unknown_keys() -> None:
    """Even a strict class."""
    config, problems = decode_leniently(StrictConf, {"x": 1})

    assert config == StrictConf()
    assert [problem.path for problem in problems] == ["x"]


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_lenient_reading_of_something_else_gives_the_defaults(body: object) -> None:
    """An `ipam` section that is no object."""
    config, problems = decode_leniently(Conf, body, path="ipam")

    assert config == Conf()
    assert [problem.path for problem in problems] == ["ipam"]


def test_configuration_shows_no_secret() -> None:
    """Its repr ends up in tracebacks and logs."""

    @cnisdk.config
    class Secretive(cnisdk.NetConf):
        token: str = cnisdk.key(secret=True, default="")
        bridge: str = "cni0"

    shown = repr(Secretive(token="s3cret"))

    assert "s3cret" not in shown
    assert "token=(secret)" in shown
    assert "bridge='cni0'" in shown


def test_a_key_wins_over_the_struct_field_that_go_prints_beside_it() -> None:
    """Upstream's tests send configurations that they have read into Go structs and printed again."""
    decoded = {"IP": "10.0.0.1", "Mask": "////AA=="}
    given = {"address": "10.0.0.1/24", "Address": decoded, "ips": [], "asked": []}

    assert str(decode(Worded, given).address) == "10.0.0.1/24"
    with pytest.raises(errors.DecodingFailure, match=r"^Address: expected"):
        decode(Worded, {"Address": decoded})
