"""The other side: recording plugins, called by a runtime, show whether it keeps to the specification.

On the command line: `cni-conformance runtime COMMAND...`. From Python: `run(COMMAND)`.
"""

from __future__ import annotations

from cni_conformance._requirements import runtime_requirements
from cni_conformance.runtime_side._configuration import default_conflist, read_conflist
from cni_conformance.runtime_side.session import RuntimeReport, exit_status, install, run


__all__ = [
    "RuntimeReport",
    "default_conflist",
    "exit_status",
    "install",
    "read_conflist",
    "run",
    "runtime_requirements",
]
