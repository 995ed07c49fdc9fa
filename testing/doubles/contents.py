#!/usr/bin/env python3
"""Write README.md: what the doubles are, and which requirements each broken one fails.

`contents.py` writes it, `contents.py --check` says by its exit status whether it is up to date.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path


HERE = Path(__file__).resolve().parent
_INTRODUCTION = """\
# Doubles

Plugins with which the conformance suite proves that it can fail. Five are small and correct; each of
the others is one of them with a single thing done wrong, and names the requirements it fails. All are
plain programs that share nothing with `cnisdk`: Python's standard library, `ip`, `nft` and `nsenter`.
What they share is in the files with an underscore: `_cni.py` has the vocabulary of the protocol,
`_plugin.py` the way of a call, which goes on in `_machine.py` (namespace and tools), `_state.py` (files
and lock) and `_results.py`; `_delegating.py` and `_filtering.py` are for plugins with a delegate and with
rules, `_conntrack.py` is a part of the port mapper.

This file is written by `contents.py`.

## The correct ones

The directory goes into CNI_PATH; a `type` is the name of the file.

| program | kind | plugin configuration | state |
|---|---|---|---|
| `interface.py` | interface | `{"type": "interface.py", "ipam": {"type": "ipam.py", "subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}, "ipMasq": true}`; optional `mtu` (1500), `dns`; without `ipam` the interface has no address | alias `<network>/<container>/<ifname>` of the host end; table `inet double_masq_<network>` with `ipMasq` |
| `chained.py` | chained | `{"type": "chained.py", "mtu": 1400}` | `/var/lib/cni/double-chained/<digest>`, table `inet double_<network>` |
| `ipam.py` | ipam | `{"type": "any", "ipam": {"type": "ipam.py", "subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}`; optional `gateway` (the first address), `dataDir`, `dns`, and instead of `subnet` the ranges of an attachment with several addresses, `[[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]` as `ranges` | `<dataDir>/<network>/<address>` and `lock`; `dataDir` is `/var/lib/cni/double-ipam` |
| `meta.py` | meta | `{"type": "meta.py", "delegate": {"type": "interface.py"}, "ipam": {"type": "ipam.py", "subnet": "10.1.0.0/24"}}` | none |
| `portmap.py` | chained | `{"type": "portmap.py", "capabilities": {"portMappings": true}}` with the runtimeConfig `{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}` | table `inet double_portmap_<network>` |

Codes of their own: 101 no address left, 102 exists already, 103 not as expected (CHECK), 104 a tool
failed, 105 no delegate, 106 the delegate failed, 107 bad state, 199 crash. A STATUS that fails has 50.
After `rm /usr/sbin/nft` the plugins with rules cannot serve ADD, and say so.

They are started by `#!/usr/bin/env python3`: a PATH whose first python3 is a script (pyenv) makes them
slow, and changes the environment before they see it.

## The broken ones

`broken/<kind>/<sin>`; the first comments of each, `# breaks: <id>`, are what this table is made of.
"""


def broken() -> list[Path]:
    """The broken doubles, by kind and name."""
    return sorted(path for path in HERE.glob("broken/*/*") if path.suffix in {".py", ".sh"})


def breaks(path: Path) -> list[str]:
    """The requirements a double fails."""
    return re.findall(r"^# breaks: (\S+)$", path.read_text("utf-8"), re.MULTILINE)


def sin(path: Path) -> str:
    """What it does wrong, in a sentence."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        return " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    comments = [line[2:] for line in text.splitlines() if line.startswith("# ")]
    return next((line for line in comments if not line.startswith("breaks: ")), "")


def contents() -> str:
    """The whole of README.md."""
    paths = broken()
    ids = {name for path in paths for name in breaks(path)}
    lines = [f"{len(paths)} doubles, {len(ids)} requirements."]
    for kind in sorted({path.parent.name for path in paths}):
        lines += ["", f"### {kind}", "", "| double | what it does | fails |", "|---|---|---|"]
        for path in paths:
            if path.parent.name == kind:
                failed = ", ".join(f"`{name}`" for name in breaks(path))
                lines.append(f"| `{path.name}` | {sin(path)} | {failed} |")
    return _INTRODUCTION + "\n" + "\n".join(lines) + "\n"


def main() -> int:
    readme = HERE / "README.md"
    if "--check" in sys.argv[1:]:
        return 0 if readme.is_file() and readme.read_text("utf-8") == contents() else 1
    readme.write_text(contents(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
