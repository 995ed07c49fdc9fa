"""The suite within pytest: `pytest --cni-plugin=PATH -p cni_conformance`.

Each case is an item for itself, once for each version and configuration it is carried out with, so that
pytest's own ways to choose, repeat, distribute and report tests work. Nothing of the suite is imported
before a plugin is named.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from cni_conformance._case import Case
    from cni_conformance._facts import Facts
    from cni_conformance._outcome import Result
    from cni_conformance._plan import Task
    from cni_conformance._settings import Settings


class ConformanceWarning(pytest.PytestWarning):
    """A requirement below the chosen level is not met."""


class ConformanceFailure(Exception):
    """Requirements are not met; each argument is the result of one."""


_OF_A_WARNING = frozenset({"asked", "expected", "actual", "difference"})

_settings_key = pytest.StashKey["Settings"]()
_reproducers_key = pytest.StashKey[str]()


# -- options -------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `cni-conformance run`, each with `--cni-` before it."""
    group = parser.getgroup("cni-conformance", "CNI conformance")
    group.addoption("--cni-plugin", metavar="PATH", help="the plugin to test; without it, nothing")
    group.addoption("--cni-config", metavar="FILE", help="a network configuration for it")
    group.addoption(
        "--cni-profile",
        metavar="NAME|FILE",
        help="how to test it; by default the built-in profile with the name of the executable",
    )
    _add_list(group, "path", "DIR", "a directory with other plugins")
    group.addoption(
        "--cni-level",
        metavar="must|should|field",
        default="must",
        help="what fails; what is below it becomes a warning (must)",
    )
    _add_list(group, "select", "ID|GLOB", "test only these requirements")
    _add_list(group, "skip", "ID|GLOB", "leave these requirements out")
    _add_list(group, "spec-version", "VERSION", "test only with this cniVersion")
    group.addoption(
        "--cni-no-generated",
        action="store_true",
        help="leave out generated cases, which take most of the time",
    )
    group.addoption(
        "--cni-seed", metavar="N", type=int, help="begin generated cases from this number (0)"
    )
    group.addoption(
        "--cni-known-failures", metavar="FILE", help="failures to expect, each with an expiry date"
    )


def _add_list(group: pytest.OptionGroup, name: str, metavar: str, about: str) -> None:
    group.addoption(
        f"--cni-{name}",
        metavar=metavar,
        action="append",
        default=[],
        help=f"{about}; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the files that the options name, so that a mistake in them ends the run at once."""
    plugin = config.getoption("--cni-plugin")
    if not plugin:
        return
    from cni_conformance import _settings

    options: dict[str, Any] = {
        name: config.getoption(f"--cni-{option}")
        for name, option in (
            ("config", "config"),
            ("profile", "profile"),
            ("cni_path", "path"),
            ("level", "level"),
            ("select", "select"),
            ("skip", "skip"),
            ("versions", "spec-version"),
            ("seed", "seed"),
            ("known_failures", "known-failures"),
        )
    }
    try:
        generated = not config.getoption("--cni-no-generated")
        settings = _settings.make(plugin, jobs=1, generated=generated, **options)
    except _settings.UsageError as failure:
        raise pytest.UsageError(f"cni-conformance: {failure}") from failure
    config.stash[_settings_key] = settings


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is tested."""
    settings = config.stash.get(_settings_key, None)
    if settings is None:
        return None
    profile = settings.profile.name or "none"
    return f"cni plugin: {settings.plugin}, profile: {profile}, level: {settings.level}"


# -- collection ----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let the suite stand beside the files and directories of the session, if there are any."""
    report = yield
    if isinstance(collector, pytest.Session) and _settings_key in collector.config.stash:
        suite = ConformanceSuite.from_parent(collector, name="cni_conformance")
        report.result = [*(report.result or []), suite]
    return report


class ConformanceSuite(pytest.Collector):
    """The cases that concern the plugin, after the first calls have told what it is."""

    def collect(self) -> Iterator[ConformanceItem]:
        """Give an item for each case, version and configuration."""
        from cni_conformance import _engine, _plan

        settings = _engine.with_delegates(self.config.stash[_settings_key])
        try:
            with _forks():
                facts, _ = _engine.find_out(settings)
        except _engine.HarnessError as failure:
            raise self.CollectError(f"cni-conformance cannot work here: {failure}") from failure
        tasks, settled = _plan.plan(settings, facts)
        yield from self._left_out(settled)
        for task in tasks:
            bound = [
                name for name in task.case.ids if _concerns(settings, facts, name, task.version)
            ]
            parameters = [task.version]
            if task.configuration != (settings.profile.configurations or (task.configuration,))[0]:
                parameters.append(task.configuration.name)
            yield ConformanceItem.of(
                self,
                task.case,
                f"{task.case.name}[{'-'.join(parameters)}]",
                ids=bound or list(task.case.ids),
                carry_out=functools.partial(_carry_out, settings, facts, task),
            )

    def _left_out(self, settled: list[Result]) -> Iterator[ConformanceItem]:
        """Cases that are not carried out, and should be seen not to be."""
        from cni_conformance._case import cases

        by_case: dict[str, list[Result]] = {}
        for result in settled:
            if result.status == "skip":
                by_case.setdefault(result.case, []).append(result)
        for name, results in by_case.items():
            ids = [result.requirement for result in results]
            yield ConformanceItem.of(
                self, cases()[name], name, ids=ids, carry_out=functools.partial(list[Any], results)
            )


class ConformanceItem(pytest.Item):
    """One case, with one version and one configuration."""

    def __init__(
        self, *, case: Case, ids: list[str], carry_out: Callable[[], list[Result]], **options: Any
    ) -> None:
        super().__init__(**options)
        self.case = case
        self.carry_out = carry_out
        self.extra_keyword_matches.update(ids)
        self.user_properties += [("requirement", name) for name in ids]

    @classmethod
    def of(
        cls,
        suite: ConformanceSuite,
        case: Case,
        name: str,
        *,
        ids: list[str],
        carry_out: Callable[[], list[Result]],
    ) -> ConformanceItem:
        """Make one whose id begins with the first requirement."""
        whole = f"{ids[0]}::{name}"
        made: ConformanceItem = cls.from_parent(
            suite, name=whole, nodeid=whole, case=case, ids=ids, carry_out=carry_out
        )
        return made

    def runtest(self) -> None:
        """Carry the case out, and say of the worst result what pytest says of a test."""
        results = self.carry_out()
        failed = [result for result in results if result.status in {"fail", "error"}]
        if failed:
            raise ConformanceFailure(*failed)
        for result in results:
            if result.status == "warn":
                self._warn(result)
        known = [result for result in results if result.status == "known"]
        if known:
            pytest.xfail("; ".join(f"{each.requirement}: {each.reason}" for each in known))
        left_out = [result for result in results if result.status in {"skip", "n/a"}]
        if len(left_out) == len(results):
            pytest.skip("; ".join(dict.fromkeys(result.reason for result in left_out)))

    def _warn(self, result: Result) -> None:
        """Warn; also under `-W error`, where a warning below the level would else fail the test."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", ConformanceWarning)
            self.warn(ConformanceWarning("\n".join(_lines(result, only=_OF_A_WARNING))))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what was asked and what was seen, instead of our own stack."""
        failure = excinfo.value
        if not isinstance(failure, ConformanceFailure):
            return super().repr_failure(excinfo, style)
        lines: list[str] = []
        verbose = self.config.get_verbosity() > 0
        for result in failure.args:
            lines += [*_lines(result, verbose=verbose), ""]
        written = self._write_reproducer(failure.args)
        return "\n".join([*lines, f"reproducer: sh {written}"] if written else lines)

    def _write_reproducer(self, results: tuple[Result, ...]) -> str:
        script = next((result.reproducer for result in results if result.reproducer), "")
        if not script:
            return ""
        stash = self.config.stash
        if _reproducers_key not in stash:
            stash[_reproducers_key] = tempfile.mkdtemp(prefix="cni-conformance-")
        name = "".join(c if c.isalnum() or c in "._-" else "-" for c in self.name)
        path = os.path.join(stash[_reproducers_key], f"{name}.sh")
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(script)
        return path

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where the case is written, and the heading of a failure."""
        code = self.case.run.__code__
        return code.co_filename, code.co_firstlineno, self.name.replace("::", " ")


# -- the suite -----------------------------------------------------------------------------------


def _carry_out(settings: Settings, facts: Facts, task: Task) -> list[Result]:
    """Carry one case out in a process of its own."""
    from cni_conformance import _engine, _worker
    from cni_conformance._verdicts import verdicts

    crew = _worker.Crew(jobs=1, limit=_engine.CASE_LIMIT)
    with _forks():
        ((_, outcome),) = crew.run(_engine.works(settings, facts, [task]))
    return verdicts(settings, facts, task, outcome)


def _concerns(settings: Settings, facts: Facts, name: str, version: str) -> bool:
    from cni_conformance._plan import is_selected
    from cni_conformance._requirements import requirements

    return is_selected(settings, name) and requirements()[name].binds(
        kind=facts.kind, version=version
    )


@contextlib.contextmanager
def _forks() -> Generator[None]:
    """Let a process with threads fork: the child goes into a sandbox and asks nothing of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _lines(
    result: Result, *, verbose: bool = False, only: frozenset[str] | None = None
) -> Iterator[str]:
    """What a violation has to say to somebody who will mend the plugin, all of it or some labels."""
    from cni_conformance.report import _account
    from cni_conformance.report._words import printable

    level = f"{result.level}, " if result.level else ""
    yield f"{result.requirement} ({level}{result.version or 'any version'})"
    for label, text in _account.of_failure([result], verbose=verbose):
        if not text or label == "replay" or (only is not None and label not in only):
            continue
        first, *rest = printable(text).splitlines()
        yield f"  {label + ':':<12} {first}"
        yield from (f"  {'':<12} {line}" for line in rest)
