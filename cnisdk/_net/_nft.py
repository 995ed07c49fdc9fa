"""nft commands, many in one transaction: by libnftables where it is installed, else by ``nft``.

Commands and answers are those of libnftables-json(5). JSON, because chain names made of container
ids and interface names may hold characters that the text syntax has no way to quote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from cnisdk import errors
from cnisdk._net._child import answer_of
from cnisdk._net._nft_wire import Wire
from cnisdk._net._programs import Finished, find_program, run_program
from cnisdk._net._setns import entered


if TYPE_CHECKING:
    import ctypes

    from cnisdk._deadline import Deadline

Command = Mapping[str, Any]

LIBRARY = "libnftables.so.1"
PROGRAM = "nft"
INSTALL = (
    "install the package nftables (apt-get install nftables, dnf install nftables, "
    "apk add nftables)"
)
LONGEST_COMMENT = 128
"""Characters; nft's text syntax takes no more, and libnftables ends the process beyond 253."""

_JSON_OUTPUT = 1 << 4
_LONGEST_TOLD = 4000
_loaded: dict[str, ctypes.CDLL | None] = {}


class NftFailure(errors.CniError):
    """nft refused a transaction; nothing of it was applied."""


def run(
    commands: Sequence[Command],
    *,
    purpose: str,
    netns_fd: int | None = None,
    deadline: Deadline | None = None,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    """Apply commands as one transaction: all of them or, on failure, none.

    Args:
        commands: Objects of libnftables-json(5), such as ``{"add": {"table": {...}}}``.
        purpose: What the commands are for, for the error: "could not <purpose>".
        netns_fd: The network namespace to apply them in; None means the current one.
        deadline: The time the ``nft`` program may take.
        dry_run: Have everything checked, by the kernel too, and apply nothing.

    Returns:
        The objects listed by ``list`` commands.

    Raises:
        NftFailure: the transaction was refused; the details hold nft's own text.
        errors.CniError: nft is not installed, or nf_tables cannot be used here.
    """
    document = json.dumps({"nftables": list(commands)})
    output = _run(document, purpose, netns_fd, deadline, dry_run=dry_run)
    return cast("list[dict[str, Any]]", json.loads(output)["nftables"]) if output.strip() else []


def run_text(
    lines: Sequence[str],
    *,
    purpose: str,
    netns_fd: int | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Apply lines of nft(8) as one transaction; otherwise as `run`."""
    try:
        _run("\n".join((*lines, "")), purpose, netns_fd, deadline, text=True)
    except NftFailure as failure:
        # The line nft points at is not always the one it means.
        told = "; ".join(line for line in lines if " rule " in line and " handle " not in line)
        details = f"{failure.details}; the rules are: {told[:_LONGEST_TOLD]}".removeprefix("; ")
        raise NftFailure(failure.msg, details=details) from failure


def _run(
    document: str,
    purpose: str,
    netns_fd: int | None,
    deadline: Deadline | None,
    *,
    dry_run: bool = False,
    text: bool = False,
) -> str:
    library = _library()
    if library is not None:
        refuse_unusable(netns_fd, purpose)
        done = _by_library(library, document, netns_fd, dry_run=dry_run, text=text)
    else:
        program = find_program(PROGRAM)
        if not program:
            raise errors.CniError(
                f"could not {purpose}: {missing()}",
                details=f'{INSTALL}, or, for masquerading, set "ipMasqBackend": "iptables"',
            )
        options = [*(["-c"] if dry_run else []), *([] if text else ["-j"])]
        arguments = [program, *options, "-f", "-"]
        done = run_program(arguments, document, netns_fd=netns_fd, deadline=deadline)
    if done.returncode != 0:
        reason = _one_line(done.stderr)
        hint = "" if text and "syntax error" in reason else _hint(reason)
        raise NftFailure(f"could not {purpose}: {reason}", details=hint)
    return done.stdout


def missing() -> str:
    """Why nft commands cannot be run here; "" when library or program is there."""
    if _library() is not None or find_program(PROGRAM):
        return ""
    return f"neither {LIBRARY} nor the program {PROGRAM} was found"


def refuse_unusable(netns_fd: int | None, purpose: str) -> None:
    """Raise `errors.CniError` where libnftables would end the process: no nf_tables, no rights."""
    try:
        with Wire(netns_fd) as wire:
            problem = wire.problem()
    except OSError as failure:
        problem = f"the kernel has no nfnetlink: {failure.strerror}"
    if problem:
        raise errors.CniError(f"could not {purpose}: {problem}", details=_hint(problem))


def _library() -> ctypes.CDLL | None:
    if LIBRARY not in _loaded:
        _loaded[LIBRARY] = _load(LIBRARY)
    return _loaded[LIBRARY]


def _load(name: str) -> ctypes.CDLL | None:
    try:
        import ctypes  # noqa: PLC0415  # some Pythons are built without

        library = ctypes.CDLL(name)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        for function in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
        for function in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
            getattr(library, function).restype = ctypes.c_char_p
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_ctx_output_set_flags.restype = None
        library.nft_ctx_set_dry_run.argtypes = [ctypes.c_void_p, ctypes.c_bool]
        library.nft_ctx_set_dry_run.restype = None
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    except (ImportError, OSError, AttributeError):
        return None  # not installed, or a Python without ctypes
    return library


def _by_library(
    library: ctypes.CDLL, document: str, netns_fd: int | None, *, dry_run: bool, text: bool
) -> Finished:
    """Where it gets no socket or no memory the library ends the process: so that is a child.

    Its socket belongs to the namespace it was made in, and so does the child.
    """

    def work() -> bytes:
        context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        library.nft_ctx_output_set_flags(context, 0 if text else _JSON_OUTPUT)
        library.nft_ctx_set_dry_run(context, dry_run)
        status = library.nft_run_cmd_from_buffer(context, document.encode())
        output = library.nft_ctx_get_output_buffer(context) or b""
        complaint = library.nft_ctx_get_error_buffer(context) or b""
        return b"\0".join((str(status).encode(), output, complaint))

    with entered(netns_fd):
        answer = answer_of(work)
    if answer is None:
        return Finished(1, "", "libnftables has given up; is there memory, are there descriptors?")
    status, output, complaint = answer.split(b"\0")
    return Finished(int(status), output.decode(), complaint.decode(errors="replace"))


def _one_line(complaint: str) -> str:
    # Below a line of text, "^^^" points at the word.
    lines = [line.strip() for line in complaint.splitlines() if line.strip(" ^~")]
    # JSON has no lines to point at, so nft says "internal:0:0-0: Error: ..."
    return (
        "; ".join(line.removeprefix("internal:0:0-0: ") for line in lines) or "nft gave no reason"
    )


def _hint(complaint: str) -> str:
    if "not permitted" in complaint or "CAP_NET_ADMIN" in complaint:
        return "run the plugin as root, or grant it CAP_NET_ADMIN in the network namespace"
    if "syntax error" in complaint:
        return f"this nft may be built without JSON support; {INSTALL} of version 0.9.3 or later"
    if (
        "not supported" in complaint
        or "No such file" in complaint
        or "does not answer" in complaint
    ):
        return (
            "the kernel may lack what the rule needs: see that the modules nf_tables, nft_masq, "
            "nft_chain_nat (masquerading, kernel 5.2 or later) or nf_tables_bridge (MAC spoof "
            "check) can be loaded"
        )
    return "nothing was changed; `nft list ruleset` shows the rules as they are"
