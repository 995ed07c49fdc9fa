"""The recording plugin: writes down how a runtime called it and answers as a plugin would.

Runs as `python -ISB recorder.py RECORD NAME`, alone: it imports the standard library only. RECORD is a
directory given by the launcher, because a runtime may clean the environment; NAME is the path by which
the runtime called. For each call there is one file, replaced as a whole: when the call begins, and when
it ends with the answer. `RECORD/script.json` may say that something goes wrong:
`{"conformance-second": {"ADD": {"code": 11, "sleep": 0.5}}}`.
"""

import json
import os
import select
import sys
import time
import zlib


VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
PATIENCE = 10.0  # how long the end of standard input may take, in seconds


def main():
    """One call."""
    record, path = sys.argv[1], sys.argv[2]
    name = os.path.basename(path)
    call = _describe(name)
    script = _read_json(os.path.join(record, "script.json"))
    stdin, call["stdin_closed"] = _read_stdin(script.get("patience", PATIENCE))
    call["stdin"] = stdin.decode("utf-8", "surrogateescape")
    target = os.path.join(record, f"{call['started']}-{os.getpid()}.json")
    try:
        _write(target, call)
    except OSError as failure:
        print(json.dumps({"code": 5, "msg": f"conformance: cannot record: {failure}"}))
        sys.exit(1)
    behaviour = script.get(name, {}).get(call["command"], {})
    time.sleep(behaviour.get("sleep", 0))
    text, call["exit_code"] = _answer(name, call["command"], _parse(call["stdin"]), behaviour)
    call["answer"] = text
    call["ended"] = time.monotonic_ns()
    _write(target, call)
    sys.stdout.write(text)
    sys.stdout.flush()
    sys.exit(call["exit_code"])


# -- how it was called -------------------------------------------------------------------------------


def _describe(name):
    env = dict(os.environ)
    return {
        "started": time.monotonic_ns(),
        "ended": None,
        "plugin": name,
        "command": env.get("CNI_COMMAND", ""),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "env": env,
        "descriptors": _open_descriptors(),
        "netns": _inode("/proc/self/ns/net"),
        "parent_netns": _parent_netns(),
        "target": _target_of(env.get("CNI_NETNS", "")),
        "in_path": _is_in_path(name, env.get("CNI_PATH", "")),
        "answer": "",
        "exit_code": None,
    }


def _target_of(path):
    """What CNI_NETNS names: whether it exists, is a network namespace, and which; None is unknown."""
    try:
        found = os.stat(path)
    except PermissionError:
        return {"exists": None, "is_netns": None, "inode": None}
    except (OSError, ValueError):
        return {"exists": False, "is_netns": False, "inode": None}
    # All namespaces are files of one kernel-internal file system.
    is_netns = found.st_dev == os.stat("/proc/self/ns/net").st_dev
    return {"exists": True, "is_netns": is_netns, "inode": found.st_ino}


def _parent_netns():
    """The network namespace of whoever called; None when that process cannot be seen."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return None  # /proc is that of another PID namespace: the numbers mean other processes
    except OSError:
        return None
    return _inode(f"/proc/{os.getppid()}/ns/net") if os.getppid() else None


def _inode(path):
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _is_in_path(name, cni_path):
    directories = [each for each in cni_path.split(os.pathsep) if each]
    return any(os.access(os.path.join(each, name), os.X_OK) for each in directories)


def _open_descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the one that lists the directory
    return found


def _read_stdin(patience):
    """All of standard input, and whether it came to its end."""
    data, deadline = b"", time.monotonic() + patience
    while True:
        try:
            ready, _, _ = select.select([0], [], [], max(deadline - time.monotonic(), 0))
            chunk = os.read(0, 65536) if ready else None
        except OSError:
            return data, False  # no standard input at all
        if not chunk:
            return data, chunk is not None
        data += chunk


# -- what it answers ---------------------------------------------------------------------------------


def _answer(name, command, config, behaviour):
    version = config.get("cniVersion", VERSIONS[0])
    if "code" in behaviour:
        return _error(version, behaviour["code"], behaviour.get("msg", "scripted failure")), 1
    if command == "VERSION":
        supported = behaviour.get("versions", VERSIONS)
        return json.dumps({"cniVersion": version, "supportedVersions": supported}), 0
    if command not in ("ADD", "DEL", "CHECK", "GC", "STATUS"):
        return _error(version, 4, f"CNI_COMMAND: {command!r}"), 1
    if version not in VERSIONS:
        return _error(version, 1, f"cniVersion: {version!r}"), 1
    if command != "ADD":
        return "", 0
    previous = config.get("prevResult")
    result = _first_result(version) if not isinstance(previous, dict) else dict(previous)
    if isinstance(previous, dict):
        _add_to(result, name, version)
    result["cniVersion"] = version
    return json.dumps(result), 0


def _error(version, code, msg):
    return json.dumps({"cniVersion": version, "code": code, "msg": "conformance: " + msg})


def _first_result(version):
    """As from a plugin that made an interface; addresses of a range set aside for benchmarks."""
    ifname, netns = os.environ.get("CNI_IFNAME", ""), os.environ.get("CNI_NETNS", "")
    owner = os.environ.get("CNI_CONTAINERID", "") + "/" + ifname
    number = zlib.crc32(owner.encode("utf-8", "surrogateescape"))
    address = f"198.18.{number % 256}.{number // 256 % 250 + 2}/16"
    gateway, dns = "198.18.0.1", {"search": ["conformance.example"]}
    if not _is_at_least(version, "0.3.0"):
        routes = [{"dst": "0.0.0.0/0", "gw": gateway}]
        return {"ip4": {"ip": address, "gateway": gateway, "routes": routes}, "dns": dns}
    interface = {"name": ifname, "mac": "02:00:" + number.to_bytes(4, "big").hex(":")}
    ip = {"address": address, "gateway": gateway, "interface": 0}
    route = {"dst": "0.0.0.0/0", "gw": gateway}
    if not _is_at_least(version, "1.0.0"):
        ip["version"] = "4"
    if _is_at_least(version, "1.1.0"):  # what this version added to results
        interface["mtu"] = 1400
        route.update(mtu=1400, advmss=1360, priority=5, table=254, scope=0)
    interface["sandbox"] = netns
    return {"interfaces": [interface], "ips": [ip], "routes": [route], "dns": dns}


def _add_to(result, name, version):
    """What a chained plugin changes: here a name to search, so that each result differs."""
    dns = dict(result.get("dns") or {})
    dns["search"] = [*(dns.get("search") or []), name + ".example"]
    result["dns"] = dns
    if _is_at_least(version, "0.3.0"):
        interfaces = list(result.get("interfaces") or [])
        number = zlib.crc32(name.encode()) % 0xFFFF
        result["interfaces"] = [*interfaces, {"name": f"cf{number:04x}"}]


def _is_at_least(version, other):
    return VERSIONS.index(version) >= VERSIONS.index(other)


# -- files -------------------------------------------------------------------------------------------


def _write(path, document):
    scratch = path + ".tmp"
    with open(scratch, "w", encoding="ascii") as file:
        json.dump(document, file)
    os.rename(scratch, path)


def _parse(text):
    try:
        config = json.loads(text)
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


if __name__ == "__main__":
    main()
