"""Masquerading and the MAC spoof check, as one namespace's verbs.

`Firewall` is what `Namespace` works with; `KernelFirewall` is the real one. Nothing of it is
imported before a plugin masquerades or checks MACs, or has to clean up after one that did.
"""

# ruff: noqa: PLC0415  # late imports: a plugin that neither masquerades nor checks MACs pays nothing

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from cnisdk import errors
from cnisdk._net._rule_filter import KernelRules, RuleFilter


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._names import Attachment
    from cnisdk._net._masquerade_iptables import IptablesMasquerade
    from cnisdk._net._nft_wire import Wire
    from cnisdk._result import IpInterface

BACKENDS = ("nftables", "iptables")
"""The values of ``ipMasqBackend``."""


class Firewall(RuleFilter, Protocol):
    """What a network namespace's packet filter does for attachments.

    Everything is repeatable, and removing needs no more than the attachment.
    """

    def add_masquerade(
        self, attachment: Attachment, addresses: Sequence[IpInterface], *, backend: str | None
    ) -> None:
        """Masquerade what leaves the subnets of the addresses; replaces an earlier ADD's rules.

        Args:
            attachment: The owner.
            addresses: The container's addresses with prefix length.
            backend: "nftables", "iptables", or None for nftables where it can be used.
        """
        ...

    def remove_masquerade(self, attachment: Attachment) -> None:
        """Remove the attachment's masquerading, from nftables and iptables alike."""
        ...

    def retain_masquerade(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove the network's masquerading for all but the valid attachments."""
        ...

    def expect_masquerade(
        self, attachment: Attachment, addresses: Sequence[IpInterface], *, backend: str | None
    ) -> None:
        """Raise `errors.CniError` naming the first rule that is missing or was changed."""
        ...

    def add_spoof_check(self, attachment: Attachment, ifname: str, mac: str) -> None:
        """Drop frames entering by the link ``ifname`` unless they carry this source MAC."""
        ...

    def remove_spoof_check(self, attachment: Attachment) -> None:
        """Remove the attachment's spoof check."""
        ...

    def retain_spoof_checks(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove the network's spoof checks for all but the valid attachments."""
        ...

    def expect_spoof_check(
        self, attachment: Attachment, ifname: str, mac: str, *, tagged: bool = False
    ) -> None:
        """Raise `errors.CniError` naming the first rule that is missing or was changed.

        Args:
            attachment: Whose check.
            ifname: The host-side link.
            mac: The only source MAC to let in.
            tagged: Whether it must have the owner tag, which those of the Go plugin have not.
        """
        ...

    def choose(self, backend: str | None, purpose: str) -> str:
        """The backend: as given, or nftables where it can be used, else iptables.

        Raises:
            errors.CniError: neither can be used; says why not to ``purpose``.
        """
        ...

    def usable(self, backend: str | None = None) -> str:
        """Why rules cannot be made here; "" when they can. For STATUS."""
        ...

    def close(self) -> None:
        """Let go of the kernel."""
        ...


class KernelFirewall(KernelRules):
    """The packet filter of a real network namespace.

    Args:
        netns_fd: The namespace, open; None means the one the plugin runs in.
        deadline: The call's time; limits how long programs and the xtables lock are waited for.
    """

    def __init__(self, netns_fd: int | None = None, *, deadline: Deadline | None = None) -> None:
        self._netns_fd = netns_fd
        self._deadline = deadline
        self._open_wire: Wire | None = None

    def close(self) -> None:
        """Let go of the kernel.

        Not after each verb: closing waits some 10 ms until nobody reads the rules just deleted.
        """
        if self._open_wire is not None:
            self._open_wire.close()
            self._open_wire = None

    def add_masquerade(
        self, attachment: Attachment, addresses: Sequence[IpInterface], *, backend: str | None
    ) -> None:
        """See `Firewall.add_masquerade`."""
        from cnisdk._net import _masquerade_nft

        purpose = f"masquerade {attachment}"
        chosen = self.choose(backend, purpose)
        with self._explained(purpose):
            if chosen == "iptables":
                self._iptables().add(attachment, addresses)
            else:
                _masquerade_nft.add(
                    self._wire(),
                    attachment,
                    addresses,
                    netns_fd=self._netns_fd,
                    deadline=self._deadline,
                )

    def remove_masquerade(self, attachment: Attachment) -> None:
        """See `Firewall.remove_masquerade`."""
        from cnisdk._net import _masquerade_nft

        wire = self._wire_if_any()
        self._all(
            f"remove masquerading of {attachment}",
            lambda: _masquerade_nft.remove(wire, attachment) if wire else None,
            lambda: self._iptables().remove(attachment),
        )

    def retain_masquerade(self, network: str, valid: Collection[Attachment]) -> None:
        """See `Firewall.retain_masquerade`."""
        from cnisdk._net import _masquerade_nft

        wire = self._wire_if_any()
        self._all(
            f"remove stale masquerading of {network}",
            lambda: _masquerade_nft.retain(wire, network, valid) if wire else None,
            lambda: self._iptables().retain(network, valid),
        )

    def expect_masquerade(
        self, attachment: Attachment, addresses: Sequence[IpInterface], *, backend: str | None
    ) -> None:
        """See `Firewall.expect_masquerade`; without backend either may hold the rules."""
        from cnisdk._net import _masquerade_nft

        _check_backend(backend)
        wire = self._wire_if_any()
        with self._explained(f"check masquerading of {attachment}"):
            if backend is None:
                in_nft = wire is not None and _masquerade_nft.has_rules(wire, attachment)
                in_iptables = not in_nft and self._iptables().has_rules(attachment)
                backend = "iptables" if in_iptables else "nftables"
            if backend == "iptables" or wire is None:
                self._iptables().expect(attachment, addresses)
            else:
                _masquerade_nft.expect(wire, attachment, addresses)

    def add_spoof_check(self, attachment: Attachment, ifname: str, mac: str) -> None:
        """See `Firewall.add_spoof_check`."""
        from cnisdk._net import _spoof_check

        with self._explained(f"install the MAC spoof check of {ifname}"):
            _spoof_check.add(
                self._wire(),
                attachment,
                ifname,
                mac,
                netns_fd=self._netns_fd,
                deadline=self._deadline,
            )

    def remove_spoof_check(self, attachment: Attachment) -> None:
        """See `Firewall.remove_spoof_check`."""
        from cnisdk._net import _spoof_check

        if wire := self._wire_if_any():
            with self._explained(f"remove the MAC spoof check of {attachment}"):
                _spoof_check.remove(wire, attachment)

    def retain_spoof_checks(self, network: str, valid: Collection[Attachment]) -> None:
        """See `Firewall.retain_spoof_checks`."""
        from cnisdk._net import _spoof_check

        if wire := self._wire_if_any():
            with self._explained(f"remove stale MAC spoof checks of {network}"):
                _spoof_check.retain(wire, network, valid)

    def expect_spoof_check(
        self, attachment: Attachment, ifname: str, mac: str, *, tagged: bool = False
    ) -> None:
        """See `Firewall.expect_spoof_check`."""
        from cnisdk._net import _spoof_check

        with self._explained(f"check the MAC spoof check of {ifname}"):
            _spoof_check.expect(self._wire(), attachment, ifname, mac, tagged=tagged)

    def usable(self, backend: str | None = None) -> str:
        """See `Firewall.usable`; for nftables the kernel tries the rules of an ADD for real."""
        from cnisdk._net import _iptables_programs

        _check_backend(backend)
        if backend == "iptables":
            return _iptables_programs.usable()
        problem = self._nft_problem()
        if problem and backend is None and not _iptables_programs.usable():
            return ""
        return problem or self._nft_refuses()

    def _nft_problem(self) -> str:
        """What is missing for nftables, found out cheaply."""
        from cnisdk._net import _nft

        if problem := _nft.missing():
            return f"{problem}; {_nft.INSTALL}"
        try:
            _nft.refuse_unusable(self._netns_fd, "use nftables")
        except errors.CniError as failure:
            return str(failure)
        return ""

    def _nft_refuses(self) -> str:
        from ipaddress import ip_interface

        from cnisdk._names import Attachment
        from cnisdk._net import _masquerade_nft, _nft

        trial = Attachment(network="trial", container_id="trial", ifname="trial")
        addresses = [ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64")]
        try:
            with self._explained("masquerade"):
                base = _masquerade_nft.base_state(self._wire())
            _nft.run(
                _masquerade_nft.commands(trial, addresses, base=base),
                purpose="masquerade",
                netns_fd=self._netns_fd,
                deadline=self._deadline,
                dry_run=True,
            )
        except errors.CniError as failure:
            return str(failure)
        return ""

    def choose(self, backend: str | None, purpose: str) -> str:
        """See `Firewall.choose`."""
        _check_backend(backend)
        if backend is not None:
            return backend
        problem = self._nft_problem()
        if not problem:
            return "nftables"
        from cnisdk._net import _iptables_programs

        if other := _iptables_programs.usable():
            raise errors.CniError(
                f"could not {purpose}: neither nftables nor iptables can be used",
                details=f"nftables: {problem}. iptables: {other}",
            )
        return "iptables"

    def _iptables(self) -> IptablesMasquerade:
        from cnisdk._net._masquerade_iptables import IptablesMasquerade

        return IptablesMasquerade(self._wire_if_any(), self._netns_fd, self._deadline)

    def _wire(self) -> Wire:
        """The socket to nf_tables; raises OSError in a kernel without."""
        from cnisdk._net._nft_wire import Wire

        if self._open_wire is None:
            self._open_wire = Wire(self._netns_fd)
        return self._open_wire

    def _wire_if_any(self) -> Wire | None:
        """The socket to nf_tables; None in a kernel without.

        Raises:
            errors.TryAgainLater: the machine was short of something: there may be rules all the same.
        """
        try:
            return self._wire()
        except OSError as failure:
            if errors.is_shortage(failure):
                raise errors.TryAgainLater(f"cannot ask nf_tables: {failure.strerror}") from failure
            return None

    @contextmanager
    def _explained(self, purpose: str) -> Generator[None]:
        try:
            yield
        except OSError as failure:
            self.close()  # there may be answers left that nobody waits for
            raise errors.CniError(
                f"could not {purpose}: nftables: {failure.strerror or failure}",
                details="run the plugin as root, or grant it CAP_NET_ADMIN"
                if isinstance(failure, PermissionError)
                else "`nft list ruleset` shows the rules as they are",
            ) from failure

    def _all(self, purpose: str, *steps: Callable[[], object]) -> None:
        """Run all steps; one that fails does not keep the next from running."""
        failures: list[errors.CniError] = []
        for step in steps:
            try:
                with self._explained(purpose):
                    step()
            except errors.CniError as failure:
                failures.append(failure)
        if not failures:
            return
        first, *others = dict.fromkeys(str(each) for each in failures)
        if others:
            raise errors.CniError(first, details="; ".join(others)) from failures[0]
        raise failures[0]


def _check_backend(backend: str | None) -> None:
    if backend is not None and backend not in BACKENDS:
        raise errors.InvalidConfig(
            f'ipMasqBackend: unknown backend "{backend}"',
            details='choose "nftables" or "iptables", or leave the key out',
        )
