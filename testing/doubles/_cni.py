"""The protocol, as far as the small plugins in this directory share it.

A plugin is a class with a method for each command; each thing it does is a method of its own, so
that a broken plugin is a subclass with one method replaced. Only the standard library is used.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NoReturn


Json = dict[str, Any]

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
FIRST_VERSION_WITH = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
NEEDED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
    "VERSION": (),
}
VALID_ATTACHMENTS = "cni.dev/valid-attachments"

# Codes of the specification
INCOMPATIBLE = 1
UNSUPPORTED_FIELD = 2
ENVIRONMENT = 4
UNREADABLE = 5
UNDECODABLE = 6
INVALID = 7
TRY_LATER = 11
UNAVAILABLE = 50
SPECIFIED = frozenset({1, 2, 3, 4, 5, 6, 7, 11, 50, 51})
# Codes of our own
EXHAUSTED = 101
EXISTS = 102
NOT_AS_EXPECTED = 103
TOOL_FAILED = 104
NO_DELEGATE = 105
DELEGATE_FAILED = 106
BAD_STATE = 107
CRASH = 199

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_NEWNET = 0x40000000
_NS_GET_NSTYPE = 0xB703
_LOCK_SECONDS = 8.0


class CniError(Exception):
    """What is printed as an error result."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class Plugin:
    """One call: the environment and standard input come in, a result or an error goes out."""

    versions = VERSIONS

    def __init__(self) -> None:
        self.command = os.environ.get("CNI_COMMAND", "")
        self.containerid = os.environ.get("CNI_CONTAINERID", "")
        self.netns = os.environ.get("CNI_NETNS", "")
        self.ifname = os.environ.get("CNI_IFNAME", "")
        self.stdin = b""
        self.config: Json = {}
        self.undo: list[Callable[[], object]] = []

    # -- commands --------------------------------------------------------------------------------

    def add(self) -> Json | None:
        raise NotImplementedError

    def delete(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        raise NotImplementedError

    def gc(self) -> None:
        raise NotImplementedError

    def status(self) -> None:
        raise NotImplementedError

    def version(self) -> Json:
        return {"cniVersion": self.cni_version, "supportedVersions": list(self.versions)}

    # -- the way of a call -----------------------------------------------------------------------

    def main(self) -> NoReturn:
        try:
            self.write(self.answer())
            status = 0
        except CniError as failure:
            status = self.fail(failure)
        except Exception as failure:  # noqa: BLE001 - a crash is an error result too
            status = self.fail(self.crash(failure))
        sys.exit(status)

    def answer(self) -> Json | None:
        unreadable = self.read_stdin()
        self.check_environment()
        if unreadable:
            raise unreadable
        if self.command == "VERSION":
            return self.version()
        self.check_version()
        self.check_name()
        if self.command in {"ADD", "CHECK", "STATUS"}:  # DEL and GC take what they find
            self.validate()
        return {
            "ADD": self.add,
            "DEL": self.delete,
            "CHECK": self.check,
            "GC": self.gc,
            "STATUS": self.status,
        }[self.command]()

    def fail(self, failure: CniError) -> int:
        """Print an error; gives the exit status."""
        self.write(self.error(failure))
        return 1

    def error(self, failure: CniError) -> Json:
        document: Json = {
            "cniVersion": self.cni_version,
            "code": failure.code,
            "msg": str(failure),
        }
        if failure.details:
            document["details"] = failure.details
        return document

    def crash(self, failure: Exception) -> CniError:
        """Say where it happened, not what the values were: they may be secret."""
        trace = failure.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = ""
        if trace is not None:
            file = os.path.basename(trace.tb_frame.f_code.co_filename)
            place = f" at {file}:{trace.tb_lineno}"
        return CniError(CRASH, f"internal error: {type(failure).__name__}{place}")

    def write(self, document: Json | None) -> None:
        if document is not None:
            self.write_text(json.dumps(document))

    def write_text(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(1, data) :]

    # -- what comes in ---------------------------------------------------------------------------

    def read_stdin(self) -> CniError | None:
        """Read the configuration; gives what is wrong with it, since the environment comes first."""
        try:
            self.stdin = sys.stdin.buffer.read()
        except (OSError, AttributeError):
            return CniError(UNREADABLE, "cannot read the configuration from standard input")
        if self.command == "VERSION" and not self.stdin.strip():
            return None
        try:
            config = json.loads(self.stdin)
        except (ValueError, RecursionError):
            return CniError(UNDECODABLE, "the configuration is not JSON")
        if not isinstance(config, dict):
            return CniError(UNDECODABLE, "the configuration is not a JSON object")
        if not isinstance(config.get("cniVersion", ""), str):
            return CniError(UNDECODABLE, "cniVersion is not a string")
        self.config = config
        return None

    @property
    def cni_version(self) -> str:
        """The version of the request; the first one did not have to be named."""
        if not self.config:
            return VERSIONS[-1]
        return self.config.get("cniVersion") or VERSIONS[0]

    def at_least(self, version: str) -> bool:
        return VERSIONS.index(self.cni_version) >= VERSIONS.index(version)

    def check_environment(self) -> None:
        if self.command not in NEEDED:
            raise CniError(ENVIRONMENT, "CNI_COMMAND is missing or not a command")
        wrong: list[str] = []
        for variable in NEEDED[self.command]:
            value = os.environ.get(variable, "")
            if not value or not self.is_valid(variable, value):
                wrong.append(variable)
        if wrong:
            raise CniError(ENVIRONMENT, f"missing or invalid: {', '.join(wrong)}")

    def is_valid(self, variable: str, value: str) -> bool:
        if variable == "CNI_NETNS":
            return True
        if variable == "CNI_IFNAME" and len(value.encode()) > 15:
            return False
        return _NAME.fullmatch(value) is not None

    def check_version(self) -> None:
        version = self.cni_version
        if version not in self.versions:
            raise CniError(
                INCOMPATIBLE,
                "incompatible CNI versions",
                f"the configuration is {version!r}, supported are {', '.join(self.versions)}",
            )
        if not self.at_least(FIRST_VERSION_WITH.get(self.command, VERSIONS[0])):
            raise CniError(INCOMPATIBLE, f"there is no {self.command} in version {version}")

    def check_name(self) -> None:
        name = self.config.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CniError(INVALID, "invalid network config: name is missing or not a name")

    def validate(self) -> None:
        """Refuse a configuration ADD cannot work with."""

    @property
    def network(self) -> str:
        return self.config["name"]

    def previous(self) -> Json:
        """prevResult, which must be there, with `interfaces`, `ips`, `routes` and `dns`."""
        previous = self.config.get("prevResult")
        if not isinstance(previous, dict):
            raise CniError(INVALID, "invalid network config: prevResult is missing")
        return as_newest(previous)

    def valid_owners(self) -> set[str] | None:
        """The owners GC is told of; None when it is told nothing."""
        if VALID_ATTACHMENTS not in self.config:
            return None
        rows = self.config[VALID_ATTACHMENTS]
        if rows is None:
            return set()
        try:
            return {owner_of(row["containerID"], row["ifname"]) for row in rows}
        except (TypeError, KeyError):
            raise CniError(INVALID, f"{VALID_ATTACHMENTS} is not a list of attachments") from None

    @property
    def owner(self) -> str:
        """Whom rules and files belong to."""
        return owner_of(self.containerid, self.ifname)

    # -- the container ---------------------------------------------------------------------------

    def open_netns(self) -> int:
        """A descriptor of the container's namespace, which is another than ours."""
        try:
            fd = os.open(self.netns, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as failure:
            why = getattr(failure, "strerror", "not a path")
            raise CniError(ENVIRONMENT, f"CNI_NETNS cannot be opened: {why}") from None
        own = os.stat("/proc/self/ns/net")
        found = os.fstat(fd)
        is_netns = found.st_dev == own.st_dev and fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
        if not is_netns:
            os.close(fd)
            raise CniError(ENVIRONMENT, "CNI_NETNS is not a network namespace")
        if found.st_ino == own.st_ino:
            os.close(fd)
            raise CniError(ENVIRONMENT, "CNI_NETNS is the namespace of the host")
        return fd

    def find_netns(self) -> int | None:
        """The same for DEL: None when there is no such namespace any more."""
        try:
            return self.open_netns() if self.netns else None
        except CniError:
            return None

    # -- tools -----------------------------------------------------------------------------------

    def tool(self, name: str) -> str:
        path = os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_PATH])
        found = shutil.which(name, path=path)
        if found is None:
            raise CniError(TOOL_FAILED, f"the program {name} is not installed")
        return found

    def run(
        self, *argv: str, stdin: str = "", netns: int | None = None, passing: int | None = None
    ) -> str:
        """Run a tool; gives its output.

        Args:
            argv: The tool and its arguments.
            stdin: What it reads.
            netns: The namespace to run it in.
            passing: A descriptor it needs.

        Raises:
            CniError: It failed; `details` is what it said.
        """
        command = [self.tool(argv[0]), *argv[1:]]
        if netns is not None:
            command = [self.tool("nsenter"), f"--net=/proc/self/fd/{netns}", *command]
        done = subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            check=False,
            env={"LC_ALL": "C", "PATH": _SYSTEM_PATH},
            pass_fds=[fd for fd in (netns, passing) if fd is not None],
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise CniError(TOOL_FAILED, f"{argv[0]} failed: {said.partition(chr(10))[0]}", said)
        return done.stdout.decode()

    def links(self, netns: int) -> dict[str, Json]:
        """The links of a namespace by name, with their addresses."""
        return {row["ifname"]: row for row in json.loads(self.run("ip", "-j", "addr", netns=netns))}

    def do_all(self, *steps: Callable[[], object]) -> None:
        """Take every step, and report the first failure afterwards."""
        failures: list[CniError] = []
        for step in steps:
            try:
                step()
            except CniError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def need(self, *tools: str) -> None:
        """For STATUS: say that ADD cannot be served without a tool."""
        for name in tools:
            try:
                self.tool(name)
            except CniError as failure:
                raise CniError(UNAVAILABLE, str(failure)) from None

    def roll_back(self) -> None:
        """Undo what ADD has done so far, latest first."""
        while self.undo:
            with contextlib.suppress(Exception):
                self.undo.pop()()

    # -- state -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, path: str | int = "/run") -> Iterator[None]:
        """Keep other calls out; /run itself is locked unless there is something better."""
        fd = path if isinstance(path, int) else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.wait_for_lock(fd)
            yield
        finally:
            os.close(fd)

    def wait_for_lock(self, fd: int) -> None:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise CniError(TRY_LATER, "another call holds the lock") from None
                time.sleep(0.02)
            else:
                return

    def open_directory(self, path: str, *, make: bool = True) -> int:
        """A directory of state, which must not be a symbolic link.

        Raises:
            FileNotFoundError: There is none, and none is wanted.
        """
        if make:
            self.make_directories(path)
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as failure:
            if failure.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise CniError(
                    BAD_STATE, f"the state directory {path} is not a directory"
                ) from None
            raise

    def make_directories(self, path: str) -> None:
        """os.makedirs leaves the mode of those on the way to the umask, which may be 0."""
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            self.make_directories(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, self.directory_mode)

    directory_mode = 0o755
    file_mode = 0o600

    def write_file(self, directory: int, name: str, content: Json) -> None:
        """Write a state file: it is there as a whole, or not at all."""
        temporary = f".{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, self.file_mode, dir_fd=directory)
        try:
            os.write(fd, json.dumps(content).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)

    def read_file(self, directory: int, name: str) -> Json | None:
        """What a state file holds; None when it is broken or missing."""
        try:
            fd = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
            )
            with os.fdopen(fd, "rb") as file:
                content = json.loads(file.read(10_000))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def sweep(self, directory: int) -> None:
        """Remove what a killed call has left half-written; only with the lock held."""
        for name in os.listdir(directory):
            if name.startswith("."):
                os.unlink(name, dir_fd=directory)


class Delegating(Plugin):
    """A plugin that runs another one."""

    section = "ipam"

    def delegate_type(self) -> str:
        """The name of the delegate; empty for none.

        Raises:
            CniError: What stands there is not the name of a file.
        """
        section = self.config.get(self.section)
        if section is None:
            return ""
        name = section.get("type") if isinstance(section, dict) else None
        if not isinstance(name, str) or not name or "/" in name or "\0" in name:
            raise CniError(INVALID, f"invalid network config: {self.section}.type is not a name")
        return name

    def find_delegate(self, name: str) -> str:
        paths = [path for path in os.environ.get("CNI_PATH", "").split(os.pathsep) if path]
        if not paths:
            raise CniError(ENVIRONMENT, f"CNI_PATH is missing, and the delegate {name!r} is needed")
        for directory in paths:
            candidate = os.path.join(directory, name)
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
        raise CniError(NO_DELEGATE, f"no delegate {name!r} in {', '.join(paths)}")

    def delegate_environment(self, command: str) -> dict[bytes, bytes]:
        """What we were started with; os.environ may have been changed by the interpreter."""
        with open("/proc/self/environ", "rb") as file:
            rows = [row.partition(b"=") for row in file.read().split(b"\0") if row]
        environment = {name: value for name, _, value in rows}
        environment[b"CNI_COMMAND"] = command.encode()
        return environment

    def delegate_stdin(self) -> bytes:
        return self.stdin

    def execute(self, program: str, command: str) -> tuple[int, bytes]:
        """Run the delegate; gives its exit status, negative for a signal, and its output."""
        try:
            done = subprocess.run(
                [program],
                input=self.delegate_stdin(),
                stdout=subprocess.PIPE,
                check=False,
                env=self.delegate_environment(command),
            )
        except OSError as failure:
            raise CniError(
                DELEGATE_FAILED, f"the delegate {program} cannot be run: {failure.strerror}"
            ) from None
        return done.returncode, done.stdout

    def run_delegate(self, command: str) -> bytes:
        """Run the delegate for a command; gives what it printed.

        Raises:
            CniError: It failed.
        """
        name = self.delegate_type()
        if not name:
            return b""
        status, output = self.execute(self.find_delegate(name), command)
        self.judge(name, command, status, output)
        return output

    def judge(self, name: str, command: str, status: int, output: bytes) -> None:
        """Turn the failure of a delegate into ours."""
        if status == 0:
            return
        if status < 0:
            killer = signal.Signals(-status).name
            raise CniError(
                DELEGATE_FAILED, f"the delegate {name} was killed by {killer} in {command}"
            )
        try:
            said = json.loads(output)
            code, message = said["code"], said["msg"]
        except (ValueError, TypeError, KeyError):
            raise CniError(
                DELEGATE_FAILED,
                f"the delegate {name} exited with {status} in {command} and printed no error",
            ) from None
        if type(code) is not int or (code < 100 and code not in SPECIFIED):
            code = DELEGATE_FAILED
        raise CniError(code, f"the delegate {name} failed: {message}", str(said.get("details", "")))

    def delegate_add(self) -> Json:
        """ADD of the delegate; whatever fails from now on, it gets a DEL."""
        self.find_delegate(self.delegate_type())
        self.undo.append(self.undo_delegate)
        output = self.run_delegate("ADD")
        try:
            document = json.loads(output)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise CniError(
                DELEGATE_FAILED, f"the delegate {self.delegate_type()} printed no result"
            )
        return document

    def undo_delegate(self) -> None:
        self.run_delegate("DEL")

    def delegate_delete(self) -> None:
        self.forward_leniently("DEL")

    def delegate_check(self) -> None:
        self.run_delegate("CHECK")

    def delegate_gc(self) -> None:
        self.forward_leniently("GC")

    def forward_leniently(self, command: str) -> None:
        """A configuration that names no delegate has had none in ADD."""
        try:
            self.delegate_type()
        except CniError:
            return
        self.run_delegate(command)

    def delegate_status(self) -> None:
        try:
            self.run_delegate("STATUS")
        except CniError as failure:
            code = failure.code if failure.code in {50, 51} else UNAVAILABLE
            raise CniError(code, str(failure), failure.details) from None


class Filtering(Plugin):
    """A plugin with rules in an nft table of its own, each with its owner as comment."""

    chains: ClassVar[dict[str, str]]
    prefix: str

    @property
    def table(self) -> str:
        return self.prefix + tag(self.network)

    def rules(self) -> list[Json]:
        """The rules of the table, each with `chain`, `handle`, `comment` and `expr`."""
        try:
            output = self.run("nft", "-j", "-a", "list", "table", "inet", self.table)
        except CniError as failure:
            if "No such file or directory" in failure.details:
                return []
            raise
        return [row["rule"] for row in json.loads(output)["nftables"] if "rule" in row]

    def own_rules(self) -> list[Json]:
        return [rule for rule in self.rules() if rule.get("comment") == self.owner]

    def add_rules(self, rules: list[tuple[str, str]]) -> None:
        """Add rules, each with its chain, in one transaction; those of this owner are replaced."""
        with self.lock():
            lines = [f"delete {self.address_of(rule)}" for rule in self.own_rules()]
            lines.append(f"add table inet {self.table}")
            for chain, hook in self.chains.items():
                lines.append(f"add chain inet {self.table} {chain} {{ {hook} ; }}")
            for chain, rule in rules:
                lines.append(f'add rule inet {self.table} {chain} {rule} comment "{self.owner}"')
            self.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")

    def remove_rules(self, is_stale: Callable[[str], bool]) -> list[Json]:
        """Remove the rules of some owners, and the table with the last of them."""
        with self.lock():
            rules = self.rules()
            stale = [rule for rule in rules if is_stale(rule.get("comment", ""))]
            if len(stale) == len(rules) and rules:
                self.run("nft", "delete", "table", "inet", self.table)
            elif stale:
                lines = [f"delete {self.address_of(rule)}" for rule in stale]
                self.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")
        return stale

    def remove_own_rules(self) -> list[Json]:
        return self.remove_rules(lambda owner: owner == self.owner)

    def address_of(self, rule: Json) -> str:
        return f"rule inet {self.table} {rule['chain']} handle {rule['handle']}"


# -- names -----------------------------------------------------------------------------------------


def tag(name: str) -> str:
    """A name, or its digest where it is too long for a file, a table or a comment."""
    return name if len(name) <= 100 else digest(name)[:40]


def digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def owner_of(containerid: str, ifname: str) -> str:
    return f"{tag(containerid)}/{tag(ifname)}"


# -- results ---------------------------------------------------------------------------------------


def as_newest(document: Json) -> Json:
    """A result of any version as `interfaces`, `ips`, `routes` and `dns`."""
    ips = [dict(ip) for ip in objects(document.get("ips"))]
    routes = objects(document.get("routes"))
    for key in ("ip4", "ip6"):
        old = document.get(key)
        if isinstance(old, dict):
            ip = {"address": old.get("ip")}
            if old.get("gateway"):
                ip["gateway"] = old["gateway"]
            ips.append(ip)
            routes = [*routes, *objects(old.get("routes"))]
    for ip in ips:
        ip.pop("version", None)
    dns = document.get("dns")
    return {
        "interfaces": objects(document.get("interfaces")),
        "ips": ips,
        "routes": routes,
        "dns": dns if isinstance(dns, dict) else {},
    }


def in_version(result: Json, version: str) -> Json:
    """A result as a version of the specification has it."""
    level = VERSIONS.index(version)
    if level < VERSIONS.index("0.3.0"):
        return in_first_version(result, version)
    document = {"cniVersion": version, **{key: value for key, value in result.items() if value}}
    document.setdefault("dns", {})
    if level < VERSIONS.index("1.0.0"):
        document["ips"] = [{"version": family(ip["address"]), **ip} for ip in result["ips"]]
    if level < VERSIONS.index("1.1.0"):
        for key, news in (("interfaces", {"mtu"}), ("routes", {"dst", "gw"})):
            if document.get(key):
                document[key] = [
                    {name: row[name] for name in row if (name in news) is (key == "routes")}
                    for row in document[key]
                ]
    return document


def in_first_version(result: Json, version: str) -> Json:
    document: Json = {"cniVersion": version, "dns": result.get("dns", {})}
    for ip in result["ips"]:
        which = family(ip["address"])
        old: Json = {"ip": ip["address"]}
        if "gateway" in ip:
            old["gateway"] = ip["gateway"]
        routes = [
            {key: route[key] for key in ("dst", "gw") if key in route}
            for route in result.get("routes", [])
            if family(route["dst"]) == which
        ]
        if routes:
            old["routes"] = routes
        document.setdefault(f"ip{which}", old)
    return document


def family(address: str) -> str:
    return "6" if ":" in address else "4"


def objects(value: Any) -> list[Json]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def checked_ips(rows: Any) -> list[Json]:
    """Addresses with their gateways, known to be addresses.

    Raises:
        ValueError: They are not.
    """
    ips: list[Json] = []
    for row in objects(rows):
        ip = {"address": str(ipaddress.ip_interface(text(row, "address")))}
        if row.get("gateway"):
            ip["gateway"] = str(ipaddress.ip_address(text(row, "gateway")))
        ips.append(ip)
    return ips


def checked_routes(rows: Any) -> list[Json]:
    """Routes, known to be routes.

    Raises:
        ValueError: They are not.
    """
    routes: list[Json] = []
    for row in objects(rows):
        route: Json = {"dst": str(ipaddress.ip_network(text(row, "dst"), strict=False))}
        if row.get("gw"):
            route["gw"] = str(ipaddress.ip_address(text(row, "gw")))
        for key in ("mtu", "advmss", "priority", "table", "scope"):
            if key in row:
                if type(row[key]) is not int or row[key] < 0:
                    raise ValueError(key)
                route[key] = row[key]
        routes.append(route)
    return routes


def text(row: Json, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise ValueError(key)  # noqa: TRY004 - the callers tell bad values by it
    return value


def is_mtu(value: Any) -> bool:
    return type(value) is int and 68 <= value <= 65535
