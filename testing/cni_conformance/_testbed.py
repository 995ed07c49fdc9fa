"""What a case works with: containers to attach, the plugin to call, the state to compare."""

from __future__ import annotations

import copy
import os
import random
import shlex
from typing import Any

from attrs import define, field

from cni_conformance import _invocation, _kernel, _predecessor
from cni_conformance._delegate import FAKE_IPAM, FakeDelegate
from cni_conformance._facts import Facts
from cni_conformance._host import Host
from cni_conformance._invocation import Invocation
from cni_conformance._json_text import json_text
from cni_conformance._outcome import Step
from cni_conformance._profile import Configuration, Profile
from cni_conformance.state import Observer, State


Json = dict[str, Any]

BASE = "/run/conformance"
VALID_ATTACHMENTS = "cni.dev/valid-attachments"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = 100_000


@define(kw_only=True, eq=False)
class Attachment:
    """One interface of one container, whether it has been added or not.

    Attributes:
        testbed: Where it lives.
        label: A short name for titles and state differences.
        container_id: CNI_CONTAINERID.
        ifname: CNI_IFNAME.
        netns: CNI_NETNS.
        previous: The prevResult of ADD, for a plugin that is not the first of its chain.
        result: What ADD returned; None before.
        config: Changes of the configuration that hold for all its calls.
    """

    testbed: Testbed
    label: str
    container_id: str
    ifname: str
    netns: str
    previous: Json | None = None
    result: Json | None = None
    config: Json = field(factory=dict)

    def add(self, **changes: Any) -> Invocation:
        """Call ADD; `changes` as for `Testbed.call`."""
        call = self.testbed.call("ADD", self, **changes)
        if call.ok:
            self.result = call.result
        return call

    def check(self, **changes: Any) -> Invocation:
        """Call CHECK, with the result of ADD as prevResult."""
        return self.testbed.call("CHECK", self, **changes)

    def delete(self, **changes: Any) -> Invocation:
        """Call DEL, with the result of ADD as prevResult."""
        return self.testbed.call("DEL", self, **changes)

    def remove_netns(self) -> None:
        """Let the container's network namespace go, as when the container has died."""
        self.testbed.note(
            "setup", f"remove namespace {self.label}", ["ip", "netns", "del", self._name]
        )
        _kernel.remove_netns(self.netns)

    @property
    def _name(self) -> str:
        return os.path.basename(self.netns)

    @property
    def valid(self) -> Json:
        """How GC is told that this attachment is valid."""
        return {"containerID": self.container_id, "ifname": self.ifname}


@define(kw_only=True, eq=False)
class Testbed(Host):
    """The machine a case has for itself, with the plugin on it.

    Attributes:
        profile: How to test it.
        configuration: The one of the profile's that is used.
        kind: interface, chained, ipam or meta.
        version: The cniVersion of this run of the case.
        facts: What is known of the plugin.
        cni_path: Directories with other plugins.
        delegate: The fake delegate.
        observer: Takes pictures of the state.
        random: Random numbers of this run's seed.
        limit: Seconds a call may take.
    """

    profile: Profile
    configuration: Configuration
    kind: str
    version: str
    facts: Facts
    cni_path: list[str]
    delegate: FakeDelegate
    observer: Observer
    random: random.Random
    limit: float
    _attachments: list[Attachment] = field(factory=list)
    _delegate_calls_seen: int = 0

    # -- calling ---------------------------------------------------------------------------------

    def config(self, **changes: Any) -> Json:
        """The request configuration of this run, without prevResult; a None removes a key."""
        config: Json = {
            "cniVersion": self.version,
            "name": self.configuration.network,
            **copy.deepcopy(self.configuration.plugin),
        }
        if self.configuration.runtime_config:
            config["runtimeConfig"] = copy.deepcopy(self.configuration.runtime_config)
        config.pop("capabilities", None)  # SPEC section 3: must not be set in what a plugin gets
        return _changed(config, changes)

    def _position(self, attachment: Attachment) -> int:
        """Which of the run's attachments it is, counted from 0."""
        keys = [(each.container_id, each.ifname) for each in self._attachments]
        key = (attachment.container_id, attachment.ifname)
        return list(dict.fromkeys([*keys, key])).index(key)

    def environment(self, command: str, attachment: Attachment | None = None) -> dict[str, str]:
        """The environment of a call."""
        env = {
            "PATH": os.pathsep.join(dict.fromkeys([os.environ.get("PATH", ""), SYSTEM_PATH])),
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            **self.profile.environment,
            "CNI_COMMAND": command,
            "CNI_PATH": os.pathsep.join([self.delegate.bin, *self.cni_path]),
        }
        if attachment is not None:
            env["CNI_CONTAINERID"] = attachment.container_id
            env["CNI_NETNS"] = attachment.netns
            env["CNI_IFNAME"] = attachment.ifname
        if self.configuration.args and attachment is not None:
            env["CNI_ARGS"] = self.configuration.args
        return env

    def start(
        self,
        command: str,
        attachment: Attachment | None = None,
        *,
        patch: Json | None = None,
        env: dict[str, str | None] | None = None,
        stdin: bytes | None = None,
        limit: float | None = None,
        cwd: str = "/",
        pass_fds: tuple[int, ...] = (),
    ) -> _invocation.Running:
        """Start a call of the plugin without waiting for its end; arguments as for `call`."""
        config = self.config()
        if attachment is not None:
            _shift_ports(config, self._position(attachment))
            config = _changed(config, attachment.config)
            previous = attachment.previous if command == "ADD" else attachment.result
            if previous is not None:
                config["prevResult"] = previous
        config = _changed(config, patch or {})
        environment = _changed(self.environment(command, attachment), env or {})
        return _invocation.start(
            [self.plugin],
            command=command,
            env=environment,
            stdin=json_text(config).encode() if stdin is None else stdin,
            limit=self.limit if limit is None else limit,
            cwd=cwd,
            pass_fds=pass_fds,
        )

    def call(
        self,
        command: str,
        attachment: Attachment | None = None,
        *,
        patch: Json | None = None,
        env: dict[str, str | None] | None = None,
        stdin: bytes | None = None,
        limit: float | None = None,
        cwd: str = "/",
        pass_fds: tuple[int, ...] = (),
    ) -> Invocation:
        """Call the plugin and wait for its end.

        Args:
            command: CNI_COMMAND.
            attachment: Whose id, namespace and interface name to pass; prevResult is its `previous`
                for ADD, its `result` for the others.
            patch: Keys of the configuration to replace, or with None to remove.
            env: Variables to replace, or with None to remove.
            stdin: What to write to standard input instead of a configuration.
            limit: Seconds until it is killed.
            cwd: The directory it starts in.
            pass_fds: Descriptors it inherits besides the standard three.
        """
        running = self.start(
            command,
            attachment,
            patch=patch,
            env=env,
            stdin=stdin,
            limit=limit,
            cwd=cwd,
            pass_fds=pass_fds,
        )
        return self.finished(running, attachment)

    def finished(
        self, running: _invocation.Running, attachment: Attachment | None = None
    ) -> Invocation:
        """Wait for a call that was started, and write it down."""
        call = running.finish()
        title = call.command
        if attachment is not None:
            title += f" {attachment.label} {attachment.ifname}"
        received = self.delegate.calls()
        delegate_calls = [
            {"command": each.command, "name": each.name, "env": each.env, "stdin": each.stdin}
            for each in received[self._delegate_calls_seen :]
        ]
        self._delegate_calls_seen = len(received)
        step = Step(
            kind="plugin",
            title=title,
            argv=call.argv,
            env=call.env,
            stdin=call.stdin.decode("utf-8", "replace")[:_SHOWN],
            stdout=call.stdout.decode("utf-8", "replace")[:_SHOWN],
            stderr=call.stderr.decode("utf-8", "replace")[:_SHOWN],
            exit_code=call.exit_code,
            ended_by=call.ended_by,
            seconds=round(call.seconds, 4),
            max_rss=call.max_rss,
            delegate_calls=delegate_calls,
        )
        self.steps.append(step)
        call.step = step
        return call

    def gc(self, *valid: Attachment, **changes: Any) -> Invocation:
        """Call GC with these attachments as the valid ones."""
        patch = {VALID_ATTACHMENTS: [each.valid for each in valid], **changes.pop("patch", {})}
        return self.call("GC", patch=patch, **changes)

    # -- containers ------------------------------------------------------------------------------

    def attachment(
        self,
        label: str = "c1",
        *,
        container_id: str | None = None,
        ifname: str | None = None,
        beside: Attachment | None = None,
    ) -> Attachment:
        """A container with a network namespace, ready for ADD.

        Args:
            label: A short name for it.
            container_id: CNI_CONTAINERID; made from the label otherwise.
            ifname: CNI_IFNAME; that of the profile otherwise.
            beside: Another attachment of the same container.
        """
        if beside is not None:
            container_id, netns = beside.container_id, beside.netns
        else:
            netns = f"/run/netns/conformance-{label}"
            self.observer.ignored.add(netns)
            if not os.path.exists(netns):
                _kernel.make_netns(netns)
                self.note(
                    "setup",
                    f"namespace for {label}",
                    ["ip", "netns", "add", f"conformance-{label}"],
                )
                if self.profile.ifname != "lo":
                    self.command("ip", "link", "set", "lo", "up", inside=netns)
        made = Attachment(
            testbed=self,
            label=label,
            container_id=container_id or f"conformance-{label}",
            ifname=ifname or self.profile.ifname,
            netns=netns,
        )
        self._attachments.append(made)
        for line in self.profile.container:
            self.shell(
                line,
                NETNS=os.path.basename(made.netns),
                IFNAME=made.ifname,
                NUMBER=str(len(self._attachments)),
            )
        if self.kind == "chained":
            made.previous = _predecessor.attach(
                made,
                len(self._attachments),
                first=all(each.netns != made.netns for each in self._attachments[:-1]),
            )
        return made

    def attached(self, label: str = "c1", **options: Any) -> Attachment:
        """A container after a successful ADD.

        Raises:
            Blocked: ADD does not succeed, which is another case's finding.
        """
        changes = options.pop("changes", {})
        made = self.attachment(label, **options)
        made.config = changes
        call = made.add()
        if not call.ok or not call.result:
            self.block(f"needs an ADD that succeeds; {call.describe()}")
        return made

    def checked(self, label: str = "c1", **options: Any) -> Attachment:
        """A container whose CHECK succeeds, so that a failure after a change is due to the change.

        Raises:
            Blocked: ADD or CHECK does not succeed, which is another case's finding.
        """
        made = self.attached(label, **options)
        call = made.check()
        if not call.ok:
            self.block(f"needs a CHECK that succeeds after ADD; {call.describe()}")
        return made

    def use_fake_ipam(self) -> None:
        """Let the delegate be the fake one, whatever the configuration names.

        Raises:
            Blocked: The plugin does not call it.
        """
        key = self.profile.delegate
        if not key:
            self.not_applicable("the plugin has no delegate")
        plugin = copy.deepcopy(self.configuration.plugin)
        plugin |= self.with_delegate(FAKE_IPAM)
        values = {
            name: getattr(self.configuration, name)
            for name in ("name", "network", "runtime_config", "args", "before", "since")
        }
        self.configuration = Configuration(plugin=plugin, **values)

    def with_delegate(self, name: str) -> Json:
        """The change of the configuration that names another delegate, for `patch`."""
        key = self.profile.delegate
        section = self.configuration.plugin.get(key)
        if isinstance(section, str):  # some name it without an object of its own
            return {key: name}
        return {key: {**(section if isinstance(section, dict) else {}), "type": name}}

    def observe(self) -> State:
        """A picture of the host and of all containers so far."""
        containers = {each.label: each.netns for each in self._attachments}
        return self.observer.observe(containers)

    # -- preparing -------------------------------------------------------------------------------

    def forget_delegate_calls(self) -> None:
        """Begin a new list of the fake delegate's calls."""
        self.delegate.forget_calls()
        self._delegate_calls_seen = 0

    def script_delegate(self, command: str, **behaviour: Any) -> None:
        """Tell the fake delegate what to do for a command from now on."""
        self.delegate.on(command, **behaviour)
        words = ", ".join(f"{key}={str(value)[:80]}" for key, value in behaviour.items())
        told = f"printf %s {shlex.quote(self.delegate.script())} >{self.delegate.script_file()}"
        self.note("note", f"the fake delegate answers {command} with {words}", ["sh", "-c", told])


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = {**values, **changes}
    return {key: value for key, value in result.items() if value is not None}


def _shift_ports(config: Json, position: int) -> None:
    """Give each attachment ports of the host of its own: one port cannot lead to two containers."""
    for mapping in config.get("runtimeConfig", {}).get("portMappings", []):
        mapping["hostPort"] += position
