"""``cnisdk add``, ``check``, ``del``, ``gc`` and ``status``: a runtime on the command line."""

from __future__ import annotations

import json
import os
from io import BytesIO
from typing import Annotated, Any

import typer

from cnisdk import errors
from cnisdk.cli._attachments import is_alive
from cnisdk.cli._json import as_object
from cnisdk.cli._options import (
    CNI_PATH,
    CONF_DIR,
    DEFAULT_CACHE_DIR,
    AsJson,
    CacheDir,
    CniPath,
    ConfDir,
)
from cnisdk.cli._output import (
    UsageFailure,
    clean,
    err,
    line,
    print_json,
    reporting,
)
from cnisdk.cli._result import print_result
from cnisdk.runtime import (
    NetworkList,
    NetworkNotFound,
    Parameters,
    Runtime,
    container_id_for,
    load,
    load_all,
)


_NETNS_DIR = "/run/netns"

Network = Annotated[
    str, typer.Argument(metavar="NETWORK", help="Name of the network, or path of its file.")
]
Netns = Annotated[
    str,
    typer.Argument(
        metavar="NETNS", help=f"Network namespace: a path, or a name in {_NETNS_DIR} (ip netns)."
    ),
]
Ifname = Annotated[
    str,
    typer.Option(
        "--ifname", "-i", envvar="CNI_IFNAME", metavar="NAME", help="Interface in the container."
    ),
]
ContainerId = Annotated[
    str,
    typer.Option(metavar="ID", help="Container id; by default made from NETNS, as cnitool does."),
]
CapabilityArgs = Annotated[
    str,
    typer.Option(
        envvar="CAP_ARGS",
        metavar="JSON",
        help="Capability arguments: an object such as "
        '\'{"portMappings": [{"hostPort": 8080, "containerPort": 80}]}\'.',
    ),
]
Args = Annotated[
    list[str] | None,
    typer.Option(
        metavar="K=V",
        help="Argument for the plugins, repeatable; the variable CNI_ARGS has K=V;K=V.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    panel = "Networks"
    app.command("add", rich_help_panel=panel)(add)
    app.command("check", rich_help_panel=panel)(check)
    app.command("del", rich_help_panel=panel)(delete)
    app.command("gc", rich_help_panel=panel)(gc)
    app.command("status", rich_help_panel=panel)(status)


@reporting
def add(
    network: Network,
    netns: Netns,
    *,
    ifname: Ifname = "eth0",
    container_id: ContainerId = "",
    capability_args: CapabilityArgs = "",
    args: Args = None,
    conf_dir: ConfDir = CONF_DIR,
    cni_path: CniPath = CNI_PATH,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    as_json: AsJson = False,
) -> None:
    """Attach a network namespace to a network: ADD over its plugins.

    When a plugin fails, what the others did is undone by DEL. JSON: the CNI result.
    """
    call = _Call(conf_dir, cni_path, cache_dir)
    parameters = _parameters(netns, ifname, container_id, capability_args, args)
    found = call.find(network)
    result = call.run(lambda: call.runtime.add(found, parameters))
    if as_json:
        print_json(result)
        return
    line(f"added {parameters.container_id}/{ifname} to {found.name}", "bold green")
    print_result(result, found.version)


@reporting
def check(
    network: Network,
    netns: Netns,
    *,
    ifname: Ifname = "eth0",
    container_id: ContainerId = "",
    capability_args: CapabilityArgs = "",
    args: Args = None,
    conf_dir: ConfDir = CONF_DIR,
    cni_path: CniPath = CNI_PATH,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    as_json: AsJson = False,
) -> None:
    """Check that an attachment is as ADD left it.

    Arguments that are not given are those of ADD. JSON: {ok, network, containerID, ifname}.
    """
    call = _Call(conf_dir, cni_path, cache_dir)
    parameters = _parameters(netns, ifname, container_id, capability_args, args)
    found = call.find(network)
    call.run(lambda: call.runtime.check(found, parameters))
    _confirm("as ADD left it:", found, parameters, as_json=as_json)


@reporting
def delete(
    network: Network,
    netns: Netns,
    *,
    ifname: Ifname = "eth0",
    container_id: ContainerId = "",
    capability_args: CapabilityArgs = "",
    args: Args = None,
    conf_dir: ConfDir = CONF_DIR,
    cni_path: CniPath = CNI_PATH,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    as_json: AsJson = False,
) -> None:
    """Detach a network namespace, which may be gone already.

    When the network's file is gone too, its configuration is the one that ADD used.
    Every plugin is run, also after one that fails; repeating it does no harm. JSON: {ok, network,
    containerID, ifname}.
    """
    call = _Call(conf_dir, cni_path, cache_dir)
    parameters = _parameters(netns, ifname, container_id, capability_args, args)
    found = call.find_or_recall(network, parameters)
    call.run(lambda: call.runtime.delete(found, parameters))
    _confirm("deleted", found, parameters, as_json=as_json)


@reporting
def gc(
    network: Network,
    *,
    valid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONTAINER[:IFNAME]",
            help="Keep this attachment and remove those not named; repeatable; IFNAME is eth0 unless given.",
        ),
    ] = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="Keep those whose network namespace still exists.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Keep none, running containers included.")
    ] = False,
    conf_dir: ConfDir = CONF_DIR,
    cni_path: CniPath = CNI_PATH,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    as_json: AsJson = False,
) -> None:
    """Remove what is left of attachments that are not valid any more.

    One of --valid, --stale and --everything says which are valid; nothing is assumed. --stale goes by
    the attachments made with this cache directory: another runtime's containers are not in it.
    JSON: {ok, network, valid: [{containerID, ifname}], removed: [{containerID, ifname}]}.
    """
    if (valid is not None) + stale + everything != 1:
        raise UsageFailure(
            "give one of --valid, --stale and --everything",
            "GC removes whatever is not valid, so it has to be told what is",
        )
    call = _Call(conf_dir, cni_path, cache_dir)
    found = call.find(network)
    keep = [_pair(each) for each in valid or ()]
    known = call.runtime.cache.entries(found.name)[0]
    if stale:
        alive = [each.attachment for each in known if is_alive(each)]
        keep = [(each.container_id, each.ifname) for each in alive]
    call.run(lambda: call.runtime.gc(found, None if everything else keep, everything=everything))
    left = {each.attachment for each in call.runtime.cache.entries(found.name)[0]}
    removed = [
        (each.attachment.container_id, each.attachment.ifname)
        for each in known
        if each.attachment not in left
    ]
    if as_json:
        lists = {"valid": keep, "removed": removed}
        objects = {
            name: [{"containerID": container, "ifname": ifname} for container, ifname in pairs]
            for name, pairs in lists.items()
        }
        print_json({"ok": True, "network": found.name} | objects)
        return
    line(f"{found.name} is clean: {len(keep)} valid, {len(removed)} removed", "bold green")
    for container, ifname in removed:
        line(f"  removed {clean(container)}/{clean(ifname)}", "dim")


@reporting
def status(
    network: Network,
    *,
    conf_dir: ConfDir = CONF_DIR,
    cni_path: CniPath = CNI_PATH,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    as_json: AsJson = False,
) -> None:
    """Ask whether a network could serve ADD now.

    JSON: {ok, network}.
    """
    call = _Call(conf_dir, cni_path, cache_dir)
    found = call.find(network)
    call.run(lambda: call.runtime.status(found))
    if as_json:
        print_json({"ok": True, "network": found.name})
    else:
        line(f"{found.name} is ready", "bold green")


class _Call:
    """The runtime, with what plugins write to stderr kept apart from its own messages."""

    def __init__(self, conf_dir: str, cni_path: str, cache_dir: str) -> None:
        self.stderr = BytesIO()
        self.runtime = Runtime(
            cni_path,
            conf_dir=conf_dir,
            cache_dir=cache_dir,
            stderr=self.stderr,
            warn=lambda text: line(f"warning: {clean(text)}", "yellow", to=err()),
        )

    def find(self, network: str) -> NetworkList:
        if "/" in network or network.endswith((".conflist", ".conf", ".json")):
            return load(network)
        try:
            return self.runtime.network(network)
        except NetworkNotFound as failure:
            known = [each.name for each in load_all(self.runtime.conf_dir).networks]
            if known:
                failure.add_note(f"networks there: {', '.join(known)}")
            raise

    def find_or_recall(self, network: str, parameters: Parameters) -> NetworkList:
        """The network, or what ADD knew of it: deleting it must not need the file any more."""
        try:
            return self.find(network)
        except NetworkNotFound:
            known = self.runtime.recorded(network, parameters)
            if known is None:
                raise
            return known

    def run(self, operation: Any) -> Any:
        try:
            result = operation()
        except errors.CniError as failure:
            self._pass_on(failure)
            raise
        self._pass_on(None)
        return result

    def _pass_on(self, failure: errors.CniError | None) -> None:
        """Print what the plugins wrote, but for the line in which ours repeat their error."""
        root: BaseException | None = failure
        while root is not None and root.__cause__ is not None:
            root = root.__cause__
        repeated = root.msg if isinstance(root, errors.CniError) else ""
        for each in self.stderr.getvalue().decode(errors="replace").splitlines():
            if not repeated or " ".join(repeated.split()) not in " ".join(each.split()):
                line(clean(each), "dim", to=err())
        if failure is not None and repeated:
            notes = getattr(failure, "__notes__", [])
            notes[:] = [each for each in notes if repeated not in each]


def _parameters(
    netns: str, ifname: str, container_id: str, capability_args: str, args: list[str] | None
) -> Parameters:
    path = os.path.abspath(netns) if "/" in netns else os.path.join(_NETNS_DIR, netns)
    given: Any = os.environ.get("CNI_ARGS") or None
    if args is not None:
        given = dict(_argument(each) for each in args)
    return Parameters(
        container_id or container_id_for(path),
        path,
        ifname,
        args=given,
        capability_args=_capability_args(capability_args),
    )


def _argument(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not key or not value:
        raise UsageFailure(f'--args "{text}": expected KEY=VALUE')
    return key, value


def _capability_args(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        given = json.loads(text)
    except ValueError as failure:
        raise UsageFailure(f"--capability-args (CAP_ARGS) is not JSON: {failure}") from None
    if as_object(given) is not given:
        raise UsageFailure(f"--capability-args (CAP_ARGS): expected an object, got {text}")
    return as_object(given)


def _pair(text: str) -> tuple[str, str]:
    container, _, ifname = text.partition(":")
    if not container:
        raise UsageFailure(f'--valid "{text}": expected CONTAINER or CONTAINER:IFNAME')
    return container, ifname or "eth0"


def _confirm(what: str, network: NetworkList, parameters: Parameters, *, as_json: bool) -> None:
    attachment = parameters.of(network.name)
    if as_json:
        names = {"containerID": attachment.container_id, "ifname": attachment.ifname}
        print_json({"ok": True, "network": network.name} | names)
    else:
        line(f"{what} {attachment}", "bold green")
