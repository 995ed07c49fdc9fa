"""The report on the terminal: progress while a run goes on, then all an author needs to mend a plugin."""

from __future__ import annotations

import itertools
import typing

from attrs import define, field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cni_conformance._engine import Listener
from cni_conformance._outcome import PluginUnderTest, Report, Result, Status
from cni_conformance._requirements import LEVELS
from cni_conformance.report import _account
from cni_conformance.report._words import (
    SEVERITY,
    VIOLATED,
    WORDS,
    by_section,
    family_of,
    in_words,
    printable,
    tally,
    verdict,
    worst,
)


STYLES = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.WARN: "yellow",
    Status.KNOWN: "magenta",
    Status.SKIP: "blue",
    Status.NOT_APPLICABLE: "dim",
    Status.ERROR: "bold white on red",
    Status.INFO: "cyan",
}
# What a reader copies: the terminal breaks it, if need be, without blanks of ours.
_WHOLE = {"command", "link", "replay"}
_LISTED = {*VIOLATED, Status.ERROR}


@define
class TerminalReport(Listener):
    """Prints a run as it goes on and what came of it.

    Where nobody looks, in a file or the log of a CI system, it prints lines of text without control
    characters and never wraps them.

    Attributes:
        console: Where to.
        level: The chosen level.
        verbose: Whether to list what passed, and to print all of what plugins said.
    """

    console: Console
    level: str = field(kw_only=True)
    verbose: bool = field(default=False, kw_only=True)
    _progress: Progress | None = field(default=None, init=False)
    _task: TaskID = field(default=TaskID(0), init=False)
    _total: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)
    _failed: int = field(default=0, init=False)

    def started(self, total: int, plugin: PluginUnderTest, profile: str) -> None:
        """Say what is tested, and begin to count."""
        kind = plugin.kind or "kind unknown"
        versions = ", ".join(plugin.versions) or "none"
        about = [kind, f"versions {versions}", *([f"profile {profile}"] if profile else [])]
        self._print(
            Text.assemble(
                (printable(plugin.path), "bold"),
                printable(f" ({'; '.join(about)}): {total} cases at level {self.level}"),
            )
        )
        self._total = total
        if self.console.is_terminal:
            # Without a thread that refreshes it: the run forks a process for each case.
            self._progress = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                console=self.console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._progress.add_task("", total=total)
            self._progress.start()

    def case_done(self, results: list[Result]) -> None:
        """Count a case."""
        self._failed += sum(result.status in {Status.FAIL, Status.ERROR} for result in results)
        if results and not any(each.steps or each.status is Status.ERROR for each in results):
            return  # settled before the first case ran
        self._done += 1
        failed = f"{self._failed} failed" if self._failed else ""
        if self._progress:
            self._progress.update(self._task, advance=1, description=f"[red]{failed}")
            self._progress.refresh()
        elif self._done * 4 // max(self._total, 1) > (self._done - 1) * 4 // max(self._total, 1):
            self._print(", ".join(filter(None, [f"{self._done} of {self._total} cases", failed])))

    def close(self) -> None:
        """Leave the terminal as it was, also when the run was broken off."""
        if self._progress:
            self._progress.stop()
            self._progress = None

    def finished(self, report: Report) -> None:
        """Print the report: what matters most comes last."""
        self.close()
        self._sections(report)
        self._not_judged(report)
        for status in (Status.KNOWN, Status.WARN, Status.FAIL, Status.ERROR):
            self._failures(status, report.of_status(status))
        self._summary(report)

    # -- parts ---------------------------------------------------------------------------------------

    def _sections(self, report: Report) -> None:
        sections = by_section(report.results)
        widest = max((len(family_of(section)[1]) for section in sections), default=0)
        families = itertools.groupby(sections, key=lambda section: family_of(section)[0])
        self._print("")
        for family, members in families:
            tree = Tree(Text(printable(family), "bold"), guide_style="dim")
            for section in members:
                topic = family_of(section)[1].ljust(widest)
                branch = tree.add(self._section(topic, sections[section]))
                for line in self._requirements(sections[section]):
                    branch.add(line)
            self._tree(tree)
        self._print("")

    def _section(self, topic: str, results: list[Result]) -> Text:
        status = worst(results)
        counts = tally(results)
        ordered = {each: counts[each] for each in SEVERITY if each in counts}
        return Text.assemble(
            self._mark(status), " ", printable(topic), "  ", (in_words(ordered), STYLES[status])
        )

    def _requirements(self, results: list[Result]) -> list[Text]:
        groups = _account.grouped(
            [result for result in results if self.verbose or result.status in _LISTED]
        )
        return [
            Text.assemble(
                self._mark(group[-1].status),
                " ",
                printable(group[-1].requirement),
                (printable(f"  {_account.name_of_group(group)}"), "dim"),
            )
            for group in groups
        ]

    def _not_judged(self, report: Report) -> None:
        for status, title in (
            (Status.NOT_APPLICABLE, "Not applicable"),
            (Status.SKIP, "Skipped"),
        ):
            reasons: dict[str, list[str]] = {}
            for result in report.of_status(status):
                reasons.setdefault(result.reason, []).append(result.requirement)
            if not reasons or (status is Status.NOT_APPLICABLE and not self.verbose):
                continue
            self._heading(title, STYLES[status])
            for reason, ids in reasons.items():
                self._print(Text(printable(f"{reason or 'no reason given'}:")))
                self._field("", ", ".join(dict.fromkeys(ids)))
            self._print("")
        if report.not_observed:
            self._heading("Not watched", STYLES[Status.SKIP])
            for part, reason in report.not_observed.items():
                self._print(Text(printable(f"{part}: {reason}")))
            self._print("")

    def _failures(self, status: Status, results: list[Result]) -> None:
        if not results:
            return
        self._heading(WORDS[status].capitalize(), STYLES[status])
        for group in _account.grouped(results):
            result = group[-1]
            self._print(
                Text.assemble(
                    self._mark(status),
                    " ",
                    (printable(result.requirement), "bold"),
                    printable(f"  {result.level}  {_account.name_of_group(group)}"),
                )
            )
            for label, text in _account.of_failure(group, verbose=self.verbose):
                self._field(label, text, diff=label == "difference")
            self._print("")

    def _summary(self, report: Report) -> None:
        status, sentence = verdict(report)
        self._heading("Summary", STYLES[status])
        counts = tally(report.results)
        columns = [each for each in SEVERITY if each in counts]
        words = {each: WORDS[each] for each in columns}
        self._print("       " + "".join(f"  {words[each]}" for each in columns))
        for level in LEVELS:
            of_level = tally(result for result in report.results if result.level == level)
            if not of_level:
                continue
            line = Text(level.ljust(7))
            for each in columns:
                count = of_level.get(each, 0)
                line.append(
                    f"  {count or '-':>{len(words[each])}}", STYLES[each] if count else "dim"
                )
            self._print(line)
        seconds = f"in {report.seconds:.0f} s"
        self._print(Text(f"{in_words({each: counts[each] for each in columns})} {seconds}"))
        self._print(Text(sentence, STYLES[status]))

    # -- lines ---------------------------------------------------------------------------------------

    def _mark(self, status: Status) -> Text:
        if not self.console.is_terminal or self.console.options.ascii_only:
            return Text(_account.PLAIN_MARKS[status].ljust(5), STYLES[status])
        return Text(_account.MARKS[status], STYLES[status])

    def _heading(self, title: str, style: str) -> None:
        if self.console.is_terminal:
            self.console.print(Rule(Text(title, style), align="left", style="dim"))
        else:
            self._print(f"== {title} ==")

    def _field(self, label: str, text: str, *, diff: bool = False) -> None:
        shown = Text(printable(text).rstrip("\n"))
        if diff:
            shown.highlight_regex(r"(?m)^\+.*$", "green")
            shown.highlight_regex(r"(?m)^-.*$", "red")
        if not text:
            return
        if self.console.is_terminal and label not in _WHOLE:
            grid = Table.grid(padding=(0, 1))
            grid.add_column(width=1)
            grid.add_column(width=10, style="dim")
            grid.add_column(overflow="fold")
            grid.add_row("", label, self._encodable(shown))
            self.console.print(grid)
            return
        for number, line in enumerate(shown.plain.split("\n")):
            start = f"  {label if number == 0 else '':<10} "
            self._print(Text.assemble((start, "dim"), line), whole=True)

    def _tree(self, tree: Tree, depth: int = 0) -> None:
        if self.console.is_terminal:
            self.console.print(tree, highlight=False)
            return
        self._print(Text("  " * depth).append_text(typing.cast("Text", tree.label)))
        for child in tree.children:
            self._tree(child, depth + 1)

    def _print(self, line: str | Text, *, whole: bool = False) -> None:
        text = self._encodable(Text(line) if isinstance(line, str) else line)
        whole = whole or not self.console.is_terminal
        self.console.print(text, soft_wrap=whole, highlight=False)

    def _encodable(self, text: Text) -> Text:
        """A plugin may print what the terminal's encoding lacks."""
        encoding = self.console.encoding
        try:
            text.plain.encode(encoding)
        except UnicodeEncodeError:
            return Text(text.plain.encode(encoding, "backslashreplace").decode(encoding))
        return text
