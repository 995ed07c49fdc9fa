"""Limiting what goes out and comes in by a link."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._names import short_hash
from cnisdk._net._links import LinkVerbs, is_owned, random_mac
from cnisdk._net._qdisc import ENTRY_QDISC, FIRST, INGRESS, ROOT, Qdisc, Redirect
from cnisdk._net._types import Link


if TYPE_CHECKING:
    from cnisdk._names import Attachment
    from cnisdk._net._rate_limit import RateLimit
    from cnisdk._result import Interface

_GONE = {errno.ENOENT, errno.EINVAL, errno.ENODEV, errno.ENXIO}
_MARK = "limits: "
_BUCKET = ("kind", "rate", "limit", "buffer")


class ShapingVerbs(LinkVerbs):
    """The verbs of `Namespace` for rate limits."""

    def add_rate_limit(self, name: str, limit: RateLimit) -> None:
        """Limit what goes out by a link, by a token bucket (tbf) at its root.

        A limit that is there already gets these numbers.

        Args:
            name: The link; a veth's host end for what goes into a container.
            limit: Rate and burst in bits.

        Raises:
            errors.InvalidConfig: the rate is below 8 bit/s (code 7).
            errors.CniError: somebody else's queueing discipline is at the root.
        """
        link, wanted = self.expect_link(name), limit.qdisc
        with self._named(f'rate limit of "{name}"'):
            found = self.kernel.qdisc(link.index, ROOT)
            if found is not None and not _is_ours(found):
                raise errors.CniError(
                    f'"{name}" has a queueing discipline already: {found.name}',
                    details=f"remove it (tc qdisc del dev {name} root) or do not limit this network",
                )
            self._mark(link)
            if self._rollback is not None:
                self._rollback.add(self._put_back, link.index, found or wanted, there=bool(found))
            self.kernel.set_qdisc(link.index, wanted)

    def _mark(self, link: Link) -> None:
        """Say in the link's alias whose the limits are, unless it says already whose the link is."""
        if self._owner is not None and not link.alias:
            if self._rollback is not None:
                self._rollback.add(self._unmark, link.index)
            self.kernel.change_link(link.index, alias=f"{_MARK}{self._owner.owner_tag}")

    def _unmark(self, index: int) -> None:
        link = self.kernel.link_by_index(index)
        if link is not None and link.alias.startswith(_MARK):
            self.kernel.change_link(index, alias="")

    def _put_back(self, index: int, qdisc: Qdisc, *, there: bool) -> None:
        if there:
            self.kernel.set_qdisc(index, qdisc)
        else:
            self._drop_qdisc(index, qdisc)

    def add_incoming_rate_limit(
        self, name: str, limit: RateLimit, *, via: Sequence[str]
    ) -> Interface:
        """Limit what comes in by a link: redirect it through an ifb, and limit what goes out there.

        What is there already of the same owner gets these numbers.

        Args:
            name: The link; a veth's host end for what comes out of a container.
            limit: Rate and burst in bits.
            via: Names the ifb may have, in order of preference; see `remove_ifb`.

        Returns:
            The ifb.

        Raises:
            errors.InvalidConfig: the rate is below 8 bit/s (code 7).
            errors.TryAgainLater: all the names are taken (code 11).
            errors.CniError: the link's ingress is somebody else's.
        """
        link = self.expect_link(name)
        self._mark(link)
        ifb = self._ensure_ifb(link, via)
        self.add_rate_limit(ifb.name, limit)
        with self._named(f'redirection of "{name}" to "{ifb.name}"'):
            self._ensure_redirect(link, ifb)
        return self._shown(ifb)

    def _ensure_ifb(self, link: Link, names: Sequence[str]) -> Link:
        alias = self._owner.owner_tag if self._owner is not None else ""
        targets = {each.target for each in self.kernel.redirects(link.index)}
        for name in names:
            with self._named(f'ifb "{name}"'):
                ifb = self.kernel.link(name)
                if ifb is None:
                    if self._rollback is not None:
                        self._rollback.add(self.remove_link, name, kind="ifb")
                    mac = random_mac()
                    ifb = self.kernel.add_link(name, "ifb", mac=mac, mtu=link.mtu, alias=alias)
                elif not _may_serve(ifb, self._owner, targets):
                    continue  # W-BW-2: another interface of the container has it
                # What goes through it waits in the tbf, not in a queue of its own.
                self.kernel.change_link(
                    ifb.index,
                    up=True,
                    mtu=link.mtu,
                    tx_queue_length=0,
                    alias=None if ifb.alias == alias else alias,
                )
                return self.expect_link(name)
        raise errors.TryAgainLater(
            f"no free name for an ifb on {self}", details=f"taken: {', '.join(names)}"
        )

    def _ensure_redirect(self, link: Link, ifb: Link) -> None:
        entry = self.kernel.qdisc(link.index, INGRESS)
        if entry is not None and entry.kind != ENTRY_QDISC.kind:
            raise errors.CniError(f'the ingress of "{link.name}" is taken: {entry.name}')
        if entry is None:
            if self._rollback is not None:
                self._rollback.add(self._drop_qdisc, link.index, ENTRY_QDISC)
            self.kernel.set_qdisc(link.index, ENTRY_QDISC)
        wanted = Redirect(target=ifb.index, everything=True)
        found = self.kernel.redirects(link.index)
        if wanted in found:
            return
        for each in found:
            if each.target is not None and each.priority <= wanted.priority:
                raise errors.CniError(f'what comes in by "{link.name}" is redirected already')
        if found and found[0].target is None:
            self._drop_redirects(link.index)  # to an ifb that has gone
        if self._rollback is not None:
            self._rollback.add(self._drop_redirects, link.index)
        self.kernel.add_redirect(link.index, wanted)

    def remove_rate_limits(
        self, attachment: Attachment, name: str = "", *, unmarked: bool = False
    ) -> None:
        """Remove what limits an attachment's link: the tbf, and the redirection of what comes in.

        Args:
            attachment: The owner.
            name: The link; "" to look for it by the owner's mark among all links.
            unmarked: Take limits that nobody has marked, as those of the Go plugin, for the owner's.
        """
        with self._named(f"rate limits of {attachment}"):
            link = self.kernel.link(name) if name else None
            links = [link] if link is not None else [] if name else self.kernel.links()
            for each in links:
                tag = each.alias.removeprefix(_MARK)
                if attachment.owns(tag) or (unmarked and not attachment.is_tag(tag)):
                    self._remove_limits(each)

    def _remove_limits(self, link: Link) -> None:
        try:
            self._drop_limits(link)
        except OSError as failure:
            if failure.errno != errno.ENODEV:
                raise
            # The link has gone since it was found, and its limits with it.

    def _drop_limits(self, link: Link) -> None:
        found = self.kernel.qdisc(link.index, ROOT)
        if found is not None and _is_ours(found):
            self._drop_qdisc(link.index, found)
        if any(each.everything for each in self.kernel.redirects(link.index)):
            self._drop_redirects(link.index)
        entry = self.kernel.qdisc(link.index, INGRESS)
        if entry == ENTRY_QDISC and not self.kernel.has_filters(link.index):
            self._drop_qdisc(link.index, ENTRY_QDISC)
        if link.alias.startswith(_MARK):
            self._unmark(link.index)

    def remove_ifb(self, attachment: Attachment, via: Sequence[str]) -> None:
        """Remove an attachment's ifb.

        Args:
            attachment: The owner.
            via: The names it may have. One without any owner's tag is removed by the first of them
                alone, and only where none has the owner's: the Go plugin has made it.
        """
        with self._named(f"ifb of {attachment}"):
            found = [ifb for ifb in map(self.kernel.link, via) if ifb and ifb.kind == "ifb"]
            owned = [ifb for ifb in found if is_owned(ifb, attachment)]
            plain = [ifb for ifb in found if ifb.name == via[0] and not ifb.alias]
            for ifb in owned or plain:
                self._remove(ifb)

    def retain_rate_limits(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove ifbs and limits of a network's attachments, but for the valid ones (GC)."""
        prefix = f"{short_hash(network)}-"
        with self._named(f"rate limits of network {network}"):
            for link in self.kernel.links():
                tag = link.alias.removeprefix(_MARK)
                if not tag.startswith(prefix) or any(each.owns(tag) for each in valid):
                    continue
                if link.kind == "ifb":
                    self._remove(link)
                else:
                    self._remove_limits(link)

    def expect_rate_limit(self, name: str, limit: RateLimit) -> None:
        """Raise an error naming what is missing or altered of `add_rate_limit`."""
        link = self.expect_link(name)
        with self._named(f'rate limit of "{name}"'):
            found, wanted = self.kernel.qdisc(link.index, ROOT), limit.qdisc
        if found is None or found.kind != wanted.kind:
            other = f", there is {found.name}" if found else ""
            raise errors.CniError(f'Failed to find qdisc: no tbf limits "{name}"{other}')
        for field in _BUCKET:
            has, value = getattr(found, field), getattr(wanted, field)
            if has != value:
                raise errors.CniError(
                    f'{field.capitalize()} doesn\'t match: "{name}" has {has}, not {value}',
                    details="rate in bytes/s, limit in bytes, buffer in ticks of 64 ns",
                )

    def expect_incoming_rate_limit(
        self, name: str, limit: RateLimit, *, via: Sequence[str]
    ) -> Link:
        """Raise an error naming what is missing or altered of `add_incoming_rate_limit`.

        Returns:
            The ifb.
        """
        link = self.expect_link(name)
        with self._named(f'redirection of "{name}"'):
            found = [ifb for ifb in map(self.kernel.link, via) if ifb and ifb.kind == "ifb"]
            entry = self.kernel.qdisc(link.index, INGRESS)
            redirects = self.kernel.redirects(link.index)
        # The Go plugin's has no owner, and always the first name.
        plain = {ifb.index for ifb in found if ifb.name == via[0]}
        ours = [ifb for ifb in found if _may_serve(ifb, self._owner, plain)]
        if not ours:
            raise errors.CniError(f'get ifb device: "{via[0]}" not found on {self}')
        ifb = ours[0]
        self._compare(ifb, mtu=link.mtu, up=True)
        if entry is None or entry.kind != ENTRY_QDISC.kind:
            raise errors.CniError(f'Failed to find qdisc: "{name}" has no ingress qdisc')
        if not redirects or redirects[0] != Redirect(target=ifb.index, everything=True):
            raise errors.CniError(
                f'the filter that redirects what comes in by "{name}" to "{ifb.name}" is '
                f"{'altered' if redirects else 'missing'}"
            )
        self.expect_rate_limit(ifb.name, limit)
        return ifb

    def _drop_redirects(self, index: int) -> None:
        self._unless_gone(lambda: self.kernel.remove_redirects(index, 1))

    def _drop_qdisc(self, index: int, qdisc: Qdisc) -> None:
        self._unless_gone(lambda: self.kernel.remove_qdisc(index, qdisc))

    def _unless_gone(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as failure:
            if failure.errno not in _GONE:
                raise


def _is_ours(qdisc: Qdisc) -> bool:
    """Whether it has the shape of a limit: nothing in the kernel says who made it."""
    return qdisc.kind == "tbf" and qdisc.handle == FIRST


def _may_serve(ifb: Link, owner: Attachment | None, targets: Collection[int | None]) -> bool:
    """Whether an ifb is the owner's; one the Go plugin has made is known by who redirects to it."""
    if ifb.kind != "ifb" or owner is None:
        return ifb.kind == "ifb"
    return is_owned(ifb, owner) or (not ifb.alias and ifb.index in targets)
