"""What is known of a plugin before the suite runs: versions, kind, whether it delegates."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class Facts:
    """Found out by a few calls at the beginning of a run.

    Attributes:
        kind: interface, chained, ipam or meta.
        versions: The versions of the specification it supports and the suite knows, oldest first.
        says_versions: Whether it said so by VERSION; otherwise they are assumed.
        delegates: Whether ADD calls the delegate the configuration names.
        journals: Directories that gain a file with every call, whatever the call does.
        missing: What this machine lacks, so that nothing can be tested; empty otherwise.
        problem: Why ADD does not succeed with the configuration; empty when it does.
        hangs: Whether that ADD did not end.
    """

    kind: str = ""
    versions: tuple[str, ...] = ()
    says_versions: bool = True
    delegates: bool = False
    journals: tuple[str, ...] = field(default=())
    missing: str = ""
    problem: str = ""
    hangs: bool = False
