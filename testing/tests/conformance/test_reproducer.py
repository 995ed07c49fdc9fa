"""A reproducer goes on from what ADD prints this time, not from what it printed when it failed."""

import json
import subprocess
from pathlib import Path
from typing import Any

from cni_conformance import _reproducer


THEN = {"interfaces": [{"name": "cni0", "mac": "0a:00:00:00:00:01"}, {"name": "veth1c66c997"}]}
NOW = {"interfaces": [{"name": "cni0", "mac": "0a:00:00:00:00:02"}, {"name": "veth00000000"}]}


def sent_again(config: Any, folder: Path) -> Any:
    """What the script sends where the call sent `config`, after an ADD that printed NOW this time."""
    printed = folder / "printed"
    printed.write_text(json.dumps(NOW, indent=4))
    then = [(json.dumps(THEN), str(printed))]
    command = _reproducer.stdin_again(json.dumps(config), then)
    script = f"{_reproducer.STRING}\n{command}"
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_prev_result_is_what_add_prints_this_time(tmp_path: Path) -> None:
    sent = sent_again({"name": "n", "prevResult": THEN}, tmp_path)

    assert sent == {"name": "n", "prevResult": NOW}


def test_an_edited_prev_result_has_the_names_and_addresses_of_this_time(tmp_path: Path) -> None:
    later = {"name": "later0", "mac": "0a:00:00:00:00:09"}
    edited = {"interfaces": [*THEN["interfaces"], later]}

    sent = sent_again({"name": "n", "prevResult": edited}, tmp_path)

    assert sent == {"name": "n", "prevResult": {"interfaces": [*NOW["interfaces"], later]}}


def test_without_a_prev_result_it_is_what_was_sent(tmp_path: Path) -> None:
    assert sent_again({"name": "veth1c66c997"}, tmp_path) == {"name": "veth1c66c997"}
