"""What portmap takes from configuration and prevResult, and the rules it makes of that."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

import cnisdk
from cnisdk import FoundRule, HostPort
from cnisdk.capabilities import PortMapping
from reference_plugins import _portmap_iptables, _portmap_nft
from reference_plugins._port_mapping import Forward
from reference_plugins.portmap import PortmapConf


ME = cnisdk.Attachment("test", "c1", "eth0")
HOST, ETH0, ETH1 = (
    cnisdk.Interface("host"),
    cnisdk.Interface("eth0", sandbox="netns"),
    cnisdk.Interface("eth1", sandbox="netns"),
)
MIX: list[dict[str, Any]] = [
    {"host_port": 8080, "container_port": 80, "protocol": "tcp"},
    {"host_port": 8081, "container_port": 80, "protocol": "tcp"},
    {"host_port": 8080, "container_port": 81, "protocol": "udp"},
    {"host_port": 8082, "container_port": 82, "protocol": "udp"},
    {"host_port": 8083, "container_port": 83, "protocol": "tcp", "host_ip": "192.168.0.2"},
    {"host_port": 8084, "container_port": 84, "protocol": "tcp", "host_ip": "0.0.0.0"},
    {"host_port": 8085, "container_port": 85, "protocol": "tcp", "host_ip": "2001:db8:a::1"},
    {"host_port": 8086, "container_port": 86, "protocol": "tcp", "host_ip": "::"},
]


def conf(**keys: Any) -> PortmapConf:
    return PortmapConf(port_mappings=[PortMapping(**each) for each in MIX], **keys)


def rules(layout: Any, address: str, **keys: Any) -> list[str]:
    """The attachment's rules with the chain's kind in front."""
    cfg = conf(**keys)
    forward = Forward(ip_interface(address), cfg.port_mappings)
    table = layout.tables(_NoRules(), ME, [forward], cfg)[0]
    names = dict(zip(table.own_chains, ("OWN", "MASQ"), strict=False))
    lines = [f"{names.get(each.chain, each.chain)} {each.text}" for each in table.rules]
    for name, short in names.items():
        lines = [line.replace(name, short) for line in lines]
    return lines


class _NoRules:
    """A host on which nothing is forwarded yet."""

    def rules(self, *_: object, **__: object) -> list[FoundRule]:
        return []


def test_addresses_are_those_of_the_interface() -> None:
    """T: picks the first addresses of the interface with a sandbox, not the host's; and such without index."""
    given = [
        ("10.0.0.1/24", 0),
        ("10.0.0.2/24", 1),
        ("10.0.0.3/24", 1),
        ("2001:db8:1::2/64", 2),
        ("2001:db8:1::3/64", 1),
        ("2001:db8:1::4/64", 1),
    ]
    prev = cnisdk.Result(
        (HOST, ETH0, ETH1), tuple(cnisdk.Ip(ip_interface(a), interface=i) for a, i in given)
    )

    assert [str(each.container) for each in conf().forwards(prev, "eth0")] == [
        "10.0.0.2/24",
        "2001:db8:1::3/64",
    ]
    for index in (None, 3, 99):
        bare = cnisdk.Result(
            (HOST, ETH0, ETH1), (cnisdk.Ip(ip_interface("10.0.0.2/24"), interface=index),)
        )
        assert [str(each.container) for each in conf().forwards(bare, "eth0")] == ["10.0.0.2/24"]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"host_port": 0}, "Invalid host port number: 0; must be 1 to 65535"),
        ({"container_port": 65536}, "Invalid container port number: 65536"),
        ({"protocol": "icmp"}, 'protocol: must be tcp, udp or sctp, got "icmp"'),
        ({"host_ip": "here"}, "here"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(keys: dict[str, Any], complaint: str) -> None:
    """For every plugin that takes the capability."""
    good: dict[str, Any] = {"host_port": 80, "container_port": 80, "protocol": "TCP"}
    assert PortMapping(**good).proto == "tcp"
    with pytest.raises(ValueError, match=complaint):
        PortMapping(**{**good, **keys})


@pytest.mark.parametrize(("network", "cid"), [("test", "c" * 200), ("mycontainer", "1")])
def test_chain_names_are_the_go_plugins(network: str, cid: str) -> None:
    """T: chain names for pairs of network and container id: 21 digits of SHA-512."""
    digits = hashlib.sha512((network + cid).encode()).hexdigest()[:21]

    for ifname in ("eth0", "eth1"):
        table = _portmap_iptables.tables_of(cnisdk.Attachment(network, cid, ifname))[0]
        assert table.own_chains[0] == f"CNI-DN-{digits}"
        assert table.own_chains[2] == f"CNI-SN-{digits}"


WAYS = {
    4: [
        ("-p tcp -m tcp --dport 8080", "10.0.0.2:80"),
        ("-p tcp -m tcp --dport 8081", "10.0.0.2:80"),
        ("-p udp -m udp --dport 8080", "10.0.0.2:81"),
        ("-p udp -m udp --dport 8082", "10.0.0.2:82"),
        ("-d 192.168.0.2/32 -p tcp -m tcp --dport 8083", "10.0.0.2:83"),
        ("-p tcp -m tcp --dport 8084", "10.0.0.2:84"),
    ],
    6: [
        ("-p tcp -m tcp --dport 8080", "[2001:db8::2]:80"),
        ("-p tcp -m tcp --dport 8081", "[2001:db8::2]:80"),
        ("-p udp -m udp --dport 8080", "[2001:db8::2]:81"),
        ("-p udp -m udp --dport 8082", "[2001:db8::2]:82"),
        ("-d 2001:db8:a::1/128 -p tcp -m tcp --dport 8085", "[2001:db8::2]:85"),
        ("-p tcp -m tcp --dport 8086", "[2001:db8::2]:86"),
    ],
}
"""What the mix matches in each family, and where it leads; 0.0.0.0 and :: match no destination."""


@pytest.mark.parametrize(
    ("version", "keys", "marks"),
    [
        (4, {}, ["-s 10.0.0.0/24 {} -j CNI-HOSTPORT-SETMARK", "-s 127.0.0.1/32 {} -j CNI-HOSTPORT-SETMARK"]),
        (4, {"snat": False}, []),
        (4, {"masq_all": True}, ["{} -j CNI-HOSTPORT-SETMARK"]),
        (6, {}, ["-s 2001:db8::/64 {} -j CNI-HOSTPORT-SETMARK"]),
        (6, {"snat": False}, []),
        (6, {"masq_all": True}, ["{} -j CNI-HOSTPORT-SETMARK"]),
        (6, {"external_set_mark_chain": "PLZ-SET-MARK"}, ["-s 2001:db8::/64 {} -j PLZ-SET-MARK"]),
    ],
)  # fmt: skip
def test_iptables(version: int, keys: dict[str, Any], marks: list[str]) -> None:
    """T: the mix of eight, for IPv4, for IPv6, and with snat off; external mark chain; masqAll."""
    address = {4: "10.0.0.2/24", 6: "2001:db8::2/64"}[version]
    inner = [
        f"OWN {text}"
        for match, target in WAYS[version]
        for text in (
            *(each.format(match) for each in marks),
            f"{match} -j DNAT --to-destination {target}",
        )
    ]

    assert rules(_portmap_iptables, address, **keys) == [
        "CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 8080,8081,8083,8084,8085,8086 -j OWN",
        "CNI-HOSTPORT-DNAT -p udp -m multiport --dports 8080,8082 -j OWN",
        *inner,
    ]


@pytest.mark.parametrize("family", ["10.0.0.2/24", "2001:db8::2/64"])
def test_shared_rules_of_iptables(family: str) -> None:
    """T: top-level chain; mark chains, which are not made where snat is off or they are somebody else's."""
    entries = [
        "PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
        "OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    ]
    marking = [
        "CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000 # CNI portfwd masquerade mark",
        "CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE",
        "POSTROUTING -j CNI-HOSTPORT-MASQ # CNI portfwd requiring masquerade",
    ]

    def shared(**keys: Any) -> list[str]:
        cfg = conf(**keys)
        forward = Forward(ip_interface(family), cfg.port_mappings)
        table = _portmap_iptables.tables(_NoRules(), ME, [forward], cfg)[0]  # type: ignore[arg-type]
        assert [each.chain for each in table.shared if each.first] in (["POSTROUTING"], [])
        return [
            f"{each.chain} {each.text}" + (f" # {each.comment}" if each.comment else "")
            for each in table.shared
        ]

    assert shared() == [*entries, *marking]
    assert shared(snat=False) == shared(external_set_mark_chain="X") == entries


def test_nft_for_both_families() -> None:
    """T: the mix of eight, for IPv4 with snat and IPv6 without, with masqAll."""
    found = rules(_portmap_nft, "10.0.0.2/24")

    assert found[:2] == [
        "hostports tcp dport 8080 jump OWN",
        "OWN tcp dport 8080 dnat to 10.0.0.2:80",
    ]
    assert "hostports ip daddr 192.168.0.2 tcp dport 8083 jump OWN" in found
    assert found[-3:] == [
        "MASQ ct status dnat masquerade",
        "masquerading ip saddr 10.0.0.0/24 ip daddr 10.0.0.2 jump MASQ",
        "masquerading ip saddr 127.0.0.1 ip daddr 10.0.0.2 jump MASQ",
    ]
    six = rules(_portmap_nft, "2001:db8::2/64", snat=False)
    assert "OWN ip6 daddr 2001:db8:a::1 tcp dport 8085 dnat to [2001:db8::2]:85" in six
    assert len(six) == 2 * 6
    assert rules(_portmap_nft, "10.0.0.2/24", masq_all=True)[-1:] == [
        "masquerading ip daddr 10.0.0.2 jump MASQ"
    ]


@pytest.mark.parametrize("bit", [0, 5, 31])
def test_mark_of_a_bit(bit: int) -> None:
    """T: mark chains for bit 5, 0x20."""
    forward = Forward(ip_interface("10.0.0.2/24"), [])
    table = _portmap_iptables.tables(_NoRules(), ME, [forward], conf(mark_masq_bit=bit))[0]  # type: ignore[arg-type]

    texts = [each.text for each in table.shared]
    assert f"-j MARK --set-xmark {1 << bit:#x}/{1 << bit:#x}" in texts
    assert f"-m mark --mark {1 << bit:#x}/{1 << bit:#x} -j MASQUERADE" in texts


def test_places_overlap() -> None:
    one = HostPort("tcp", 80, None)
    local = HostPort("tcp", 80, ip_address("127.0.0.1"))

    assert one.overlaps(local)
    assert local.overlaps(one)
    assert local.overlaps(local)
    assert not local.overlaps(HostPort("tcp", 80, ip_address("127.0.0.2")))
    assert not one.overlaps(HostPort("udp", 80, None))
    assert not one.overlaps(HostPort("tcp", 81, None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (("tcp dport == 80", "dnat to 10.0.0.2:8080"), (HostPort("tcp", 80, None), "10.0.0.2")),
        (
            ("ip6 daddr == ::1", "udp dport == 53", "dnat to [fd00::2]:53"),
            (HostPort("udp", 53, ip_address("::1")), "fd00::2"),
        ),
        (("tcp dport == 80", "jump x"), None),
        (("ip daddr == 10.0.0.0/8", "tcp dport == 80", "jump x"), None),
        (
            ("ip daddr == 10.0.0.0/8", "tcp dport == 80", "dnat to 10.0.0.2:1"),
            (HostPort("tcp", 80, None), "10.0.0.2"),
        ),
        (("tcp dport >= 80", "dnat to 10.0.0.2"), None),
        (("?payload 1+2 == 3", "dnat to 10.0.0.2:1"), None),
        (("ip daddr != 10.0.0.1", "tcp dport == 80", "accept"), None),
    ],
)
def test_what_a_rule_forwards(text: tuple[str, ...], expected: object) -> None:
    rule = FoundRule(backend="nftables", family="ip", table="t", chain="c", comment="", text=text)

    assert HostPort.forwarded_by(rule) == expected
