"""A model of attachments, and a state machine that compares a plugin with it.

The model knows which attachments exist and their addresses. Rules do what runtimes do: add, delete
(also again), check, collect garbage, ask for the status, and lose a container.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cni_conformance import _predecessor
from cni_conformance._interfaces import has_interface
from cni_conformance._testbed import Attachment
from cni_conformance._world import Slot, World


_GONE = {"ipam": "spec/1.1.0/DEL/4", "chained": "spec/1.1.0/DEL/3"}


class Attachments(RuleBasedStateMachine):
    """Up to four attachments of two networks."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        world = self.world
        self.examples, self.testbed = world.examples, world.testbed
        self.example = next(world.numbers)
        self.slots = [
            Slot(world.networks[number % len(world.networks)]) for number in range(world.size)
        ]
        self.containers = 0
        self.examples.begin()

    # -- rules -------------------------------------------------------------------------------------

    @precondition(lambda self: self.of_state("absent"))
    @rule(data=st.data())
    def add(self, data: st.DataObject) -> None:
        """ADD of an attachment that does not exist: it succeeds, with addresses nobody has."""
        slot = data.draw(self.slots_where(lambda slot: slot.state == "absent"))
        if self.examples.over:
            return
        with self.examples.trying():
            before = self.attachment_for(slot)
            call = before.add()
            again = "" if slot.attachment is not before else ", which was deleted before,"
            self.examples.expect(
                "spec/1.1.0/DEL/1" if again else "spec/1.1.0/ADD/2",
                call.ok,
                expected=f"ADD for container {before.container_id}{again} succeeds",
                actual=call.describe(),
            )
            slot.attachment, slot.state = before, "live"
            slot.disturbed_by = "spec/1.1.0/CHECK/6"
            self.expect_own_addresses(slot)
            self.disturb("spec/1.1.0/concurrency/1", slot)

    @precondition(lambda self: any(map(_can_be_deleted, self.slots)))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """DEL of an attachment that exists, is gone already, or whose container is: it succeeds."""
        slot = data.draw(self.slots_where(_can_be_deleted))
        if self.examples.over:
            return
        call = slot.container.delete()
        was = slot.state
        requirement = {
            "live": "spec/1.1.0/DEL/1",
            "absent": "spec/1.1.0/DEL/6",
            "vanished": _GONE.get(self.testbed.kind, "spec/1.1.0/DEL/5"),
        }[was]
        about = {"live": "that exists", "vanished": "whose namespace is gone"}.get(
            was, "that was deleted before"
        )
        self.examples.expect(
            requirement,
            call.ok,
            expected=f"DEL of an attachment {about} succeeds",
            actual=call.describe(),
        )
        slot.state = "absent"
        self.disturb("field/del/6" if was == "absent" else "spec/1.1.0/DEL/1", slot)
        beside = [each for each in self.of_state("live") if each.network == slot.network]
        self.expect_intact(*beside[:1])

    @precondition(lambda self: "CHECK" in self.world.commands and self.of_state("live"))
    @rule(data=st.data())
    def check(self, data: st.DataObject) -> None:
        """CHECK of an attachment that exists: it succeeds, whatever happened to others."""
        slot = data.draw(self.slots_where(lambda slot: slot.state == "live"))
        if self.examples.over:
            return
        self.expect_intact(slot)
        self.disturb("field/check/1")

    @precondition(lambda self: self.of_state("live"))
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """The container dies: its namespace goes, and nobody calls DEL yet."""
        slot = data.draw(self.slots_where(lambda slot: slot.state == "live"))
        if not self.examples.over:
            self.let_go(slot)

    @precondition(lambda self: "GC" in self.world.commands)
    @rule(data=st.data())
    def collect(self, data: st.DataObject) -> None:
        """GC of a network: what is in its list stays, the rest goes, other networks do not matter."""
        network = data.draw(st.sampled_from(self.world.networks))
        live = [slot for slot in self.of_state("live") if slot.network == network]
        dead = [slot for slot in live if data.draw(st.booleans())]
        if self.examples.over:
            return
        for slot in dead:
            self.let_go(slot)
        kept = [slot for slot in live if slot not in dead]
        stale = [slot for slot in self.of_state("vanished") if slot.network == network]
        others = [slot for slot in self.of_state("live") if slot.network != network]
        self.expect_intact(*kept[:1], *others[:1])  # so that what GC breaks is GC's
        left = {slot: self.mentions(slot) for slot in stale}
        valid = [slot.attachment for slot in kept if slot.attachment]
        call = self.testbed.gc(*valid, patch={"name": network})
        self.examples.expect(
            "spec/1.1.0/GC/3",
            call.ok,
            expected="GC succeeds when the namespaces of stale attachments are gone"
            if stale
            else "GC succeeds when all attachments are valid",
            actual=call.describe(),
        )
        for slot in stale:
            still = sorted(left[slot] & self.mentions(slot))
            self.examples.expect(
                "spec/1.1.0/GC/1",
                not still,
                expected=f"GC removes what {slot.name} left, which is not in the list",
                actual=f"{len(still)} things are still there, see the list",
                diff=still,
            )
            slot.state = "absent"
        for slots, name in ((kept, "spec/1.1.0/GC/2"), (others, "field/gc/2")):
            for slot in slots:
                slot.disturbed_by = name
            self.expect_intact(*slots[:1])

    @precondition(lambda self: "STATUS" in self.world.commands)
    @rule()
    def status(self) -> None:
        """STATUS: the plugin can serve, since ADD worked."""
        if self.examples.over:
            return
        call = self.testbed.call("STATUS")
        self.examples.expect(
            "spec/1.1.0/STATUS/1",
            call.ok,
            expected="STATUS exits with 0, as it did before any ADD",
            actual=call.describe(),
        )
        self.disturb("field/status/1")

    # -- what must hold ------------------------------------------------------------------------------

    @invariant()
    def interfaces_are_there(self) -> None:
        """An interface exists if and only if it was added."""
        if not self.world.shows or self.examples.over:
            return
        for slot in self.known():
            attachment = slot.attachment
            if attachment is None or not os.path.exists(attachment.netns):
                continue
            there = has_interface(attachment)
            if slot.state == "live":
                self.examples.expect(
                    "spec/1.1.0/DEL/1" if "CHECK/6" in slot.disturbed_by else slot.disturbed_by,
                    there,
                    expected=f"{slot.name} keeps its interface {attachment.ifname}",
                    actual="the interface is gone, and nobody deleted it",
                )
            else:
                self.examples.expect(
                    "spec/1.1.0/DEL/1",
                    not there,
                    expected=f"{slot.name} has no interface {attachment.ifname} after DEL",
                    actual="the interface is still there",
                )

    def expect_own_addresses(self, slot: Slot) -> None:
        """Nobody else has the addresses of an attachment."""
        if not self.world.unique:
            return
        for other in self.of_state("live"):
            shared = sorted(slot.addresses & other.addresses)
            if other is slot or other.network != slot.network or not shared:
                continue
            requirement = other.disturbed_by
            if requirement not in {
                "spec/1.1.0/GC/2",
                "field/gc/2",
                "spec/1.1.0/DEL/1",
                "field/del/6",
            }:
                ipam = self.testbed.kind == "ipam"
                requirement = "spec/1.1.0/delegation/10" if ipam else "spec/1.1.0/concurrency/1"
            self.examples.fail(
                requirement,
                expected=f"{slot.name} gets an address of its own",
                actual=f"it got {', '.join(shared)}, which {other.name} has",
            )

    def expect_intact(self, *slots: Slot) -> None:
        """CHECK of attachments succeeds, if the plugin has a CHECK that works."""
        for slot in slots if "CHECK" in self.world.commands else ():
            call = slot.container.check()
            self.examples.expect(
                slot.disturbed_by,
                call.ok,
                expected=f"CHECK of {slot.name}, which exists, succeeds",
                actual=call.describe(),
            )

    # -- the model -----------------------------------------------------------------------------------

    def of_state(self, state: str) -> list[Slot]:
        """The attachments of a state."""
        return [slot for slot in self.slots if slot.state == state]

    def slots_where(self, condition: Callable[[Slot], bool]) -> st.SearchStrategy[Slot]:
        """One of some: by its place among all, so that shrinking may leave out what was before."""
        return st.sampled_from(self.slots).filter(condition)

    def known(self) -> list[Slot]:
        """The attachments that were added at least once."""
        return [slot for slot in self.slots if slot.attachment is not None]

    def disturb(self, requirement: str, but: Slot | None = None) -> None:
        """Note whose fault it is if the other attachments are found broken."""
        for slot in self.of_state("live"):
            if slot is not but:
                slot.disturbed_by = requirement

    def attachment_for(self, slot: Slot) -> Attachment:
        """The same container again while it lives, otherwise a new one."""
        if slot.attachment is not None and os.path.exists(slot.container.netns):
            return slot.attachment
        self.world.made += 1
        if self.testbed.kind == "chained" and self.world.made > _predecessor.MOST:
            self.examples.stop()
        # Each id begins as those before it, which a careless comparison confuses.
        name = f"e{self.example}-pod" + "1" * self.containers
        self.containers += 1
        made = self.testbed.attachment(name, container_id=name)
        made.config = {"name": slot.network}
        return made

    def let_go(self, slot: Slot) -> None:
        """The namespace of a container goes."""
        slot.container.remove_netns()
        slot.state = "vanished"

    def mentions(self, slot: Slot) -> set[str]:
        """State of the host that names a container."""
        wanted = re.compile(re.escape(slot.container.container_id) + r"(?![A-Za-z0-9])")
        state = self.testbed.observe().of_host().only("file", "link", "firewall")
        return {line for line in state if wanted.search(line)}

    def teardown(self) -> None:
        """The next example begins with nothing."""
        for slot in self.known():
            if slot.state != "absent":
                slot.container.delete()
            if os.path.exists(slot.container.netns):
                slot.container.remove_netns()


def _can_be_deleted(slot: Slot) -> bool:
    """An attachment that was deleted, or collected, is deleted again while its namespace is there.

    Otherwise two things are out of order at a time, and the requirement is not clear.
    """
    if slot.state == "absent":
        return slot.attachment is not None and os.path.exists(slot.attachment.netns)
    return True


def machine(world: World) -> type[Attachments]:
    """The state machine for a plugin."""
    return type("AttachmentsOfThePlugin", (Attachments,), {"world": world})
