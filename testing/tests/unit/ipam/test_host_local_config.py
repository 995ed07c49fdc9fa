"""host-local's inputs: ranges and requested addresses from all sources, resolv.conf, limits."""

from pathlib import Path
from typing import Any

import pytest


LEGACY = {
    "subnet": "10.1.2.0/24",
    "rangeStart": "10.1.2.9",
    "rangeEnd": "10.1.2.20",
    "gateway": "10.1.2.30",
}
TWO = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/24"}]]}
DUAL = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}


# ---- ranges -------------------------------------------------------------------------------------


def test_the_old_form_of_a_single_range_works(host_local: Any, version: str) -> None:
    """T: config: legacy."""
    answer = host_local.ok("ADD", LEGACY, version=version)

    assert answer.ips == ["10.1.2.9/24"]
    if version >= "0.3.0":
        assert answer.document["ips"][0]["gateway"] == "10.1.2.30"


def test_range_sets_come_in_the_order_runtime_legacy_configuration(host_local: Any) -> None:
    """T: new style with 2 sets; runtimeConfig.ipRanges placed first."""
    answer = host_local.ok(
        "ADD",
        {**LEGACY, "ranges": [[{"subnet": "11.1.0.0/24"}], [{"subnet": "12.1.0.0/24"}]]},
        runtimeConfig={
            "ipRanges": [
                [{"subnet": "13.1.0.0/24", "rangeStart": "13.1.0.5"}],
                [{"subnet": "fd00::/64"}],
            ]
        },
    )

    assert answer.ips == ["13.1.0.5/24", "fd00::2/64", "10.1.2.9/24", "11.1.0.2/24", "12.1.0.2/24"]


def test_ranges_may_all_come_with_add(host_local: Any) -> None:
    """The capability ipRanges: STATUS has no runtimeConfig, and so cannot know them."""
    assert host_local("STATUS", {}).code == 0
    refused = host_local("ADD", {})
    assert refused.code == 7
    assert "no IP ranges specified" in refused.error
    assert not host_local.data_dir.exists()


@pytest.mark.parametrize("gateway", ["fe80::1", "fd00::1"])
def test_the_gateway_of_ipv6_may_be_a_routers_link_local_address(
    host_local: Any, gateway: str
) -> None:
    """It is what routers announce themselves by."""
    answer = host_local.ok("ADD", {"ranges": [[{"subnet": "fd00::/64", "gateway": gateway}]]})

    assert answer.document["ips"][0]["gateway"] == gateway
    assert host_local("ADD", {"subnet": "10.1.2.0/24", "gateway": "169.254.1.1"}).code == 7


@pytest.mark.parametrize(
    ("ipam", "complaint"),
    [
        ({"ranges": [[]]}, "ipam.ranges[0]: empty range set"),
        ({"ranges": [[{"subnet": "10.1.2.3/24"}]]}, "ipam.ranges[0][0].subnet: network 10.1.2.3/24 has host bits set"),
        ({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.2.0/25"}]]}, "ipam.ranges[0]: subnets"),
        ({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.0/25"}]]}, "ipam.ranges[1]: range set overlaps with ipam.ranges[0]"),
        ({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "fd00::/64"}]]}, "ipam.ranges[0]: mixed address families"),
        ({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.3.0/24", "rangeStart": "10.1.2.7"}]]}, "ipam.ranges[0][1].rangeStart: 10.1.2.7 not in network 10.1.3.0/24"),
        ({"subnet": "10.1.2.0/24", "gateway": "10.1.3.1"}, "ipam.gateway: 10.1.3.1 not in network 10.1.2.0/24"),
        ({"subnet": "10.1.2.0/24", "ranges": [[{"subnet": "10.1.2.0/24"}]]}, "ipam.ranges[0]: range set overlaps with ipam"),
        ({"ranges": [[{"subnet": "10.1.2.0/33"}]]}, "ipam.ranges[0][0].subnet"),
        ({"ranges": [[{}]]}, "ipam.ranges[0][0].subnet: required"),
        ({"ranges": [[{"subnet": "10.1.2.0/24", "rangeEnd": "x"}]]}, "ipam.ranges[0][0].rangeEnd"),
    ],
)  # fmt: skip
def test_a_range_that_makes_no_sense_is_named_by_its_path(
    host_local: Any, ipam: dict[str, Any], complaint: str
) -> None:
    """T: overlap between sets; overlap within set; mixed families. Nothing is created."""
    for verb in ("ADD", "STATUS"):
        answer = host_local(verb, ipam)

        assert answer.code == 7
        assert complaint in answer.error
    assert not host_local.data_dir.exists()


def test_a_range_of_the_runtime_is_named_by_its_path(host_local: Any) -> None:
    """The operator finds the offender in what the runtime sent."""
    answer = host_local("ADD", {}, runtimeConfig={"ipRanges": [[{"subnet": "10.1.2.9/24"}]]})

    assert "runtimeConfig.ipRanges[0][0].subnet: " in answer.error


def test_a_missing_ipam_section_is_named(host_local: Any, version: str) -> None:
    """T: the text of the Go plugin."""
    answer = host_local("ADD", None, version=version)

    assert (answer.code, answer.document["msg"]) == (7, "IPAM config missing 'ipam' key")


def test_old_versions_hold_one_address_of_each_family(host_local: Any) -> None:
    """T: 0.2.0 two v4 sets rejected; 0.2.0 v4+v6 accepted."""
    for version in ("0.1.0", "0.2.0"):
        refused = host_local("ADD", TWO, version=version)

        assert refused.code == 7
        assert "does not support more than 1 address per family" in refused.error
        host_local.ok("ADD", DUAL, f"c{version}", version=version)
    assert host_local.ok("ADD", TWO, version="0.3.0", network="other").status == 0


# ---- requested addresses ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/24", "/32"])
@pytest.mark.parametrize("source", ["CNI_ARGS IP", "args.cni.ips", "runtimeConfig.ips"])
def test_an_address_can_be_asked_for(
    host_local: Any, source: str, prefix: str, version: str
) -> None:
    """T: CNI_ARGS IP with/without prefix; args.cni.ips with/without prefix; runtimeConfig.ips."""
    text = "10.1.2.88" + prefix
    keywords: dict[str, Any] = {
        "CNI_ARGS IP": {"cni_args": f"IgnoreUnknown=1;IP={text}"},
        "args.cni.ips": {"args": {"cni": {"ips": [text]}}},
        "runtimeConfig.ips": {"runtimeConfig": {"ips": [text]}},
    }[source]
    answer = host_local.ok(
        "ADD", {"ranges": [[{"subnet": "10.1.2.0/24"}]]}, version=version, **keywords
    )

    assert answer.ips == ["10.1.2.88/24"]
    assert host_local.files()["last_reserved_ip.0"] == b"10.1.2.88"


@pytest.mark.parametrize(
    ("ranges", "given"),
    [
        (TWO["ranges"], ["10.1.2.8/24", "10.1.3.9/24"]),
        (DUAL["ranges"], ["10.1.2.8/24", "2001:db8:1::999/64"]),
        (
            [*TWO["ranges"], DUAL["ranges"][1]],
            ["10.1.2.8/24", "10.1.3.9/24", "2001:db8:1::999/64"],
        ),
    ],
    ids=["sets", "families", "both"],
)
def test_addresses_of_several_sets_and_families_can_be_asked_for(
    host_local: Any, version: str, ranges: list[Any], given: list[str]
) -> None:
    """T: several custom IPs across sets (0.1/0.2 error); across families; in any order."""
    wanted = [each.partition("/")[0] for each in reversed(given)]
    answer = host_local("ADD", {"ranges": ranges}, version=version, args={"cni": {"ips": wanted}})

    if version < "0.3.0" and "10.1.3.9/24" in given:
        assert answer.code == 7
        assert (
            f"CNI version {version} does not support more than 1 address per family" in answer.error
        )
        assert not host_local.data_dir.exists()
    else:
        assert (answer.code, answer.ips) == (0, given)


def test_args_cni_and_runtime_config_add_up(host_local: Any) -> None:
    """T: runtimeConfig.ips come on top of args.cni.ips, as in the Go plugin."""
    answer = host_local.ok(
        "ADD",
        TWO,
        args={"cni": {"ips": ["10.1.2.8"]}},
        runtimeConfig={"ips": ["10.1.3.9/24", "10.1.2.8"]},
    )

    assert answer.ips == ["10.1.2.8/24", "10.1.3.9/24"]


def test_cni_args_give_way_to_args_cni(host_local: Any) -> None:
    """W-HL-11: CONVENTIONS.md: CNI_ARGS are to be ignored where args are given."""
    answer = host_local.ok(
        "ADD",
        {"ranges": [[{"subnet": "10.1.2.0/24"}]]},
        cni_args="IP=10.1.2.50",
        args={"cni": {"ips": ["10.1.2.60"]}},
    )

    assert answer.ips == ["10.1.2.60/24"]


@pytest.mark.parametrize("wanted", ["10.1.2.8", "10.1.2.21", "10.1.2.30"])
def test_an_address_beside_the_range_cannot_be_asked_for(
    host_local: Any, version: str, wanted: str
) -> None:
    """T: specific IP after end / before start; unused custom IP -> error prefix."""
    answer = host_local("ADD", LEGACY, version=version, args={"cni": {"ips": [wanted]}})

    assert answer.code == 7
    assert answer.document["msg"] == f"failed to allocate all requested IPs: {wanted}"
    assert host_local.reserved() == set()


def test_an_address_that_is_taken(host_local: Any, version: str) -> None:
    """T: specific IP taken (exact text)."""
    wanted = {"args": {"cni": {"ips": ["10.1.2.9"]}}}
    host_local.ok("ADD", LEGACY, "holder", version=version, **wanted)
    answer = host_local("ADD", LEGACY, version=version, **wanted)

    assert answer.document["msg"] == (
        "failed to allocate for range 0: requested IP address 10.1.2.9 is not available in range "
        "set 10.1.2.9-10.1.2.20"
    )


@pytest.mark.parametrize(
    ("wanted", "code", "complaint"),
    [
        (["10.9.9.9"], 7, "failed to allocate all requested IPs: 10.9.9.9 args.cni.ips: it is in no range set"),
        (["10.1.2.8", "10.1.2.9"], 7, "10.1.2.9 args.cni.ips: range set 0 gives one address only, 10.1.2.8 was asked for first"),
        (["10.1.2.1"], 7, "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"),
        (["10.1.2.2"], 11, "for range 0: requested IP address 10.1.2.2 is not available in range set 10.1.2.1-"),
        (["10.1.2.2"], 11, "held by container holder interface eth0 since "),
        (["10.1.2.255"], 7, "in no range set"),
        (["10.1.2.0"], 7, "in no range set"),
        (["10.1.2.999"], 7, 'args.cni.ips[0]: expected an IP address, got "10.1.2.999"'),
        (["fe80::1%../../x"], 7, "expected an IP address"),
        ("10.1.2.9", 6, "args.cni.ips: expected a list"),
    ],
)  # fmt: skip
def test_why_an_address_cannot_be_had_is_told_apart(
    host_local: Any, wanted: object, code: int, complaint: str
) -> None:
    """T: specific IP taken, after end, before start; unused custom IP. podman#8403: say who holds it."""
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24"}]]}
    host_local.ok("ADD", ipam, "holder")
    answer = host_local("ADD", ipam, args={"cni": {"ips": wanted}})

    assert (code, {"10.1.2.2"}) == (answer.code, host_local.reserved())
    assert complaint in answer.error


def test_a_requested_address_does_not_get_round_the_duplicate_check(host_local: Any) -> None:
    """W-HL-4: one attachment cannot pile up addresses by asking for each."""
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24"}]]}
    host_local.ok("ADD", ipam)
    answer = host_local("ADD", ipam, args={"cni": {"ips": ["10.1.2.77"]}})

    assert answer.code == 110
    assert "10.1.2.2 has been allocated" in answer.error
    assert {"10.1.2.2"} == host_local.reserved()


def test_the_first_of_several_requested_addresses_wins_every_time(host_local: Any) -> None:
    """W-HL-5: the Go plugin goes through them in random order."""
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24"}]]}
    errors = {
        host_local("ADD", ipam, args={"cni": {"ips": [f"10.1.2.{n}" for n in (9, 8, 7, 6)]}}).error
        for _ in range(10)
    }

    assert len(errors) == 1


# ---- resolv.conf --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 192.0.2.0\nnameserver 192.0.2.1\n", {"nameservers": ["192.0.2.0", "192.0.2.1"]}),
        ("# comment\n;nameserver 1.1.1.1\n  nameserver 192.0.2.0\n\n", {"nameservers": ["192.0.2.0"]}),
        (
            (
                "nameserver 192.0.2.0\nnameserver 192.0.2.2\ndomain example.org\n"
                "domain example.com\nsearch a.example b.example\nsearch c.example\n"
                "options four\noptions five six\nsortlist 1\n"
            ),
            {
                "nameservers": ["192.0.2.0", "192.0.2.2"],
                "domain": "example.com",
                "search": ["a.example", "b.example", "c.example"],
                "options": ["four", "five", "six"],
            },
        ),
    ],
    ids=["simple", "comments", "all fields"],
)  # fmt: skip
def test_resolv_conf_becomes_dns(
    host_local: Any, tmp_path: Path, text: str, expected: dict[str, Any]
) -> None:
    """T: resolv.conf simple, comments, all fields."""
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    answer = host_local.ok("ADD", {"subnet": "10.1.2.0/24", "resolvConf": str(path)})

    assert expected == answer.document["dns"]


def test_an_unreadable_resolv_conf_fails_before_anything_is_reserved(host_local: Any) -> None:
    """The file is named, no address is taken."""
    answer = host_local("ADD", {"subnet": "10.1.2.0/24", "resolvConf": "/not/there"})

    assert answer.code == 5
    assert "ipam.resolvConf: cannot read /not/there" in answer.error
    assert not host_local.data_dir.exists()
