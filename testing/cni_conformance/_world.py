"""What is known while attachments come and go: what a plugin can do, and which containers there are."""

from __future__ import annotations

import itertools

from attrs import define, field

from cni_conformance import _results
from cni_conformance._examples import Examples
from cni_conformance._interfaces import has_interface
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command


@define(kw_only=True, eq=False)
class World:
    """What holds for all examples: what the plugin can do, found out by a few calls.

    Attributes:
        examples: The examples.
        networks: Names of networks that can be used beside each other.
        size: How many attachments there may be.
        shows: Whether ADD makes an interface and DEL removes it.
        unique: Whether two containers get different addresses.
        commands: Those of CHECK, GC and STATUS that work.
    """

    examples: Examples
    networks: list[str]
    size: int
    shows: bool
    unique: bool
    commands: set[str]
    numbers: itertools.count[int] = field(factory=itertools.count)
    made: int = 0

    @property
    def testbed(self) -> Testbed:
        """Where it all takes place."""
        return self.examples.testbed

    @classmethod
    def of(cls, examples: Examples) -> World:
        """Find out what the plugin can do.

        Raises:
            Blocked: Not even ADD and DEL.
        """
        testbed = examples.testbed
        name = testbed.configuration.network
        one, two, three = (testbed.attachment(f"works{number}") for number in range(3))
        three.config = {"name": f"{name}-2"}
        makes = testbed.kind in {"interface", "meta"} and not has_interface(one)
        call = one.add()
        if not call.ok or not call.result:
            testbed.block(f"needs an ADD that succeeds; {call.describe()}")
        shows = makes and has_interface(one)
        pair, other = two.add().ok, three.add().ok
        given = [set(_results.addresses(each.result or {})) for each in (one, two)]
        commands = _working_commands(testbed, one, two, three)
        for each in (one, two, three):
            if not each.delete().ok:
                testbed.block("needs a DEL that succeeds after ADD")
        shows = shows and not has_interface(one)
        return cls(
            examples=examples,
            networks=[name, f"{name}-2"] if other else [name],
            size=(4 if other else 3) if pair else 1,
            shows=shows,
            unique=pair
            and testbed.kind != "chained"
            and bool(given[0])
            and not given[0] & given[1],
            commands=commands,
        )


def _working_commands(testbed: Testbed, *attachments: Attachment) -> set[str]:
    added = [each for each in attachments if each.result]
    works: set[str] = set()
    for command in ("CHECK", "STATUS", "GC"):
        if not has_command(testbed.version, command):
            continue
        match command:
            case "CHECK":
                ok = all(each.check().ok for each in added)
            case "STATUS":
                ok = testbed.call("STATUS").ok
            case _:
                ok = testbed.gc(*(each for each in added if not each.config)).ok
        if ok:
            works.add(command)
    return works


@define(eq=False)
class Slot:
    """One attachment of the model.

    Attributes:
        network: The name of its network.
        state: absent, live, or vanished: its container died without DEL.
        attachment: What it is in the testbed, once it was added.
        disturbed_by: The requirement that the last call broke if something is wrong with it now.
    """

    network: str
    state: str = "absent"
    attachment: Attachment | None = None
    disturbed_by: str = ""

    @property
    def container(self) -> Attachment:
        """The attachment of a slot that was added."""
        if self.attachment is None:
            raise LookupError("not added yet")
        return self.attachment

    @property
    def name(self) -> str:
        """The id of its container."""
        return self.container.container_id

    @property
    def addresses(self) -> set[str]:
        """What ADD said."""
        return set(_results.addresses((self.attachment and self.attachment.result) or {}))
