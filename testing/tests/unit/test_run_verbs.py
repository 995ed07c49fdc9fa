"""The way of each verb: what runs, what comes out, what prevResult is for."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import toys
from served_toys import PREVIOUS, Recorder, seen, serve

import cnisdk
from cnisdk import versions
from cnisdk._result import Interface, Result
from cnisdk._result_json import encode


def test_add_gives_environment_and_stdin_to_its_handler_alone(tmp_path: Path) -> None:
    """T: ADD extracts env+stdin into the args object and calls only ADD."""
    outcome = serve(tmp_path, "ADD", Recorder, bridge="br1")

    assert outcome.code == 0
    assert outcome.document == {"cniVersion": "1.1.0"}
    assert seen == ["ADD", "c1", "eth0", "br1", {"A": "1"}]


def test_delete_calls_its_handler_alone(tmp_path: Path) -> None:
    """T: DEL calls only DEL."""
    assert serve(tmp_path, "DEL", Recorder).stdout == b""
    assert seen == ["DEL", None]


def test_check_gc_and_status_call_their_handlers(tmp_path: Path) -> None:
    """T: CHECK/GC: happy path."""
    assert serve(tmp_path, "CHECK", Recorder, prevResult=PREVIOUS).stdout == b""
    assert seen == ["CHECK", Result(interfaces=(Interface("eth0", sandbox=toys.NETNS),))]
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    assert serve(tmp_path, "GC", Recorder, **{"cni.dev/valid-attachments": valid}).stdout == b""
    assert seen == ["GC", ["c1/eth0 on net"]]
    assert serve(tmp_path, "STATUS", Recorder).stdout == b""
    assert seen == ["STATUS", "cni0"]


def test_gc_tells_what_is_stale_by_tag_and_key(tmp_path: Path) -> None:
    """What is of another network, or of nobody known, is not this GC's."""
    stale: list[str] = []
    tags = [
        tag
        for owner in (("net", "c1"), ("net", "c2"), ("other", "c2"))
        for each in [cnisdk.Attachment(*owner, "eth0")]
        for tag in (each.owner_tag, each.key)
    ]

    class Collector(toys.Toy):
        """Looks through what it finds."""

        @cnisdk.on.gc
        def collect(self, op: cnisdk.Gc[cnisdk.NetConf]) -> None:
            stale.extend(filter(op.is_stale, [*tags, "", "somebody's comment"]))

    valid = [{"containerID": "c1", "ifname": "eth0"}]
    served = serve(tmp_path, "GC", Collector, **{"cni.dev/valid-attachments": valid})

    assert served.code == 0
    assert stale == tags[2:4]


@pytest.mark.parametrize("asked", ["0.4.0", "1.1.0"])
def test_version_echoes_the_asked_version_and_calls_nothing(asked: str, tmp_path: Path) -> None:
    """T: VERSION prints JSON, calls nothing. W-LIB-4: Go ignores the caller's cniVersion."""
    seen.clear()
    outcome = serve(tmp_path, "VERSION", Recorder, cniVersion=asked)

    assert outcome.document == {"cniVersion": asked, "supportedVersions": list(versions.ALL)}
    assert outcome.stdout.count(b"\n") == 1
    assert seen == []


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b'{"cniVersion": 5}', b"\xff"])
def test_version_needs_no_input(stdin: bytes, tmp_path: Path) -> None:
    """T: VERSION does not read stdin: whatever is there does not matter."""
    outcome = toys.call(toys.Toy, toys.environment("VERSION", tmp_path), stdin)

    assert outcome.code == 0
    assert outcome.document["cniVersion"] == "1.1.0"


@pytest.mark.parametrize("version", versions.ALL)
def test_result_has_the_shape_of_the_configurations_version(version: str, tmp_path: Path) -> None:
    """T: result asked as "" becomes 0.1.0, and all others their own."""
    outcome = serve(tmp_path, "ADD", cniVersion=version, ipam={"type": "pool"})
    result = Result(interfaces=(Interface("eth0", sandbox=toys.NETNS),))
    ips = cnisdk.ResultBuilder(result).ip("10.1.0.5/16", on=result.interfaces[0]).build().ips
    gateway = cast("Any", cnisdk.Ip)(ips[0].address, ips[0].address.network[1], 0)

    assert outcome.document == encode(Result(result.interfaces, (gateway,)), version)
    assert outcome.stdout == json.dumps(outcome.document, indent=4).encode()


def test_result_without_old_form_is_undone(tmp_path: Path) -> None:
    """W-BR-9: Go prints after the point of no return; ours converts first."""
    outcome = serve(tmp_path, "ADD", cniVersion="0.2.0")

    assert outcome.document["code"] == 1
    assert outcome.machine.objects == set()


# ---- prevResult ---------------------------------------------------------------------------------


def test_chained_add_starts_from_prev_result(tmp_path: Path) -> None:
    """T: prevResult parsed."""
    outcome = serve(tmp_path, "ADD", toys.Chained, prevResult=PREVIOUS, mtu=1400)

    assert outcome.document["interfaces"] == [{"name": "eth0", "mtu": 1400, "sandbox": toys.NETNS}]


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
@pytest.mark.parametrize("keys", [{}, {"prevResult": None}], ids=["absent", "null"])
def test_chained_plugin_without_prev_result_is_refused(
    verb: str, keys: dict[str, Any], tmp_path: Path
) -> None:
    """T: prevResult absent: code 7, before the handler."""
    outcome = serve(tmp_path, verb, toys.Chained, **keys)

    assert outcome.document["code"] == 7
    assert "required prevResult missing" in outcome.document["msg"]


@pytest.mark.parametrize("previous", [None, {}, [], "x", {"ips": 5}, {"cniVersion": "9"}], ids=repr)
def test_delete_takes_any_prev_result(previous: object, tmp_path: Path) -> None:
    """T: prevResult unknown version / wrong family / absent: DEL goes on without."""
    assert serve(tmp_path, "DEL", Recorder, prevResult=previous).code == 0
    assert seen == ["DEL", None]


def test_ipam_result_holds_nothing_of_the_chain(tmp_path: Path) -> None:
    """The delegate of a chained plugin is given prevResult too; its result is its own."""
    previous = {**PREVIOUS, "ips": [{"address": "192.0.2.1/24"}]}
    outcome = serve(tmp_path, "ADD", toys.Pool, prevResult=previous, ipam={"subnet": "10.1.0.5/16"})

    assert outcome.document == {"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.5/16"}]}


def test_ipam_result_with_interfaces_is_refused(tmp_path: Path) -> None:
    """SPEC section 5, "Delegated plugins (IPAM)"."""

    class Wrong(toys.Pool):
        """Makes up an interface."""

        def allocate(self, op: cnisdk.Add[toys.PoolConf]) -> cnisdk.Result:
            """By hand."""
            return Result(interfaces=(Interface("eth0"),))

    outcome = serve(tmp_path, "ADD", Wrong, ipam={"subnet": "10.1.0.5/16"})

    assert outcome.document["code"] == 999
    assert "must not contain interfaces" in outcome.document["msg"]


@pytest.mark.parametrize("ipam", [None, {}, [], "x", {"subnet": 5}, {"subnet": "zz"}], ids=repr)
def test_ipam_plugin_needs_its_section_for_add_alone(ipam: object, tmp_path: Path) -> None:
    """DEL needs network, container id and ifname only."""
    refused = serve(tmp_path, "ADD", toys.Pool, ipam=ipam)

    assert refused.document["code"] in {6, 7}
    assert "ipam" in refused.document["msg"]
    assert serve(tmp_path, "DEL", toys.Pool, ipam=ipam).code == 0
