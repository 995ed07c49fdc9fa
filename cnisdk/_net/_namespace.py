"""A network namespace as plugins see it: verbs that undo themselves, remove by owner, or compare."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cnisdk._net._bridges import BridgeVerbs
from cnisdk._net._comparison import CheckVerbs
from cnisdk._net._container_links import ContainerLinkVerbs
from cnisdk._net._devices import DeviceVerbs
from cnisdk._net._rule_verbs import RuleVerbs
from cnisdk._net._shaping import ShapingVerbs


if TYPE_CHECKING:
    from cnisdk._names import Attachment


class Namespace(BridgeVerbs, ContainerLinkVerbs, DeviceVerbs, RuleVerbs, ShapingVerbs, CheckVerbs):
    """The host's or a container's network namespace.

    ``add_*`` verbs fail when the object exists, carry the attachment's owner tag, and are undone when ADD
    fails. ``ensure_*`` verbs make what containers share, and are not undone. ``remove_*`` verbs succeed
    when there is nothing. ``expect_*`` verbs raise an error that names what is missing or altered.
    """

    def remove_owned(self, attachment: Attachment) -> None:
        """Remove whatever an attachment has here: host ends of veths, masquerading, spoof checks."""
        _all(
            lambda: self._remove_veths_of(attachment),
            lambda: self.firewall.remove_masquerade(attachment),
            lambda: self.firewall.remove_spoof_check(attachment),
        )

    def retain_owned(self, network: str, valid: Collection[Attachment]) -> None:
        """Remove whatever a network's attachments have here, but for the valid ones (GC)."""
        _all(
            lambda: self._retain_links(network, valid),
            lambda: self.firewall.retain_masquerade(network, valid),
            lambda: self.firewall.retain_spoof_checks(network, valid),
        )


def _all(*steps: Callable[[], object]) -> None:
    """Run every step, then raise the first error."""
    first: Exception | None = None
    for step in steps:
        try:
            step()
        except Exception as failure:  # noqa: BLE001  # the other steps must still run
            if first is None:
                first = failure
            else:
                first.add_note(str(failure))
    if first is not None:
        raise first
