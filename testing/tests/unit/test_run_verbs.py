"""The way of each verb: what runs, what comes out, what is undone."""

import io
import json
from pathlib import Path
from typing import Any, cast

import pytest
import toys

import cnisdk
from cnisdk import errors, on, versions
from cnisdk._answer import Completed
from cnisdk._result import Interface, Result
from cnisdk._result_json import encode


PREVIOUS = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": toys.NETNS}]}


class Recorder(cnisdk.Plugin[toys.ToyConf]):
    """Notes which handlers ran, and with what."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.seen: list[Any] = seen
        self.seen.clear()

    @on.add
    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Note it."""
        self.seen += ["ADD", op.container_id, op.ifname, op.config.bridge, dict(op.args)]
        return op.result().build()

    @on.delete
    def detach(self, op: cnisdk.Del[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["DEL", op.prev_result]

    @on.check
    def verify(self, op: cnisdk.Check[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["CHECK", op.prev_result]

    @on.gc
    def sweep(self, op: cnisdk.Gc[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["GC", sorted(map(str, op.valid_attachments))]

    @on.status
    def report(self, op: cnisdk.Status[toys.ToyConf]) -> None:
        """Note it."""
        self.seen += ["STATUS", op.config.bridge]


seen: list[Any] = []


def serve(
    tmp_path: Path, verb: str, plugin: Any = toys.Toy, machine: Any = None, **keys: Any
) -> toys.Outcome:
    """Serve a verb with a configuration."""
    env = toys.environment(verb, tmp_path, CNI_ARGS="A=1")
    return toys.call(plugin, env, toys.config(**keys), machine)


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


# ---- failures -----------------------------------------------------------------------------------


class Failing(toys.Toy):
    """Fails after having made something, in the way of `failure`."""

    failure: BaseException = errors.CniError("x")

    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Make, then fail."""
        super().attach(op)
        raise self.failure

    def detach(self, op: cnisdk.Del[toys.ToyConf]) -> None:
        """Fail."""
        raise self.failure


def failing(failure: BaseException) -> type[Failing]:
    """A plugin that fails in one way."""
    return type("Failing", (Failing,), {"failure": failure})


class Unspeakable(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no words")


class PoolExhausted(errors.CniError, code=101):
    """An author's own."""


@pytest.mark.parametrize(
    ("failure", "code", "msg"),
    [
        (errors.TryAgainLater("busy", details="d"), 11, "busy"),
        (PoolExhausted("no address"), 101, "no address"),
        (errors.DelegateError("theirs", code=7), 7, "theirs"),
        (ValueError("bad"), 999, "unexpected error in toy ADD: ValueError: bad"),
        (OSError(28, "No space left"), 999, "unexpected error in toy ADD: OSError: [Errno 28] No"),
        (KeyError(), 999, "unexpected error in toy ADD: KeyError"),
        (MemoryError(), 999, "unexpected error in toy ADD: MemoryError"),
        (RecursionError("deep"), 999, "unexpected error in toy ADD: RecursionError: deep"),
        (SystemExit(3), 999, "unexpected error in toy ADD: SystemExit: 3"),
        (GeneratorExit(), 999, "unexpected error in toy ADD: GeneratorExit"),
        (KeyboardInterrupt(), 11, "ADD was interrupted"),
        (Unspeakable(), 999, "unexpected error in toy ADD: Unspeakable"),
        (
            ExceptionGroup("two", [ValueError("a"), ValueError("b")]),
            999,
            "unexpected error in toy ADD: ExceptionGroup: two",
        ),
        (errors.CniError("line one\nline two \udc80 é"), 999, "line one\nline two \udc80 é"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_add_that_fails_is_undone_and_reported_once(
    failure: BaseException, code: int, msg: str, tmp_path: Path
) -> None:
    """T: typed callback error unchanged; untyped callback error → 999. W-LIB-5: no empty stdout."""
    outcome = serve(tmp_path, "ADD", failing(failure), ipam={"type": "pool"})

    assert outcome.code == 1
    assert outcome.document["code"] == code
    assert outcome.document["msg"].startswith(msg)
    assert outcome.machine.objects == set()
    assert outcome.machine.delegated == [("pool", "ADD"), ("pool", "DEL")]
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stderr.startswith("toy ADD failed: ")


@pytest.mark.parametrize(
    "failure", [ValueError("x"), SystemExit(1), errors.CniError("x")], ids=repr
)
def test_delete_goes_on_after_a_failing_handler(failure: BaseException, tmp_path: Path) -> None:
    """The host is swept and the delegate is called, whatever the handler raised."""
    outcome = serve(tmp_path, "DEL", failing(failure), ipam={"type": "pool"})

    assert outcome.code == 1
    assert outcome.machine.swept == ["c1/eth0 on net"]
    assert outcome.machine.delegated == [("pool", "DEL")]


def test_all_errors_of_delete_are_reported(tmp_path: Path) -> None:
    """Under the first one's code."""
    machine = toys.FakeMachine(
        {"DEL": Completed(json.dumps({"code": 11, "msg": "pool busy"}).encode(), 1)}
    )
    outcome = serve(tmp_path, "DEL", failing(PoolExhausted("mine")), machine, ipam={"type": "pool"})

    assert outcome.document["code"] == 101
    assert outcome.document["msg"] == "Failing DEL: 2 errors: mine; pool busy"


def test_undo_runs_newest_first_and_its_errors_are_notes(tmp_path: Path) -> None:
    """They never replace the first error, and every step runs."""
    undone: list[str] = []

    def undo(name: str, failure: BaseException | None = None) -> None:
        undone.append(name)
        if failure is not None:
            raise failure

    class Undoing(toys.Toy):
        """Queues steps of all kinds."""

        def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
            """Queue and fail."""
            op.on_rollback(undo, "first")
            op.on_rollback(undo, "second", ValueError("broken"))
            op.on_rollback(undo, "third", failure=SystemExit(1))
            op.on_rollback(undo, "fourth", failure=KeyboardInterrupt())
            raise errors.InvalidConfig("the first error", details="its details")

    outcome = serve(tmp_path, "ADD", Undoing)

    assert undone == ["fourth", "third", "second", "first"]
    assert outcome.document["code"] == 7
    assert outcome.document["msg"] == "the first error"
    assert outcome.document["details"].startswith("its details; undo step ")
    assert "failed: broken" in outcome.document["details"]


@pytest.mark.parametrize("returned", [None, {}, "x", 5, encode(Result(), "1.1.0")], ids=repr)
def test_add_handler_must_return_a_result(returned: object, tmp_path: Path) -> None:
    """Anything else is undone, with a hint for the author."""

    class Forgetful(toys.Toy):
        """Returns something else."""

        def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
            """Make, then forget."""
            super().attach(op)
            return cast("Result", returned)

    outcome = serve(tmp_path, "ADD", Forgetful)

    assert outcome.document["code"] == 999
    assert "the ADD handler returned" in outcome.document["msg"]
    assert "return result.build()" in outcome.document["details"]
    assert outcome.machine.objects == set()


class Full(io.BytesIO):
    """A stdout nobody reads."""

    def write(self, data: Any, /) -> int:
        """Fail as a broken pipe does."""
        raise BrokenPipeError(32, "Broken pipe")


def test_add_whose_result_cannot_be_written_is_undone(tmp_path: Path) -> None:
    """The runtime will never know of it."""
    machine = toys.FakeMachine()
    plugin = toys.Toy(system=cast("Any", machine))
    stderr = io.BytesIO()
    env = toys.environment("ADD", tmp_path)
    code = plugin.run(env, io.BytesIO(toys.config(ipam={"type": "pool"})), Full(), stderr)

    assert code == 1
    assert machine.objects == set()
    assert machine.delegated == [("pool", "ADD"), ("pool", "DEL")]
    assert "Broken pipe" in stderr.getvalue().decode()


def test_stderr_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    """The error object is what counts."""
    stdout = io.BytesIO()
    plugin = toys.Toy(system=cast("Any", toys.FakeMachine()))
    code = plugin.run(toys.environment("ADD", tmp_path), io.BytesIO(b"{"), stdout, Full())

    assert code == 1
    assert json.loads(stdout.getvalue())["code"] == 6


@pytest.mark.parametrize("directory", ["/proc/nowhere", "/dev/null/x", "a\0b", "\ud800"], ids=repr)
def test_unusable_run_directory_does_not_fail_a_call(directory: str) -> None:
    """Locks and records are lost, the attachment is not, and stdout has one document."""
    env = toys.environment("ADD", directory)

    assert toys.call(toys.Toy, env, toys.config()).code == 0


def test_namespace_that_is_none_is_refused_before_the_handler(tmp_path: Path) -> None:
    """Guard before effect; DEL goes on."""
    gone = {"CNI_NETNS": "/run/netns/gone"}
    refused = toys.call(toys.Toy, toys.environment("ADD", tmp_path, **gone), toys.config())
    deleted = toys.call(toys.Toy, toys.environment("DEL", tmp_path, **gone), toys.config())

    assert refused.document["code"] == 8
    assert refused.document["msg"].startswith("CNI_NETNS: /run/netns/gone")
    assert refused.machine.objects == set()
    assert deleted.code == 0


# ---- delegation, GC, STATUS ---------------------------------------------------------------------


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
    """Every malformed delegate answer is named; its DEL follows."""
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
