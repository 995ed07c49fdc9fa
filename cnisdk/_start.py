"""What a launcher calls: VERSION is answered here, everything else by the plugin."""

from __future__ import annotations

import gc
import os
import sys
from io import BytesIO, FileIO
from typing import BinaryIO, NoReturn, cast


def main(target: str, supported_versions: str) -> NoReturn:
    """Serve the call this process was started for, then exit.

    Args:
        target: The plugin, as `cnisdk._launcher.load` takes it.
        supported_versions: Separated by commas.
    """
    if len(sys.argv) > 1 and not os.environ.get("CNI_COMMAND"):
        _run_command(target, sys.argv[1:])
    if os.environ.get("CNI_COMMAND") == "VERSION":
        os._exit(_answer_version(supported_versions.split(",")))
    gc.disable()  # It costs a call a tenth of its time, and the process ends before there is garbage.
    from cnisdk._launcher import load
    from cnisdk._process import serve_process

    serve_process(lambda: load(target)().spec())


def _run_command(target: str, arguments: list[str]) -> None:
    """Run a command of the plugin's own, as in ``dhcp daemon``, and exit; other arguments mean nothing."""
    from cnisdk._launcher import load

    status: int | None = load(target).run_command(arguments)
    if status is not None:
        sys.exit(status)


def _answer_version(supported: list[str]) -> int:
    from cnisdk._version_reply import answer

    try:
        stdin = cast("BinaryIO", FileIO(0, closefd=False))
    except OSError:
        stdin = BytesIO()  # VERSION needs no input.
    try:
        return answer(supported, stdin, cast("BinaryIO", FileIO(1, "w", closefd=False)))
    except OSError:
        return 1  # Nobody reads the answer.
