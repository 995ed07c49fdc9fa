"""Errors of the test kit itself: your test is impossible, not your plugin wrong."""

from __future__ import annotations


class ImpossibleScenario(AssertionError):
    """The test asks for something no runtime would do, so its outcome would mean nothing."""


class LawBroken(AssertionError):
    """A plugin breaks one of the laws; the message says which call and what is different."""


class InjectedFault(OSError):
    """What a host call raises at the crash point a law has chosen."""
