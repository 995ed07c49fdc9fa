"""The host a case works on: commands that prepare it, each written into the transcript."""

from __future__ import annotations

import contextlib
import subprocess

from attrs import define

from cni_conformance import _kernel
from cni_conformance._judgement import Judgement
from cni_conformance._outcome import Step


@define(kw_only=True, eq=False)
class Host(Judgement):
    """A host in a sandbox.

    Attributes:
        plugin: The executable under test, which commands of a profile find as $PLUGIN.
    """

    plugin: str

    def command(self, *argv: str, inside: str | None = None, check: bool = True) -> str:
        """Run a command on the host, or inside a namespace given by its path; gives its output.

        Raises:
            Blocked: It failed.
        """
        shown = [*(["nsenter", f"--net={inside}"] if inside else []), *argv]
        with _kernel.inside_netns(inside) if inside else contextlib.nullcontext():
            try:
                done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
            except FileNotFoundError:
                self.block(f"the program {argv[0]!r} is not installed")
        self.steps.append(
            Step(
                kind="setup",
                title=" ".join(shown),
                argv=shown,
                stdout=done.stdout,
                stderr=done.stderr,
                exit_code=done.returncode,
            )
        )
        if check and done.returncode != 0:
            self.block(f"preparation failed: {' '.join(shown)}: {done.stderr.strip()}")
        return done.stdout

    def shell(self, line: str, *, check: bool = True, **variables: str) -> bool:
        """Run a shell command of a profile on the host; it finds the plugin as $PLUGIN.

        Returns:
            Whether it succeeded.

        Raises:
            Blocked: It failed, and `check` is set.
        """
        assigned = [f"{key}={value}" for key, value in {"PLUGIN": self.plugin, **variables}.items()]
        self.command("env", *assigned, "sh", "-ec", line, check=check)
        return self.steps[-1].exit_code == 0

    def note(self, kind: str, title: str, argv: list[str] | None = None) -> None:
        """Write a remark, or a step that was not a process, into the transcript."""
        self.steps.append(Step(kind=kind, title=title, argv=argv or []))
