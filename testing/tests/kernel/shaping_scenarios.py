"""Rate limits in scenarios for the fake and the real kernel; see `scenarios`."""

from __future__ import annotations

from typing import Any

from scenarios import MAC, ME, OTHER, World, each

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._net._qdisc import ENTRY_QDISC, FIRST, INGRESS, ROOT, Redirect
from cnisdk._net._rate_limit import RateLimit


LIMIT, OTHER_LIMIT = RateLimit(8_000_000, 800_000), RateLimit(16, 80)
TBF = LIMIT.qdisc
NAMES = ("bwp0", "bwp1")


def ifb(w: World, name: str = "bwp0", **keys: Any) -> int:
    return w.k.add_link(name, "ifb", mac=MAC, **keys).index


def redirected(w: World) -> tuple[int, int]:
    """A veth whose traffic is redirected."""
    link, to = w.veth().index, ifb(w)
    w.k.set_qdisc(link, ENTRY_QDISC)
    w.k.add_redirect(link, Redirect(target=to, everything=True))
    return link, to


def limited(w: World) -> str:
    """Both directions, by the verbs; the name of the ifb."""
    w.veth()
    w.host.add_rate_limit("veth0", LIMIT)
    return w.host.add_incoming_rate_limit("veth0", LIMIT, via=NAMES).name


def checked(w: World) -> list[str]:
    """What CHECK says of both directions."""
    found: list[str] = []
    for check in (
        lambda: w.host.expect_rate_limit("veth0", LIMIT),
        lambda: w.host.expect_incoming_rate_limit("veth0", LIMIT, via=NAMES),
    ):
        try:
            check()
            found.append("")
        except errors.CniError as failure:
            found.append(failure.msg)
    return found


def after(*steps: Any) -> None:
    """One scenario for each change of what has been limited."""
    for step in steps:
        each(lambda w, step=step: (limited(w), step(w), checked(w))[2])


each(
    # primitives
    lambda w: [w.k.qdisc(w.veth().index, parent) for parent in (ROOT, INGRESS)],
    lambda w: w.k.qdisc(99, ROOT),
    lambda w: w.k.set_qdisc(w.veth().index, TBF),
    lambda w: [w.k.set_qdisc(w.veth().index, TBF), w.k.set_qdisc(2, OTHER_LIMIT.qdisc)][:0],
    lambda w: w.k.remove_qdisc(w.veth().index, TBF),
    lambda w: w.k.remove_qdisc(w.veth().index, ENTRY_QDISC),
    lambda w: w.k.remove_qdisc(redirected(w)[0], ENTRY_QDISC),
    lambda w: w.k.set_qdisc(redirected(w)[0], ENTRY_QDISC),
    lambda w: w.k.redirects(w.veth().index),
    lambda w: [w.k.has_filters(index) for index in (w.veth().index, 1)],
    lambda w: w.k.has_filters(redirected(w)[0]),
    lambda w: w.k.remove_redirects(w.veth().index, 1),
    lambda w: w.k.remove_redirects(redirected(w)[0], 1),
    lambda w: w.k.remove_link(redirected(w)[1]),
    lambda w: w.k.add_redirect(w.veth().index, Redirect(target=1, everything=True)),
    lambda w: (
        redirected(w),
        w.k.add_redirect(w.veth().index, Redirect(target=1, everything=True)),
    ),
    # verbs
    lambda w: (limited(w), checked(w)),
    lambda w: (limited(w), w.host.add_rate_limit("veth0", OTHER_LIMIT), checked(w)),
    lambda w: (
        limited(w),
        w.host.add_incoming_rate_limit("veth0", LIMIT, via=NAMES).name,
        checked(w),
    ),
    lambda w: w.host.add_rate_limit("nope", LIMIT),
    lambda w: w.host.add_rate_limit(w.veth().name, RateLimit(7, 800)),
    lambda w: (
        w.k.set_qdisc(w.veth().index, TBF._replace(handle=2 * FIRST)),
        w.host.add_rate_limit("veth0", LIMIT),
    ),
    lambda w: (limited(w), w.rollback.run(RuntimeError())),
    lambda w: (
        w.veth(),
        w.bridge("bwp0"),
        w.host.add_incoming_rate_limit("veth0", LIMIT, via=NAMES),
    ),
    lambda w: (
        w.veth(),
        [w.bridge(name) for name in NAMES],
        w.host.add_incoming_rate_limit("veth0", LIMIT, via=NAMES),
    ),
    lambda w: (ifb(w, alias=OTHER.owner_tag), limited(w), checked(w)),
    lambda w: (ifb(w, alias=ME.owner_tag), limited(w), checked(w)),
    lambda w: (ifb(w), limited(w), checked(w)),
    checked,
    lambda w: (w.veth(), checked(w))[1],
    lambda w: (w.wired(), w.host.peer_of(w.eth()))[1],
    lambda w: (w.wired(), w.container.peer_of(w.eth()))[1],
    # an ifb without an owner, the one that redirects known: the Go plugin's
    lambda w: (
        redirected(w),
        w.k.change_link(3, up=True),
        w.host.add_incoming_rate_limit("veth0", LIMIT, via=NAMES).name,
    ),
    lambda w: (
        redirected(w),
        w.k.change_link(3, alias=OTHER.owner_tag),
        w.host.add_incoming_rate_limit("veth0", LIMIT, via=NAMES),
    ),
    lambda w: (redirected(w), w.host.remove_ifb(ME, NAMES)),
    lambda w: (redirected(w), w.host.remove_ifb(ME, NAMES[::-1])),
)
after(
    lambda w: w.host.remove_rate_limits(ME, "veth0"),
    lambda w: w.host.remove_rate_limits(ME),
    lambda w: w.host.remove_rate_limits(ME, "nope"),
    lambda w: w.host.remove_rate_limits(OTHER, "veth0", unmarked=True),
    lambda w: (w.host.set_alias("veth0", ""), w.host.remove_rate_limits(ME, "veth0")),
    lambda w: (
        w.host.set_alias("veth0", ""),
        w.host.remove_rate_limits(ME, "veth0", unmarked=True),
    ),
    lambda w: w.host.remove_ifb(ME, NAMES),
    lambda w: w.host.remove_ifb(OTHER, NAMES),
    lambda w: w.host.retain_rate_limits("mynet", [ME]),
    lambda w: w.host.retain_rate_limits("mynet", []),
    lambda w: w.host.retain_rate_limits("other", []),
    lambda w: w.host.retain_rate_limits("mynet", [Attachment("mynet", "c1", "eth1")]),
    lambda w: w.host.remove_link("bwp0"),
    lambda w: w.host.set_down("bwp0"),
    lambda w: w.host.set_attributes("bwp0", mtu=1400),
    lambda w: w.host.set_alias("bwp0", ""),
    lambda w: w.host.set_alias("bwp0", OTHER.owner_tag),
    lambda w: w.k.set_qdisc(w.host.expect_link("veth0").index, OTHER_LIMIT.qdisc),
    lambda w: w.k.set_qdisc(w.host.expect_link("bwp0").index, OTHER_LIMIT.qdisc),
    lambda w: w.k.remove_qdisc(w.host.expect_link("bwp0").index, TBF),
    lambda w: w.k.remove_qdisc(w.host.expect_link("veth0").index, TBF),
    lambda w: w.k.remove_qdisc(w.host.expect_link("veth0").index, ENTRY_QDISC),
    lambda w: w.k.remove_redirects(w.host.expect_link("veth0").index, 1),
)
