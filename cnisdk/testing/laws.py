"""Laws every plugin keeps, as ready-made checks: a test suite in four lines.

from cnisdk.testing import FakeIpam, Runtime, laws

def test_my_plugin_keeps_the_laws():
laws.check_all(Runtime(MyPlugin, conf={"ipam": {"type": "p"}}), ipam=FakeIpam.giving("10.1.0.5/24"))
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from cnisdk._result import Result
from cnisdk.testing._errors import LawBroken
from cnisdk.testing._ipam import FakeIpam
from cnisdk.testing._runtime import Outcome, Runtime
from cnisdk.testing._state import HostState, LinkState, NsState


def check_all(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """All laws that hold for any plugin that makes an interface."""
    for law in (
        add_is_atomic,
        delete_cleans_up_after_a_crash,
        delete_undoes_add,
        delete_is_idempotent,
        delete_needs_no_namespace,
        check_accepts_add_and_rejects_each_removal,
        gc_removes_what_is_not_valid,
    ):
        law(runtime, state, ipam=ipam)


def add_is_atomic(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """ADD that fails at any one change of the machine leaves it as it was, and the delegate released.

    What ADD makes for all containers (a bridge, forwarding) may stay.
    """
    before = _state(state)
    for point in range(_added(runtime, before, ipam).calls):
        out = runtime.add(before, ipam=ipam, fail_at=point)
        if out.error is None:
            # A change that may fail, such as a sysctl this kernel lacks: nothing may be amiss then.
            check = runtime.check(out.host, ipam=ipam, prev_result=out.result)
            _succeeded(check, f"CHECK after ADD went on past a failure of change {point}")
            continue
        _same(before, out.host, f"ADD that failed at change {point} ({out.error})")
        if "ADD" in out.ipam.verbs and out.ipam.verbs[-1] != "DEL":
            raise LawBroken(f"ADD that failed at change {point} did not release its address")


def delete_cleans_up_after_a_crash(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """ADD killed at any point, with nothing undone, is cleaned up by DEL."""
    before = _state(state)
    for point in range(_added(runtime, before, ipam).calls):
        crashed = runtime.killed(before, ipam or FakeIpam(), point)
        out = _succeeded(runtime.delete(crashed, ipam=ipam), f"DEL after a crash at {point}")
        _same(before, out.host, f"DEL after ADD was killed at change {point}")


def delete_undoes_add(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """DEL takes away what ADD made."""
    before = _state(state)
    added = _added(runtime, before, ipam)
    out = _succeeded(
        runtime.delete(added.host, ipam=ipam, prev_result=added.result), "DEL after ADD"
    )
    _same(before, out.host, "DEL after ADD")


def delete_is_idempotent(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """DEL succeeds without ADD, and a second time, and changes nothing then (SPEC section 2, DEL)."""
    before = _state(state)
    out = _succeeded(runtime.delete(before, ipam=ipam), "DEL without ADD")
    _same(before, out.host, "DEL without ADD")
    added = _added(runtime, before, ipam)
    once = _succeeded(runtime.delete(added.host, ipam=ipam), "DEL without prevResult")
    twice = _succeeded(runtime.delete(once.host, ipam=ipam), "a second DEL")
    _same(before, twice.host, "a second DEL")


def delete_needs_no_namespace(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """DEL without CNI_NETNS leaves nothing on the host, whether the namespace is gone or not known."""
    before = _state(state)
    added = _added(runtime, before, ipam)
    for machine, wanted in (
        (added.host, before),
        (added.host.without_namespace(runtime.netns), before.without_namespace(runtime.netns)),
    ):
        out = _succeeded(runtime.delete(machine, ipam=ipam, netns=""), "DEL without CNI_NETNS")
        _same_space(
            wanted.without_shared().host, out.host.without_shared().host, "DEL without CNI_NETNS"
        )


def check_accepts_add_and_rejects_each_removal(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """CHECK passes right after ADD, and fails when any one object ADD made is missing."""
    before = _state(state)
    added = _added(runtime, before, ipam)
    _succeeded(
        runtime.check(added.host, ipam=ipam, prev_result=added.result), "CHECK right after ADD"
    )
    for what, damaged in _each_removal(before, added.host, runtime.netns):
        out = runtime.check(damaged, ipam=ipam, prev_result=added.result)
        if out.error is None:
            raise LawBroken(f"CHECK passed although {what} is gone")


def gc_removes_what_is_not_valid(
    runtime: Runtime, state: HostState | None = None, *, ipam: FakeIpam | None = None
) -> None:
    """GC keeps valid attachments, and removes the others from the host."""
    before = _state(state)
    added = _added(runtime, before, ipam)
    kept = _succeeded(
        runtime.gc(added.host, valid=[(runtime.container_id, runtime.ifname)], ipam=ipam),
        "GC with the attachment valid",
    )
    _same(added.host, kept.host, "GC with the attachment valid")
    swept = _succeeded(runtime.gc(added.host, ipam=ipam), "GC with nothing valid")
    _same_space(before.without_shared().host, swept.host.without_shared().host, "GC")


def prev_result_survives(
    runtime: Runtime,
    prev_result: Result,
    state: HostState | None = None,
    *,
    ipam: FakeIpam | None = None,
) -> None:
    """A chained plugin's result holds everything prevResult held (SPEC section 5)."""
    out = _succeeded(runtime.add(state, ipam=ipam, prev_result=prev_result), "ADD in a chain")
    result = out.result
    if result is None:
        raise LawBroken("ADD in a chain printed no result")
    for name in ("interfaces", "ips", "routes"):
        if len(getattr(result, name)) < len(getattr(prev_result, name)):
            raise LawBroken(f"ADD in a chain dropped {name} of prevResult")


def _state(state: HostState | None) -> HostState:
    return HostState() if state is None else state


def _added(runtime: Runtime, state: HostState, ipam: FakeIpam | None) -> Outcome:
    return _succeeded(runtime.add(state, ipam=ipam), "ADD")


def _succeeded(out: Outcome, what: str) -> Outcome:
    if out.error is not None:
        raise LawBroken(f"{what} failed: {out.error}")
    return out


def _same(before: HostState, after: HostState, what: str) -> None:
    before, after = before.without_shared(), after.without_shared()
    _same_space(before.host, after.host, what)
    for path in sorted({*before.namespaces, *after.namespaces}):
        _same_space(before.namespaces.get(path), after.namespaces.get(path), f"{what}, in {path}")


def _same_space(before: NsState | None, after: NsState | None, what: str) -> None:
    if before == after:
        return
    differences = [
        f"{field.name}: {getattr(before, field.name, None)} became {getattr(after, field.name, None)}"
        for field in attrs.fields(NsState)
        if getattr(before, field.name, None) != getattr(after, field.name, None)
    ]
    raise LawBroken(f"{what} left a difference: {'; '.join(differences)}")


def _each_removal(
    before: HostState, after: HostState, netns: str
) -> Iterator[tuple[str, HostState]]:
    """The machine after ADD with one object taken away, for each object ADD made in or for the container."""
    was, now = before.namespaces[netns], after.namespaces[netns]
    for name, link in now.links.items():
        if name not in was.links:
            yield f"the interface {name}", after.without_link(netns, name)
            for address in link.addresses:
                rest = tuple(each for each in link.addresses if each != address)
                changed: LinkState = attrs.evolve(link, addresses=rest)
                yield f"the address {address}", after.with_link(netns, name, changed)
    for route in now.routes - was.routes:
        yield (
            f"the route to {route[0]}",
            after.with_namespace(netns, attrs.evolve(now, routes=now.routes - {route})),
        )
    yield from _each_removal_on_the_host(before, after)
    for rule in after.host.rules - before.host.rules:
        host = attrs.evolve(after.host, rules=after.host.rules - {rule})
        yield f"the {rule[0]} rule", attrs.evolve(after, host=host)


def _each_removal_on_the_host(
    before: HostState, after: HostState
) -> Iterator[tuple[str, HostState]]:
    """Links of the host that ADD made, and what limits one."""
    for name, link in after.host.links.items():
        was = before.host.links.get(name)
        if was is None and link.kind == "bridge":
            continue  # all containers'
        if was is None:
            yield f"the host's interface {name}", after.without_link("", name)
            was = LinkState()
        for qdisc in set(link.qdiscs) - set(was.qdiscs):
            rest = tuple(each for each in link.qdiscs if each != qdisc)
            changed: LinkState = attrs.evolve(link, qdiscs=rest)
            yield f"the qdisc {qdisc.name} of {name}", after.with_link("", name, changed)
        if link.redirect != was.redirect:
            straight: LinkState = attrs.evolve(link, redirect=None)
            yield f"the redirection of {name}", after.with_link("", name, straight)
