"""``cnisdk trace``: the last calls of plugins on this node, shown and run again."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from io import BytesIO
from typing import Annotated, Any

import typer
from rich.json import JSON

from cnisdk import _exec
from cnisdk._deadline import DEFAULT_SECONDS, Deadline
from cnisdk._trace import REDACTED, directory
from cnisdk.cli._json import as_list, as_object
from cnisdk.cli._options import AsJson, RunDir
from cnisdk.cli._output import (
    FAILED,
    UsageFailure,
    clean,
    code_name,
    err,
    fields,
    line,
    out,
    print_json,
    reporting,
)


_SHORT = 9
"""Characters at the end of an id that tell recent calls apart."""
_LONGEST_CONTAINER = 13
_NARROW = 100
_NETWORK = 4
"""Column of the network, which has no place on a narrow terminal."""
Record = Mapping[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("trace", rich_help_panel="Node")(trace)


@reporting
def trace(
    call: Annotated[
        str,
        typer.Argument(metavar="[ID]", help="Show one call in full; the end of its id is enough."),
    ] = "",
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many calls.")] = 20,
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that failed.")] = False,
    replay: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Run a call again, with its environment and configuration, for real."
        ),
    ] = "",
    stdin_file: Annotated[
        str,
        typer.Option(metavar="FILE", help="With --replay: send this configuration instead."),
    ] = "",
    run_dir: RunDir = "/run/cnisdk",
    as_json: AsJson = False,
) -> None:
    """List the last calls of plugins written with cnisdk: when, what, for whom, how it ended.

    VERSION is not recorded, STATUS only when it failed. JSON: a list of {id, time, verb, plugin, network,
    containerID, ifname, netns, duration, error}, of one call {id, time, duration, plugin, verb, env,
    stdin, result or error}. --replay prints what the plugin prints.
    """
    where = directory({"CNISDK_RUN_DIR": run_dir})
    if replay:
        _replay(_find(where, replay), stdin_file)
    elif call:
        record = _find(where, call)
        if as_json:
            print_json(record)
        else:
            _show(record)
    else:
        records = [each for each in _read_all(where) if not failed or "error" in each][-limit:]
        if as_json:
            print_json([_summary(each) for each in records])
        else:
            _list(records, where)


def _read_all(where: str) -> list[Record]:
    """The records, oldest first; damaged ones are passed over."""
    try:
        names = sorted(each for each in os.listdir(where) if each.endswith(".json"))
    except FileNotFoundError:
        return []
    except OSError as failure:
        raise UsageFailure(
            f"{where}: {failure.strerror}", "the records are root's; run this as root"
        ) from None
    records: list[Record] = []
    for name in names:
        try:
            with open(os.path.join(where, name), encoding="utf-8") as file:
                record = as_object(json.load(file))
        except (OSError, ValueError):
            continue
        if isinstance(record.get("id"), str) and isinstance(record.get("time"), int | float):
            records.append(record)
    return records


def _find(where: str, ending: str) -> Record:
    records = [each for each in _read_all(where) if each["id"].endswith(ending)]
    if len(records) == 1:
        return records[0]
    if records:
        known = ", ".join(each["id"] for each in records[:5])
        raise UsageFailure(f'several calls end in "{ending}": {known}', "give more of the id")
    raise UsageFailure(f'no recorded call ends in "{ending}"', "cnisdk trace lists them")


def _summary(record: Record) -> dict[str, Any]:
    env = as_object(record.get("env"))
    return {
        "id": record["id"],
        "time": record["time"],
        "verb": record.get("verb", ""),
        "plugin": record.get("plugin", ""),
        "network": as_object(record.get("stdin")).get("name", ""),
        "containerID": env.get("CNI_CONTAINERID", ""),
        "ifname": env.get("CNI_IFNAME", ""),
        "netns": env.get("CNI_NETNS", ""),
        "duration": record.get("duration", 0.0),
        "error": record.get("error"),
    }


def _list(records: list[Record], where: str) -> None:
    if not records:
        line(f"no calls are recorded in {where}", "yellow")
        return
    columns = ["id", "time", "verb", "plugin", "network", "container", "ms", "outcome"]
    rows = [_row(each) for each in records]
    if out().width < _NARROW:
        for row in (columns, *rows):
            del row[_NETWORK]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    line(_aligned(columns, widths), "bold")
    for record, row in zip(records, rows, strict=True):
        error = as_object(record.get("error"))
        line(_aligned(row, widths), "red" if error else "")
        if error:
            # Below, so that it has the width it needs.
            line(f"    {clean(error.get('msg', ''))}", "dim red")


def _aligned(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _row(record: Record) -> list[str]:
    each = _summary(record)
    container = each["containerID"]
    if len(container) > _LONGEST_CONTAINER:
        container = f"{container[:_LONGEST_CONTAINER]}…"
    if each["ifname"] not in {"", "eth0"}:
        container += f"/{each['ifname']}"
    cells = [
        each["id"][-_SHORT:],
        _when(each["time"]),
        each["verb"],
        each["plugin"],
        each["network"],
        container,
        f"{each['duration'] * 1000:.0f}",
        _outcome(record),
    ]
    return [clean(cell) for cell in cells]


def _when(seconds: float) -> str:
    then, now = time.localtime(seconds), time.localtime()
    same_day = then[:3] == now[:3]
    return time.strftime("%H:%M:%S" if same_day else "%m-%d %H:%M:%S", then)


def _outcome(record: Record) -> str:
    if "error" in record:
        return f"failed: {as_object(record['error']).get('code')}"
    ips = as_list(as_object(record.get("result")).get("ips"))
    more = f" +{len(ips) - 1}" if len(ips) > 1 else ""
    return f"{as_object(ips[0]).get('address', '')}{more}" if ips else "ok"


def _show(record: Record) -> None:
    each = _summary(record)
    error = as_object(record.get("error"))
    line(clean(f"{each['verb']} {each['plugin']}"), "bold")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each["time"]))
    fields(
        [
            ("id", each["id"]),
            ("time", f"{stamp}, took {each['duration'] * 1000:.1f} ms"),
            ("network", str(each["network"])),
            ("container", str(each["containerID"])),
            ("interface", str(each["ifname"])),
            ("netns", str(each["netns"])),
        ]
    )
    if error:
        code = error.get("code")
        name = f" ({code_name(code)})" if isinstance(code, int) else ""
        line(f"\nfailed with {code}{name}", "bold red")
        fields([("message", str(error.get("msg", ""))), ("details", str(error.get("details", "")))])
    for title, document in (
        ("environment", record.get("env")),
        ("configuration", record.get("stdin")),
        ("result", record.get("result")),
    ):
        if document:
            line(f"\n{title}", "bold")
            out().print(JSON(clean(json.dumps(document, indent=2))), soft_wrap=True)
    line(f"\nrun it again: cnisdk trace --replay {each['id']}", "dim")


def _replay(record: Record, stdin_file: str) -> None:
    stdin = json.dumps(record.get("stdin")).encode()
    if stdin_file:
        try:
            with open(stdin_file, "rb") as file:
                stdin = file.read()
        except OSError as failure:
            raise UsageFailure(f"{stdin_file}: {failure.strerror}") from None
    elif json.dumps(REDACTED).encode() in stdin:
        raise UsageFailure(
            f"secrets were left out of the record of {record['id']}",
            "give the complete configuration with --stdin-file; cnisdk trace ID shows the rest",
        )
    env = {key: str(value) for key, value in as_object(record.get("env")).items()}
    plugin = str(record.get("plugin", ""))
    executable = _exec.find(plugin, env.get("CNI_PATH", ""))
    line(f"running {env.get('CNI_COMMAND')} of {executable} again", "dim", to=err())
    stderr = BytesIO()
    start = time.perf_counter()
    # The plugin's own deadline comes first, so that it can undo what it did.
    done = _exec.run(executable, env, stdin, stderr, Deadline(DEFAULT_SECONDS + 15))
    took = (time.perf_counter() - start) * 1000
    sys.stdout.write(done.stdout.decode(errors="replace"))
    if done.stdout and not done.stdout.endswith(b"\n"):
        sys.stdout.write("\n")
    for each in stderr.getvalue().decode(errors="replace").splitlines():
        line(clean(each), "dim", to=err())
    before = "failed" if "error" in record else "succeeded"
    now = "failed" if done.returncode else "succeeded"
    style = "red" if done.returncode else "green"
    line(f"{now} after {took:.0f} ms; the recorded call {before}", style, to=err())
    if done.returncode:
        raise typer.Exit(FAILED)
