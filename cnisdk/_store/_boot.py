"""Which boot of the machine this is: what was made in an earlier one lost its links and netns."""

from __future__ import annotations


_PATH = "/proc/sys/kernel/random/boot_id"

UNKNOWN = "unknown"
"""Where the kernel does not tell; two unknown boots count as the same."""


def boot_id() -> str:
    """The random id the kernel gave itself at boot."""
    try:
        with open(_PATH, encoding="ascii") as file:
            return file.read().strip() or UNKNOWN
    except OSError:
        return UNKNOWN


def is_earlier(recorded: str) -> bool:
    """Whether a recorded boot id is surely another boot's than the running one."""
    current = boot_id()
    return UNKNOWN not in {recorded, current} and not current.startswith(recorded or current)
