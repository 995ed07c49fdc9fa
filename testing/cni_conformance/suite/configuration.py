"""Section 1: keys of the configuration that mean the same to every plugin."""

from __future__ import annotations

import json

from cni_conformance._case import case
from cni_conformance._testbed import Testbed


@case("spec/1.1.0/configuration/3", kinds=["interface"])
def masquerading_is_set_up(testbed: Testbed) -> None:
    """With `ipMasq` ADD makes a rule on the host that masquerades."""
    if not testbed.configuration.plugin.get("ipMasq"):
        testbed.not_applicable("the configuration does not set ipMasq")
    testbed.attached("usual").delete()
    plain = testbed.attachment("plain")
    plain.config = {"ipMasq": False}
    before = testbed.observe().only("firewall")
    if not (call := plain.add()).ok:
        testbed.block(f"needs an ADD without ipMasq that succeeds; {call.describe()}")
    rules = before.appeared(testbed.observe().only("firewall"))
    testbed.expect(
        "spec/1.1.0/configuration/3",
        not _masquerades(rules),
        expected="ADD with ipMasq false makes no rule that masquerades",
        actual="it made one, see the list",
        diff=rules,
    )
    before = testbed.observe().only("firewall")
    testbed.attached("masqueraded")
    rules = before.appeared(testbed.observe().only("firewall"))
    testbed.expect(
        "spec/1.1.0/configuration/3",
        _masquerades(rules),
        expected="ADD with ipMasq makes a rule that masquerades what leaves the host",
        actual="none of the rules it made does" if rules else "it made no rule",
        diff=rules,
    )


def _masquerades(rules: list[str]) -> bool:
    return any(word in rule.lower() for rule in rules for word in ("masquerade", "snat"))


@case("spec/0.1.0/routes/1", delegating=True, kinds=["interface"])
def default_route_that_exists(testbed: Testbed) -> None:
    """ADD succeeds when the container has a default route and the delegate returns one."""
    testbed.use_fake_ipam()
    testbed.attached("plain").delete()
    attachment = testbed.attachment("routed")
    for words in (
        "link add cfother type veth peer name cfotherp",
        "addr add 192.0.2.5/24 dev cfother",
        "link set cfother up",
        "route add default via 192.0.2.1",
    ):
        testbed.command("ip", *words.split(), inside=attachment.netns)
    call = attachment.add()
    testbed.expect(
        "spec/0.1.0/routes/1",
        call.ok,
        expected="ADD succeeds although the container has a default route already",
        actual=call,
    )


@case("spec/0.1.0/routes/2", delegating=True, kinds=["interface"])
def routes_have_no_metric(testbed: Testbed) -> None:
    """The routes the delegate returns are added with metric 0."""
    testbed.use_fake_ipam()
    attachment = testbed.attached()
    shown = testbed.command("ip", "-j", "-4", "route", "show", "default", inside=attachment.netns)
    metrics = [route.get("metric", 0) for route in json.loads(shown or "[]")]
    testbed.expect(
        "spec/0.1.0/routes/2",
        not any(metrics),
        expected="the default route the delegate returned has metric 0",
        actual=f"it has metric {metrics}",
    )
