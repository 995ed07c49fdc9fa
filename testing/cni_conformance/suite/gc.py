"""GC: remove what belongs to attachments that are no longer valid."""

from __future__ import annotations

from cni_conformance._case import case
from cni_conformance._leftovers import settled
from cni_conformance._testbed import VALID_ATTACHMENTS, Testbed
from cni_conformance.state import State


_OF_THE_HOST = (
    "link",
    "address",
    "route",
    "rule",
    "neighbour",
    "qdisc",
    "filter",
    "firewall",
    "file",
)


@case(
    "spec/1.1.0/GC/1", "spec/1.1.0/GC/3", "spec/1.1.0/GC/7", commands=["GC"], configurations="each"
)
def gc_removes_what_is_stale(testbed: Testbed) -> None:
    """GC succeeds silently and removes what a vanished container left behind."""
    testbed.attached("first").delete()  # makes what stays between attachments
    kept = testbed.attached("kept")
    before = _host(testbed)
    stale = testbed.attached("stale")
    stale.remove_netns()
    left = before.appeared(_host(testbed))
    call = testbed.gc(kept)
    testbed.require(
        "spec/1.1.0/GC/3",
        call.ok,
        expected="GC succeeds when the namespace of a stale attachment is gone",
        actual=call,
    )
    testbed.expect(
        "spec/1.1.0/GC/7",
        not call.stdout.strip(),
        expected="a GC that succeeds prints nothing",
        actual=call,
    )
    if not left:
        return  # everything went with the namespace
    remains = _still_there(testbed, before, left)
    testbed.expect(
        "spec/1.1.0/GC/1",
        not remains,
        expected="GC removes what the stale attachment left on the host",
        actual=f"{len(remains)} of {len(left)} things are still there, see the list",
        diff=remains,
    )


@case("spec/1.1.0/GC/2", commands=["GC"])
def gc_keeps_what_is_valid(testbed: Testbed) -> None:
    """GC leaves the attachments in its list alone, whatever else it removes."""
    kept = testbed.attached("kept")
    testbed.attached("stale")
    if not kept.check().ok:
        testbed.block("needs a CHECK that succeeds after ADD")
    before = testbed.observe().of("kept")
    stranger = {"containerID": "conformance-stranger", "ifname": kept.ifname}
    call = testbed.gc(patch={VALID_ATTACHMENTS: [stranger, kept.valid]})
    if not call.ok:
        testbed.block(f"needs a GC that succeeds; {call.describe()}")
    testbed.expect_same(
        "spec/1.1.0/GC/2",
        before,
        testbed.observe().of("kept"),
        expected="the container of a valid attachment is as it was before GC",
    )
    check = kept.check()
    testbed.expect(
        "spec/1.1.0/GC/2",
        check.ok,
        expected="CHECK of a valid attachment succeeds after GC",
        actual=check,
    )


@case("spec/1.1.0/GC/2", commands=["GC"])
def gc_tells_interfaces_of_a_container_apart(testbed: Testbed) -> None:
    """GC goes by container id and interface name together."""
    if testbed.profile.ifname == "lo":
        testbed.not_applicable("there is one lo in a namespace")
    kept = testbed.attached("two")
    second = testbed.attachment("two", beside=kept, ifname="net1")
    if not second.add().ok or not kept.check().ok:
        testbed.block("needs two interfaces of one container, and a CHECK that succeeds")
    call = testbed.gc(kept, second)
    if not call.ok:
        testbed.block(f"needs a GC that succeeds; {call.describe()}")
    for each in (kept, second):
        check = each.check()
        testbed.expect(
            "spec/1.1.0/GC/2",
            check.ok,
            expected=f"{each.ifname} is valid, and its CHECK succeeds after GC",
            actual=check,
        )


@case("spec/1.1.0/GC/1", commands=["GC"])
def gc_removes_one_interface_of_a_container(testbed: Testbed) -> None:
    """GC removes what belongs to one interface of a container whose other interface is valid."""
    if testbed.profile.ifname == "lo":
        testbed.not_applicable("there is one lo in a namespace")
    kept = testbed.attached("two")
    second = testbed.attachment("two", beside=kept, ifname="net1")
    before = _host(testbed).only("firewall", "file")
    if not (call := second.add()).ok:
        testbed.block(f"needs two interfaces of one container; {call.describe()}")
    left = before.appeared(_host(testbed).only("firewall", "file"))
    if not (call := testbed.gc(kept)).ok:
        testbed.block(f"needs a GC that succeeds; {call.describe()}")
    remains = _still_there(testbed, before, left)
    if not left:
        testbed.not_applicable("an attachment makes no rule and no file on the host")
    testbed.expect(
        "spec/1.1.0/GC/1",
        not remains,
        expected=f"GC removes the rules and files of {second.ifname}, which is not in the list, "
        f"although {kept.ifname} of the same container is",
        actual=f"{len(remains)} of {len(left)} things are still there, see the list",
        diff=remains,
    )


@case("spec/1.1.0/GC/6", commands=["GC"])
def gc_needs_no_attachment(testbed: Testbed) -> None:
    """GC works without container id, namespace and interface name."""
    attachment = testbed.attached("kept")
    valid = {VALID_ATTACHMENTS: [attachment.valid]}
    call = testbed.call("GC", patch=valid)
    if call.ok:
        return
    full = testbed.call("GC", attachment, patch=valid)
    if not full.ok:
        testbed.block(f"needs a GC that succeeds; {full.describe()}")
    testbed.expect(
        "spec/1.1.0/GC/6",
        call.ok,
        expected="GC succeeds without CNI_CONTAINERID, CNI_NETNS and CNI_IFNAME",
        actual=call,
    )


@case("spec/1.1.0/GC/5", commands=["GC"], delegating=True)
def gc_goes_on_to_the_delegate(testbed: Testbed) -> None:
    """GC calls GC of the delegate with the list of valid attachments."""
    testbed.use_fake_ipam()
    kept = testbed.attached("kept")
    testbed.forget_delegate_calls()
    call = testbed.gc(kept)
    if not call.ok:
        testbed.block(f"needs a GC that succeeds; {call.describe()}")
    calls = testbed.delegate.calls("GC")
    testbed.require(
        "spec/1.1.0/GC/5",
        calls,
        expected="GC calls GC of the delegate",
        actual=f"calls of the delegate: {', '.join(testbed.delegate.commands()) or 'none'}",
    )
    config = calls[0].config
    given = config.get(VALID_ATTACHMENTS) if isinstance(config, dict) else None
    testbed.expect(
        "spec/1.1.0/GC/5",
        given == [kept.valid],
        expected=f"the delegate gets {VALID_ATTACHMENTS} as the plugin got it: {[kept.valid]}",
        actual=f"the delegate got {given!r}",
    )


@case("spec/1.1.0/GC/4", commands=["GC"], delegating=True)
def gc_goes_on_after_an_error(testbed: Testbed) -> None:
    """GC removes the plugin's own leftovers although the delegate fails, and reports the error."""
    testbed.use_fake_ipam()
    testbed.attached("first").delete()
    before = _host(testbed)
    # The namespace of one is gone, and with it its links; what the other has can all be missed.
    alive, dead = testbed.attached("alive"), testbed.attached("dead")
    dead.remove_netns()
    left = before.appeared(_host(testbed))
    if not testbed.gc(alive, dead).ok:
        testbed.block("needs a GC that succeeds")
    testbed.script_delegate("GC", error={"code": 142, "msg": "database unreachable"})
    testbed.forget_delegate_calls()
    call = testbed.gc()
    if "GC" not in testbed.delegate.commands():
        testbed.block("needs a GC that calls the delegate, see spec/1.1.0/GC/5")
    testbed.expect(
        "spec/1.1.0/GC/4",
        not call.ok,
        expected="GC reports the error of the delegate",
        actual=call,
    )
    remains = _still_there(testbed, before, left)
    testbed.script_delegate("GC")
    if not testbed.gc().ok:
        testbed.block("needs a GC that succeeds once the delegate does")
    in_vain = _still_there(testbed, before, left)
    if len(in_vain) == len(left):
        testbed.not_applicable("GC removes nothing on the host when the delegate succeeds either")
    missed = [line for line in remains if line not in in_vain]
    testbed.expect(
        "spec/1.1.0/GC/4",
        not missed,
        expected="GC removes what it can although the delegate fails",
        actual=f"{len(missed)} of {len(left)} things were still there, see the list, until the delegate "
        "succeeded",
        diff=missed,
    )


def _still_there(testbed: Testbed, before: State, left: list[str]) -> list[str]:
    """What of the lines about attachments is on the host now."""
    return [line for line in before.appeared(_host(testbed)) if line in left]


def _host(testbed: Testbed) -> State:
    state = settled(testbed.observe())
    return state.only(*_OF_THE_HOST).of_host()
