"""static called as a runtime calls it."""

from typing import Any

import pytest


WITH_CHECK = ("0.4.0", "1.0.0", "1.1.0")
CONF = {
    "addresses": [
        {"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
        {"address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1"},
    ],
    "routes": [
        {"dst": "0.0.0.0/0"},
        {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
        {"dst": "3ffe:ffff:0:01ff::1/64"},
    ],
    "dns": {"nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"]},
}


def gateways(answer: Any) -> list[str | None]:
    if "ips" in answer.document:
        return [each.get("gateway") for each in answer.document["ips"]]
    return [answer.document[k].get("gateway") for k in ("ip4", "ip6") if k in answer.document]


def test_addresses_routes_and_dns_are_answered_as_configured(static: Any, version: str) -> None:
    """T: v4+v6 with routes and dns, ADD/DEL."""
    answer = static.ok("ADD", CONF, version=version)

    assert answer.ips == ["10.10.0.1/24", "3ffe:ffff:0:1ff::1/64"]
    assert gateways(answer) == ["10.10.0.254", "3ffe:ffff::1"]
    assert answer.document["dns"] == CONF["dns"]
    routes = [
        {"dst": "0.0.0.0/0"},
        {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
        # As written, which is for whoever applies it to judge.
        {"dst": "3ffe:ffff:0:1ff::1/64"},
    ]
    if version >= "0.3.0":
        assert answer.document["routes"] == routes
    else:
        four, six = answer.document["ip4"], answer.document["ip6"]
        assert (four["routes"], six["routes"]) == (routes[:2], routes[2:])
    assert static.ok("DEL", CONF, version=version).status == 0


def test_two_default_routes_are_both_kept(static: Any, version: str) -> None:
    """T: two default gateways kept (ECMP)."""
    routes = [{"dst": "0.0.0.0/0", "gw": "10.10.0.254"}, {"dst": "0.0.0.0/0", "gw": "10.10.0.253"}]
    answer = static.ok(
        "ADD", {"addresses": [{"address": "10.10.0.1/24"}], "routes": routes}, version=version
    )
    document = answer.document if version >= "0.3.0" else answer.document["ip4"]

    assert [route["gw"] for route in document["routes"]] == ["10.10.0.254", "10.10.0.253"]


def test_del_of_what_was_never_added_succeeds(static: Any, version: str) -> None:
    """T: DEL unknown id; also with a configuration that no ADD would accept."""
    assert static.ok("DEL", CONF, "never", version=version).status == 0
    assert static.ok("DEL", {"addresses": "none"}, version=version).status == 0
    assert static.ok("DEL", None, version=version).status == 0


def test_cni_args_give_address_and_gateway(static: Any, version: str) -> None:
    """T: CNI_ARGS IP+GATEWAY."""
    answer = static.ok(
        "ADD", {}, cni_args="IgnoreUnknown=1;IP=10.10.0.1/24;GATEWAY=10.10.0.254", version=version
    )

    assert (answer.ips, gateways(answer)) == (["10.10.0.1/24"], ["10.10.0.254"])


def test_several_addresses_of_cni_args_share_a_gateway_by_subnet(static: Any, version: str) -> None:
    """T: two CNI_ARGS IPs with one gateway (0.1/0.2 error)."""
    args = "IP=10.10.0.1/24,11.11.0.1/24;GATEWAY=10.10.0.254"
    answer = static("ADD", {}, cni_args=args, version=version)

    if version < "0.3.0":
        assert answer.code == 7
        assert "does not support more than 1 address per family" in answer.error
    else:
        assert (
            answer.ips,
            gateways(answer),
        ) == (["10.10.0.1/24", "11.11.0.1/24"], ["10.10.0.254", None])


def test_several_gateways_of_cni_args_go_to_their_subnets(static: Any, version: str) -> None:
    """T: CNI_ARGS IP+GATEWAY: each gateway for the addresses in whose subnet it is."""
    args = "IP=10.10.0.1/24,fd00::5/64;GATEWAY=fd00::1,10.10.0.254,192.0.2.1"
    answer = static.ok("ADD", {}, cni_args=args, version=version)

    assert answer.ips == ["10.10.0.1/24", "fd00::5/64"]
    assert gateways(answer) == ["10.10.0.254", "fd00::1"]


def test_cni_args_come_after_configured_addresses(static: Any) -> None:
    """CNI_ARGS IP adds, it does not replace."""
    answer = static.ok("ADD", CONF, cni_args="IP=10.11.0.5/24")

    assert answer.ips == ["10.10.0.1/24", "3ffe:ffff:0:1ff::1/64", "10.11.0.5/24"]


def test_gateway_of_cni_args_serves_configured_addresses_too(static: Any) -> None:
    """W-ST-1: the Go plugin ignores GATEWAY for them; one with a gateway of its own keeps it."""
    conf = {
        "addresses": [
            {"address": "10.10.0.1/24"},
            {"address": "10.10.0.2/24", "gateway": "10.10.0.9"},
            {"address": "10.20.0.1/24"},
        ]
    }
    answer = static.ok("ADD", conf, cni_args="GATEWAY=10.10.0.254")

    assert gateways(answer) == ["10.10.0.254", "10.10.0.9", None]


@pytest.mark.parametrize(
    "inputs",
    [
        {"runtimeConfig": {"ips": ["172.16.0.1/16"]}},
        {"args": {"cni": {"ips": ["172.16.0.1/16"]}}},
        {
            "runtimeConfig": {"ips": ["172.16.0.1/16"]},
            "args": {"cni": {"ips": ["10.9.0.1/24"]}},
            "cni_args": "IP=10.8.0.1/24;GATEWAY=10.8.0.254",
        },
    ],
    ids=["runtimeConfig", "args.cni", "all three"],
)
def test_addresses_of_the_runtime_replace_all_others(
    static: Any, inputs: dict[str, Any], version: str
) -> None:
    """T: runtimeConfig; args.cni; all three together -> runtimeConfig wins."""
    answer = static.ok("ADD", CONF, version=version, **inputs)

    assert (answer.ips, gateways(answer)) == (["172.16.0.1/16"], [None])


@pytest.mark.parametrize("source", ["runtimeConfig", "args.cni"])
def test_two_addresses_of_the_runtime(static: Any, source: str, version: str) -> None:
    """T: runtimeConfig; args.cni: two at once (0.1/0.2 error), or one of each family."""

    def add(*ips: str) -> Any:
        given = {"ips": list(ips)}
        inputs = {"runtimeConfig": given} if source == "runtimeConfig" else {"args": {"cni": given}}
        return static("ADD", CONF, version=version, **inputs)

    assert add("172.16.0.1/16", "fd00::5/64").ips == ["172.16.0.1/16", "fd00::5/64"]
    answer = add("172.16.0.1/16", "172.17.0.1/16")
    if version < "0.3.0":
        assert "does not support more than 1 address per family" in answer.error
    else:
        assert answer.ips == ["172.16.0.1/16", "172.17.0.1/16"]


@pytest.mark.parametrize(
    "inputs",
    [{"cni_args": "IP=10.10.0.1/24"}, {"runtimeConfig": {"ips": ["10.10.0.1/24"]}}],
)
def test_a_missing_ipam_section_is_refused(
    static: Any, inputs: dict[str, Any], version: str
) -> None:
    """T: missing ipam with CNI_ARGS; missing ipam with runtimeConfig."""
    answer = static("ADD", None, version=version, **inputs)

    assert (answer.code, answer.document["msg"]) == (7, "IPAM config missing 'ipam' key")


@pytest.mark.parametrize(
    ("ipam", "inputs", "complaint"),
    [
        ({"addresses": [{"address": "10.0.0.1"}]}, {}, "the 'address' field is expected to be in CIDR notation, got: '10.0.0.1'; ipam.addresses[0].address"),
        ({"addresses": [{}]}, {}, "ipam.addresses[0].address: required"),
        ({}, {"cni_args": "IP=10.0.0.1"}, "the 'ip' field is expected to be in CIDR notation, got: '10.0.0.1'; CNI_ARGS IP"),
        ({}, {"args": {"cni": {"ips": ["10.0.0.1"]}}}, "an entry in the 'ips' field is NOT in CIDR notation, got: '10.0.0.1'; args.cni.ips[0]"),
        ({}, {"runtimeConfig": {"ips": ["10.0.0.1"]}}, "an entry in the 'ips' field is NOT in CIDR notation, got: '10.0.0.1'; runtimeConfig.ips[0]"),
        (CONF, {"cni_args": "GATEWAY=here"}, "invalid gateway address: here; CNI_ARGS GATEWAY"),
        ({"addresses": [{"address": "10.0.0.1/8", "gateway": "x"}]}, {}, "ipam.addresses[0].gateway"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_named_by_its_path(
    static: Any, ipam: dict[str, Any], inputs: dict[str, Any], complaint: str, version: str
) -> None:
    """T: non-CIDR via config / CNI_ARGS / args.cni / runtimeConfig.

    Messages that the Go plugin has too are the whole error; the path is for stderr.
    """
    answer = static("ADD", ipam, version=version, **inputs)

    assert answer.code == 7
    assert complaint in answer.stderr
    if ";" in complaint:
        assert answer.document["msg"] == complaint.partition(";")[0]
        assert "details" not in answer.document


def test_no_address_at_all_is_refused(static: Any, version: str) -> None:
    """W-ST-1: the Go plugin answers with an empty result."""
    answer = static("ADD", {}, version=version)

    assert answer.code == 7
    assert "ipam.addresses: no addresses to assign" in answer.error


@pytest.mark.parametrize("version", WITH_CHECK)
def test_check_passes_for_what_add_answered(static: Any, version: str) -> None:
    """An unchanged attachment passes, also with addresses of other plugins added."""
    result = static.ok("ADD", CONF, version=version).document
    result["ips"].append({"version": "4", "address": "172.16.0.9/24"})

    assert static.ok("CHECK", CONF, version=version, prevResult=result).status == 0


@pytest.mark.parametrize("version", WITH_CHECK)
def test_check_fails_for_a_missing_address_and_another_gateway(static: Any, version: str) -> None:
    """W-ST-1: an address missing from prevResult is an error."""
    static.version = version
    result = static.ok("ADD", CONF).document
    missing = {**result, "ips": result["ips"][1:]}
    altered = {**result, "ips": [{**result["ips"][0], "gateway": "10.10.0.7"}, result["ips"][1]]}

    assert "address 10.10.0.1/24 is missing" in static("CHECK", CONF, prevResult=missing).error
    assert (
        "10.10.0.7 in prevResult, not 10.10.0.254"
        in static("CHECK", CONF, prevResult=altered).error
    )


def test_check_needs_prev_result(static: Any) -> None:
    """SPEC section 2, CHECK: the result of ADD is what is checked."""
    assert static("CHECK", CONF).code == 7


def test_gc_and_status_have_nothing_to_do(static: Any) -> None:
    """Nothing is kept, so nothing leaks and nothing runs out."""
    assert static.ok("GC", CONF, **{"cni.dev/valid-attachments": []}).status == 0
    assert static.ok("STATUS", CONF).status == 0
