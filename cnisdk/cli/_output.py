"""What the command line prints: tables and JSON on stdout, errors with a way out on stderr."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, ParamSpec

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnisdk import errors
from cnisdk.install import InstallFailure
from cnisdk.versions import ALL as ALL_VERSIONS


P = ParamSpec("P")

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2

_WIDE: Final = 200
"""Columns where nobody looks: a pipe or a file gets no line broken."""
_NEXT: Final = {
    1: "change cniVersion in the network's configuration to one every plugin of it supports; "
    "cnisdk plugins lists them",
    2: "remove the key from the configuration, or use a plugin that supports it",
    3: "for CHECK, add the container first; for DEL, nothing: there is nothing to clean up",
    4: "correct the option or variable named above",
    5: "see that the file named above exists and may be read, or written",
    6: "correct the JSON; cnisdk lint names file and line",
    7: "correct the configuration; cnisdk lint checks it, cnisdk schema TYPE lists the keys",
    8: "see that the network namespace exists: ip netns list, or ls /run/netns",
    11: "try again; if it stays so, cnisdk trace shows what took the time",
    50: "make what is named above available; cnisdk doctor checks the node",
    51: "make what is named above available, then look at the containers that run already",
    999: "look at cnisdk trace --failed, and into the log of CNI_LOG_FILE",
}


class UsageFailure(Exception):
    """The command line itself makes no sense; ends with status 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def out() -> Console:
    """Where results go. Made for every use, so that a replaced sys.stdout is honoured."""
    return _console(stderr=False)


def err() -> Console:
    """Where complaints go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # Messages and names come from files and plugins: nothing in them is markup.
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in console._environ:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        console.width = _WIDE
    return console


def clean(text: object) -> str:
    """Text from outside, with control characters spelled out: they must not reach the terminal."""
    return "".join(
        each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in str(text)
    )


def print_json(document: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def line(text: str, style: str = "", *, to: Console | None = None) -> None:
    """Print one line; the terminal breaks it, not we, so that it can be copied."""
    (to or out()).print(Text(text, style), soft_wrap=True)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    whole: Sequence[str] = (),
    cut: Sequence[str] = (),
) -> None:
    """Print a table.

    Args:
        columns: The headings.
        rows: The cells.
        whole: Headings of the columns that are never broken into lines.
        cut: Headings of the columns that are cut where there is no room.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in columns:
        overflow: Literal["fold", "ellipsis"] = "ellipsis" if heading in cut else "fold"
        table.add_column(heading, overflow=overflow, no_wrap=heading in (*whole, *cut))
    for row in rows:
        table.add_row(*(each if isinstance(each, Text) else clean(each) for each in row))
    out().print(table)


def fields(pairs: Iterable[tuple[str, str]], *, to: Console | None = None) -> None:
    """Print names and values below each other; empty values are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(f"  {name}", clean(value))
    (to or out()).print(grid)


def code_name(code: int) -> str:
    """What the specification, or the SDK, calls an error code."""
    known = {cls.code: cls.__name__ for cls in errors.CniError.__subclasses__() if cls.code < 1000}
    if code in known and code != errors.CniError.code:
        words = "".join(f" {each.lower()}" if each.isupper() else each for each in known[code])
        return words.strip()
    return "internal error" if code == errors.InternalError.code else "the plugin's own"


def report(error: errors.CniError) -> None:
    """Explain an error of a CNI operation on stderr."""
    console = err()
    message = clean(error.msg or "the plugin gave no reason")
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    notes = [clean(note) for note in getattr(error, "__notes__", ())]
    pairs = [("code", f"{error.code} ({code_name(error.code)})"), ("details", error.details)]
    pairs += [("note", note) for note in notes]
    fields([*pairs, ("next", _NEXT.get(error.code, _NEXT[999]))], to=console)


def complain(message: str, hint: str = "") -> None:
    """Explain on stderr a failure that is no CNI error."""
    console = err()
    console.print(Text.assemble(("error: ", "bold red"), clean(message)), soft_wrap=True)
    fields([("next", hint)], to=console)


def reporting(command: Callable[P, None]) -> Callable[P, None]:
    """Turn whatever a command raises into a message and an exit status."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except errors.CniError as error:
            if kwargs.get("as_json"):
                print_json(error.document(""))
            report(error)
            raise typer.Exit(FAILED) from None
        except InstallFailure as failure:
            if kwargs.get("as_json"):
                print_json({"error": str(failure), "next": failure.hint})
            complain(str(failure), failure.hint)
            raise typer.Exit(FAILED) from None
        except UsageFailure as failure:
            complain(str(failure), failure.hint)
            raise typer.Exit(USAGE) from None

    return run


def version_range(versions: Sequence[str]) -> str:
    """``0.1.0 - 1.1.0`` for all from one to another, else a list."""
    known: list[str] = list(ALL_VERSIONS)
    given = [each for each in versions if each in known]
    if len(given) == len(versions) > 2:
        first, last = known.index(given[0]), known.index(given[-1])
        if given == known[first : last + 1]:
            return f"{given[0]} - {given[-1]}"
    return ", ".join(versions)
