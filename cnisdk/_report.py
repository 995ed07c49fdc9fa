"""How a failed call ends: the error object, one line on stderr, the rest in the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import BinaryIO

from cnisdk import errors
from cnisdk._deadline import Interrupted
from cnisdk._log import Log


_LONGEST_LINE = 2000


class Report:
    """Reports one failed call; asked again after an interruption, it says the rest.

    Args:
        plugin: What the operator calls the plugin.
        verb: CNI_COMMAND, "" when there is none.
        version: cniVersion of the error object.
        log: Gets code, notes and traceback.
    """

    def __init__(self, plugin: str, verb: str, version: str, log: Log) -> None:
        self.plugin = plugin
        self.verb = verb
        self.version = version
        self.log = log
        self._told = False

    def send(self, failure: BaseException, stdout: BinaryIO, stderr: BinaryIO) -> int:
        """Report, whatever happens meanwhile.

        Returns:
            The exit status.
        """
        unspeakable = errors.InternalError(
            f"unexpected error in {self.plugin} {self.verb}: {type(failure).__name__}"
        )
        # A signal may come in between, and an author's CniError may fail to say what it is.
        for candidate in (failure, failure, unspeakable):
            try:
                self._send(candidate, stdout, stderr)
            except BaseException:  # noqa: BLE001, S112  # the next try is the answer
                continue
            break
        return 1

    def _send(self, failure: BaseException, stdout: BinaryIO, stderr: BinaryIO) -> None:
        error = with_notes(as_cni_error(failure, self.plugin, self.verb), failure)
        text = json.dumps(error.document(self.version), indent=4)
        if not self._told:
            self._told = True
            line = " ".join(f"{self.plugin} {self.verb or 'call'} failed: {error}".split())
            _write(stderr, line[:_LONGEST_LINE].encode(errors="replace") + b"\n")
            self.log.error(str(error), code=error.code, traceback=_traceback(failure))
        _write(stdout, text.encode())


def _write(stream: BinaryIO, data: bytes) -> None:
    try:
        stream.write(data)
        stream.flush()
    except (OSError, ValueError):
        pass  # Nobody reads it: the exit status has to do.


def as_cni_error(failure: BaseException, plugin: str, verb: str) -> errors.CniError:
    """The error object's content for anything that may end a call."""
    if isinstance(failure, errors.CniError):
        return failure
    if isinstance(failure, Interrupted):
        return failure.error
    if isinstance(failure, KeyboardInterrupt):
        return errors.TryAgainLater(f"{verb} was interrupted")
    if isinstance(failure, OSError) and errors.is_shortage(failure):
        return errors.TryAgainLater(f"{plugin} {verb}: {failure}")
    try:
        text = f"{type(failure).__name__}: {failure}".removesuffix(": ")
    except Exception:  # noqa: BLE001  # an author's error may fail to say what it is
        text = type(failure).__name__
    return errors.InternalError(
        f"unexpected error in {plugin} {verb}: {text}", details="the log has the traceback"
    )


def with_notes(error: errors.CniError, failure: BaseException) -> errors.CniError:
    """The error with what could not be undone in its details: somebody has to do it by hand."""
    notes: Sequence[str] = getattr(failure, "__notes__", ())
    if not notes:
        return error
    details = "; ".join(filter(None, (error.details, error.hint, *notes)))
    return errors.DelegateError(error.msg, code=error.code, details=details)


def _traceback(failure: BaseException) -> str:
    if isinstance(failure, errors.CniError):
        return ""
    import traceback

    return "".join(traceback.format_exception(failure))
