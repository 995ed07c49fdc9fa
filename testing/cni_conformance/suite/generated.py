"""Generated input: what holds whatever a plugin is given.

Each example is judged only by what always holds. A failure is shrunk, and the steps of the smallest
one are what the report shows.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from typing import Any

from cni_conformance import _predecessor
from cni_conformance._answers import problem_of, silent_id
from cni_conformance._case import case
from cni_conformance._delegate import FAKE_IPAM
from cni_conformance._examples import Examples, prepare
from cni_conformance._interfaces import has_interface
from cni_conformance._invocation import Invocation
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command


Json = dict[str, Any]

_RESIDUE = ("link", "file", "firewall", "rule", "qdisc", "filter")


@case(
    "spec/1.1.0/ADD/2",
    "spec/1.1.0/errors/2",
    "spec/1.1.0/errors/3",
    "spec/1.1.0/error/2",
    "spec/1.1.0/error/3",
    "spec/1.1.0/result/1",
    "field/output/2",
    "field/add/1",
    generated=True,
)
def any_configuration_is_answered(testbed: Testbed) -> None:
    """Whatever the configuration, ADD succeeds with a result or fails with an error."""
    strategies = _strategies()
    testbed.attached("works").delete()
    silent = silent_id(testbed)
    examples = Examples(testbed=testbed, count=24)
    numbers = itertools.count()

    def judge(data: Any) -> None:
        attachment = _fresh(examples, numbers)
        config = data.draw(
            strategies.configurations(_complete(testbed, attachment), testbed.profile.schema)
        )
        attachment.config = {}
        call = attachment.add(stdin=_encoded(config))
        try:
            _expect_answer(examples, call, _difference(testbed, attachment, config), silent)
            if not call.ok and data.draw(strategies.st.sampled_from([False, False, False, True])):
                _expect_nothing_left(examples, config, _fresh(examples, numbers))
        finally:
            _clean(attachment, config if call.ok else None)

    examples.each(strategies.st.data(), judge)


@case("spec/1.1.0/ADD/1", "spec/1.1.0/ADD/2", "spec/1.1.0/DEL/1", generated=True)
def any_valid_names_work(testbed: Testbed) -> None:
    """ADD and DEL work for container ids and interface names of all shapes, and keep them apart."""
    strategies = _strategies()
    first, second = testbed.attached("works"), testbed.attachment("works-too")
    pair = second.add().ok
    checks = pair and has_command(testbed.version, "CHECK") and second.check().ok
    shows = testbed.kind in {"interface", "meta"} and testbed.profile.ifname != "lo"
    shows = shows and has_interface(first)
    if not first.delete().ok or not second.delete().ok:
        testbed.block("needs a DEL that succeeds after ADD")
    shows = shows and not has_interface(first)
    odd = testbed.kind in {"interface", "ipam"} and testbed.profile.ifname != "lo"
    examples = Examples(testbed=testbed, count=8)
    numbers = itertools.count()

    def judge(data: Any) -> None:
        usual = testbed.profile.ifname
        container_id = data.draw(strategies.container_ids())
        ifname = data.draw(strategies.interface_names()) if odd else usual
        one = _fresh(examples, numbers, container_id=container_id, ifname=ifname)
        env = {} if testbed.configuration.args else {"CNI_ARGS": data.draw(strategies.arguments())}
        call = one.add(env=env)
        if not call.ok and ifname != usual:
            # A name the plugin cannot use is refused (spec/1.1.0/parameters/1).
            call = one.add(env={**env, "CNI_IFNAME": usual})
            one.ifname = usual
        examples.expect(
            "spec/1.1.0/ADD/2",
            call.ok,
            expected=f"ADD with CNI_CONTAINERID={container_id} succeeds, which is a valid id",
            actual=call.describe(),
        )
        if shows:
            examples.expect(
                "spec/1.1.0/ADD/1",
                has_interface(one),
                expected=f"an interface {one.ifname!r} in the namespace CNI_NETNS",
                actual="ADD succeeded, and there is none of this name",
            )
        other = None
        if pair:
            other = _fresh(
                examples, numbers, container_id=data.draw(strategies.alike(container_id))
            )
            call = other.add()
            examples.expect(
                "spec/1.1.0/ADD/2",
                call.ok,
                expected=f"ADD for container {other.container_id} succeeds beside {container_id}",
                actual=call.describe(),
            )
        _expect_deleted(examples, one, other, shows=shows, checks=checks)
        for each in [one, *([other] if other else [])]:
            _clean(each)

    examples.each(strategies.st.data(), judge)


def _expect_deleted(
    examples: Examples, one: Attachment, other: Attachment | None, *, shows: bool, checks: bool
) -> None:
    call = one.delete()
    name = f"container {one.container_id}, interface {one.ifname!r}"
    examples.expect(
        "spec/1.1.0/DEL/1",
        call.ok,
        expected=f"DEL succeeds for {name}",
        actual=call.describe(),
    )
    if shows:
        examples.expect(
            "spec/1.1.0/DEL/1",
            not has_interface(one),
            expected=f"DEL removes the interface of {name}",
            actual="DEL succeeded, and the interface is still there",
        )
    if other is None:
        return
    if shows:
        examples.expect(
            "spec/1.1.0/DEL/1",
            has_interface(other),
            expected=f"DEL for {name} leaves container {other.container_id} alone",
            actual="the interface of the other container is gone",
        )
    if checks:
        call = other.check()
        examples.expect(
            "spec/1.1.0/DEL/1",
            call.ok,
            expected=f"after DEL for {name}, CHECK of container {other.container_id} succeeds",
            actual=call.describe(),
        )


@case("spec/1.1.0/parameters/1", "field/output/2", generated=True)
def any_names_are_answered(testbed: Testbed) -> None:
    """Names and arguments that are not valid make no crash; an impossible interface name is refused."""
    strategies = _strategies()
    testbed.attached("works").delete()
    silent = silent_id(testbed)
    if silent != "field/output/2":
        testbed.block(f"needs a plugin that prints errors, see {silent}")
    examples = Examples(testbed=testbed, count=12)
    numbers = itertools.count()
    wrong = strategies.st.one_of(
        strategies.st.tuples(
            strategies.st.just("CNI_IFNAME"), strategies.invalid_interface_names()
        ),
        strategies.st.tuples(
            strategies.st.just("CNI_CONTAINERID"), strategies.invalid_container_ids()
        ),
        strategies.st.tuples(strategies.st.just("CNI_ARGS"), strategies.malformed_arguments()),
    )

    def judge(variable: tuple[str, str]) -> None:
        name, value = variable
        attachment = _fresh(examples, numbers)
        call = attachment.add(env={name: value})
        if name == "CNI_IFNAME":
            examples.expect(
                "spec/1.1.0/parameters/1",
                not call.ok,
                expected=f"ADD with CNI_IFNAME={value!r} fails",
                actual=call.describe(),
            )
        problem = None if call.ok else problem_of(call, silent)
        examples.expect(
            "field/output/2",
            problem is None or problem[0] != "field/output/2",
            expected=f"ADD with {name}={value!r} gives a result or an error, not a crash",
            actual=call.describe(),
        )
        if call.ok:
            attachment.delete(env={name: value})
        _clean(attachment)

    examples.each(wrong, judge)


@case("field/delegate/2", "spec/1.1.0/delegation/9", delegating=True, generated=True)
def any_answer_of_the_delegate(testbed: Testbed) -> None:
    """Nonsense from the delegate becomes an error, and the delegate's ADD is undone."""
    strategies = _strategies()
    testbed.use_fake_ipam()
    testbed.attached("works").delete()
    testbed.delegate.on("ADD", error={"code": 142, "msg": "no address left"})
    testbed.forget_delegate_calls()
    plain = testbed.attachment("refused").add()
    if plain.ok or problem_of(plain, "field/delegate/2"):
        testbed.block(f"needs an error when the delegate fails; {plain.describe()}")
    undone = testbed.delegate.commands()[-1:] == ["DEL"]
    testbed.delegate.reset(FAKE_IPAM)
    examples = Examples(testbed=testbed, count=16)
    numbers = itertools.count()
    just = strategies.st.just
    nonsense = strategies.nonsense_results(testbed.version, applied=testbed.kind == "interface")
    answers = strategies.st.one_of(
        strategies.st.tuples(just("nonsense"), nonsense),
        strategies.st.tuples(just("doubtful"), strategies.doubtful_results(testbed.version)),
    )

    def judge(answer: tuple[str, str]) -> None:
        sort, text = answer
        attachment = _fresh(examples, numbers)
        testbed.script_delegate("ADD", stdout=text, exit=0)
        call = attachment.add()
        try:
            examples.expect(
                "field/delegate/2",
                not call.ok if sort == "nonsense" else call.ended_by == "",
                expected=f"ADD fails when the delegate prints {text!r}"
                if sort == "nonsense"
                else f"ADD ends when the delegate prints {text!r}",
                actual=call.describe(),
            )
            examples.expect(
                "field/delegate/2",
                call.ok or not problem_of(call, "field/delegate/2"),
                expected=f"a clear error when the delegate prints {text!r}: one object with a "
                "numeric `code` and a `msg`",
                actual=call.describe(),
            )
            if undone and sort == "nonsense":
                commands = testbed.delegate.commands()
                examples.expect(
                    "spec/1.1.0/delegation/9",
                    commands[-1:] == ["DEL"],
                    expected=f"the delegate's ADD, which printed {text!r}, is followed by its DEL",
                    actual=f"calls of the delegate: {', '.join(commands) or 'none'}",
                )
        finally:
            testbed.delegate.reset(FAKE_IPAM)
            _clean(attachment)

    examples.each(answers, judge)


@case("spec/1.1.0/error/8", generated=True)
def any_malformed_input(testbed: Testbed) -> None:
    """Input that is no JSON object is answered with code 6 (or 5)."""
    strategies = _strategies()
    testbed.attached("works").delete()
    attachment = testbed.attachment("malformed")
    examples = Examples(testbed=testbed, count=20)

    def judge(stdin: bytes) -> None:
        call = attachment.add(stdin=stdin)
        if call.ok or not isinstance(call.code, int):
            return  # error/2 and others speak of that
        # 7: what was read is JSON of another type, or text in another encoding.
        allowed = {5, 6, 7} if _is_json(stdin) or not stdin.isascii() else {5, 6}
        examples.expect(
            "spec/1.1.0/error/8",
            call.code in allowed,
            expected=f"the error has code 6 (or 5) when the configuration is {stdin!r}",
            actual=call.describe(),
        )

    examples.each(strategies.malformed(), judge)


# -- what is common ------------------------------------------------------------------------------


def _strategies() -> Any:
    """The strategies, which need Hypothesis."""
    prepare()
    from cni_conformance import _strategies as module

    return module


def _fresh(examples: Examples, numbers: itertools.count[int], **options: Any) -> Attachment:
    """A container of this example alone."""
    number = next(numbers)
    if examples.testbed.kind == "chained" and number > _predecessor.MOST:
        examples.stop()
    return examples.testbed.attachment(f"x{number}", **options)


def _complete(testbed: Testbed, attachment: Attachment) -> Json:
    previous = {"prevResult": attachment.previous} if attachment.previous else {}
    return testbed.config(**previous)


def _encoded(config: Json) -> bytes:
    return json.dumps(config).encode()


def _difference(testbed: Testbed, attachment: Attachment, config: Json) -> str:
    """What was changed in a configuration, for a sentence."""
    base = _complete(testbed, attachment)
    changes = [f"without {key}" for key in base if key not in config]
    changes += [
        f"with {json.dumps(key)}: {_short(json.dumps(value))}"
        for key, value in config.items()
        if key not in base or base[key] != value
    ]
    return " and ".join(changes) or "unchanged"


def _short(text: str) -> str:
    return text if len(text) < 200 else text[:200] + " ..."


def _expect_answer(examples: Examples, call: Invocation, about: str, silent: str) -> None:
    problem = problem_of(call, silent)
    if problem:
        requirement, expected = problem
        examples.fail(
            requirement,
            expected=f"with the configuration {about}: {expected}",
            actual=call.describe(),
        )


def _expect_nothing_left(examples: Examples, config: Json, second: Attachment) -> None:
    """The second ADD that fails the same way leaves nothing: what networks share is there by now."""
    testbed = examples.testbed
    if second.previous and "prevResult" in config:
        config = {**config, "prevResult": second.previous}
    before = testbed.observe().only(*_RESIDUE)
    reserved = set(testbed.delegate.reservations())
    call = second.add(stdin=_encoded(config))
    if not call.ok:
        left = _new(before.appeared(testbed.observe().only(*_RESIDUE)), list(before))
        left += [f"+ address: {line}" for line in {*testbed.delegate.reservations()} - reserved]
        examples.expect(
            "field/add/1",
            not left,
            expected="each ADD that fails leaves nothing behind, with the configuration "
            + _difference(testbed, second, config),
            actual=f"{len(left)} things are there after the second one that were not after the "
            "first, see the list",
            diff=left,
        )
    _clean(second)


def _new(appeared: list[str], before: list[str]) -> list[str]:
    """Of what appeared, that whose name is new: a link that went up is no new one."""
    known = {_topic_and_name(line) for line in before}
    return [line for line in appeared if _topic_and_name(line[2:]) not in known]


def _topic_and_name(line: str) -> str:
    topic, _, rest = line.partition(": ")
    whole = not topic.endswith(("link", "file"))
    return line if whole else f"{topic}: {rest.split()[0]}"


def _clean(attachment: Attachment, config: Json | None = None) -> None:
    """End an example: the container goes, and what the plugin keeps of it."""
    attachment.delete()
    if config is not None:
        attachment.delete(stdin=_encoded(config))
    if os.path.exists(attachment.netns):
        attachment.remove_netns()


@functools.cache
def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
