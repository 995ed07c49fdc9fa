"""What goes to the delegate, and GC and STATUS beyond the handler."""

import json
from pathlib import Path
from typing import Any

import pytest
import toys
from served_toys import PREVIOUS, Recorder, serve

import cnisdk
from cnisdk import on
from cnisdk._answer import Completed


@pytest.mark.parametrize(
    ("verb", "keys"),
    [
        ("CHECK", {"prevResult": PREVIOUS}),
        ("DEL", {}),
        ("GC", {"cni.dev/valid-attachments": []}),
        ("STATUS", {}),
    ],
)
def test_verb_is_forwarded_to_the_delegate(verb: str, keys: dict[str, Any], tmp_path: Path) -> None:
    """W-LIB-2: an absent handler is no silent success: the delegate is asked."""
    outcome = serve(tmp_path, verb, ipam={"type": "pool"}, **keys)

    assert outcome.code == 0
    assert outcome.machine.delegated == [("pool", verb)]


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"[]", b'{"ips": [{"address": "zz"}]}', b'{"cniVersion": "9"}', b"\xff", b"5"],
    ids=repr,
)
def test_delegates_bad_answer_is_an_error_and_is_undone(answer: bytes, tmp_path: Path) -> None:
    """W-LIB-24: every malformed delegate answer is named; its DEL follows."""
    machine = toys.FakeMachine({"ADD": Completed(answer, 0)})
    outcome = serve(tmp_path, "ADD", toys.Toy, machine, ipam={"type": "pool"})

    assert outcome.code == 1
    assert "pool" in outcome.document["msg"]
    assert machine.delegated == [("pool", "ADD"), ("pool", "DEL")]
    assert machine.objects == set()


def test_delegates_error_is_passed_on_unchanged(tmp_path: Path) -> None:
    """Code, message and details."""
    error = {"cniVersion": "1.1.0", "code": 101, "msg": "no address", "details": "d"}
    machine = toys.FakeMachine({"ADD": Completed(json.dumps(error).encode(), 1)})

    assert serve(tmp_path, "ADD", toys.Toy, machine, ipam={"type": "pool"}).document == error


@pytest.mark.parametrize("valid", [None, []], ids=repr)
def test_gc_of_an_empty_list_removes_everything(valid: object, tmp_path: Path) -> None:
    """`null` is the empty list, as CRI-O sends it."""
    outcome = serve(tmp_path, "GC", **{"cni.dev/valid-attachments": valid})

    assert outcome.code == 0
    assert outcome.machine.swept == ["net: all but []"]


def test_gc_without_list_removes_nothing(tmp_path: Path) -> None:
    """A missing key must not mean "everything"."""
    outcome = serve(tmp_path, "GC", ipam={"type": "pool"})

    assert outcome.document["code"] == 7
    assert '"cni.dev/valid-attachments" missing' in outcome.document["msg"]
    assert outcome.machine.swept == []
    assert outcome.machine.delegated == []


@pytest.mark.parametrize(
    ("valid", "path"),
    [
        ("x", "cni.dev/valid-attachments: expected a list"),
        ([5], "cni.dev/valid-attachments[0]: expected an object"),
        ([{"containerID": "c", "ifname": "e"}, {}], "cni.dev/valid-attachments[1]: expected conta"),
        ([{"containerID": 5, "ifname": "e"}], "cni.dev/valid-attachments[0]: expected containerID"),
    ],
)
def test_gc_with_a_malformed_list_removes_nothing(valid: object, path: str, tmp_path: Path) -> None:
    """The entry is named by its path."""
    outcome = serve(tmp_path, "GC", **{"cni.dev/valid-attachments": valid})

    assert outcome.document["code"] == 6
    assert outcome.document["msg"].startswith(path)
    assert outcome.machine.swept == []


def test_gc_with_an_impossible_attachment_keeps_the_others(tmp_path: Path) -> None:
    """Names that no attachment can have match nothing, and break nothing."""
    valid = [{"containerID": "\ud800/..", "ifname": ""}, {"containerid": "c", "IfName": "e"}]
    outcome = serve(tmp_path, "GC", Recorder, **{"cni.dev/valid-attachments": valid})

    assert outcome.code == 0
    assert "c/e on net" in outcome.machine.swept[0]


@pytest.mark.parametrize("code", [50, 51])
def test_status_of_the_delegate_is_the_plugins(code: int, tmp_path: Path) -> None:
    """STATUS is honest."""
    answer = json.dumps({"code": code, "msg": "exhausted"}).encode()
    machine = toys.FakeMachine({"STATUS": Completed(answer, 1)})
    outcome = serve(tmp_path, "STATUS", toys.Toy, machine, ipam={"type": "pool"})

    assert (outcome.document["code"], outcome.document["msg"]) == (code, "exhausted")


@pytest.mark.parametrize(("ipam", "told"), [("dhcp", [("dhcp", "DEL")]), ("pool", [])])
def test_dhcp_gives_back_while_the_interface_is_there(
    ipam: str, told: list[tuple[str, str]], tmp_path: Path
) -> None:
    """RELEASE goes through it; all others get their addresses back once nobody can use them."""
    machine = toys.FakeMachine()
    seen: list[list[tuple[str, str]]] = []

    class Watching(toys.Toy):
        @on.delete
        def watch(self, op: cnisdk.Del[cnisdk.NetConf]) -> None:
            seen.append(list(machine.delegated))

    outcome = serve(tmp_path, "DEL", Watching, machine, ipam={"type": ipam})

    assert outcome.code == 0
    assert seen == [told]
    assert machine.delegated == [(ipam, "DEL")]
