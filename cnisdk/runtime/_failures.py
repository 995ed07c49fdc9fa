"""Errors of the runtime side: each says which plugin of which network failed at what."""

from __future__ import annotations

from collections.abc import Sequence

from cnisdk import errors


class PluginFailed(errors.DelegateError):
    """One plugin of a network failed; its own code and details are kept.

    Attributes:
        plugin_type: The plugin's type.
        network: The network's name.
        verb: What the plugin was asked to do, for example ``ADD``.
    """

    def __init__(self, error: errors.CniError, plugin_type: str, network: str, verb: str) -> None:
        super().__init__(
            # The Go library's form, which operators search their logs for.
            f'plugin type="{plugin_type}" name="{network}" failed ({verb.lower()}): {error.msg}',
            code=error.code,
            details=error.details,
            delegate=plugin_type,
        )
        self.__cause__: BaseException | None = error
        for note in getattr(error, "__notes__", ()):
            self.add_note(note)
        self.plugin_type = plugin_type
        self.network = network
        self.verb = verb


class SeveralFailed(errors.DelegateError):
    """An operation that goes on after an error met several; the code is the first one's.

    Attributes:
        failures: All of them, in the order they came.
    """

    def __init__(self, what: str, failures: Sequence[errors.CniError]) -> None:
        super().__init__(
            f"{what}: {len(failures)} errors: " + "; ".join(each.msg for each in failures),
            code=failures[0].code,
            details="; ".join(each.details for each in failures if each.details),
        )
        self.failures: tuple[errors.CniError, ...] = tuple(failures)


class NetworkNotFound(errors.InvalidConfig):
    """No configuration file has a network of this name."""


class DamagedEntry(errors.DecodingFailure):
    """A file of the cache cannot be understood."""


def raise_together(what: str, failures: Sequence[errors.CniError]) -> None:
    """Raise the only error, or one for all of them; do nothing when there is none."""
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise SeveralFailed(what, failures)
