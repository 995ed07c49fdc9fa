"""The fake delegate: an executable that writes down how it was called and answers as it was told.

Runs as `python -ISB <base>/bin/<name>`, alone: it imports the standard library only. Its base
directory holds `scripts/<name>.json` (what to do for each command), `calls/` (a file for each call)
and `pool/` (a file for each address given out).
"""

import json
import os
import signal
import subprocess
import sys
import time


BASE = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
NAME = os.path.basename(sys.argv[0])
VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def main():
    started = time.monotonic_ns()
    descriptors = open_descriptors()
    stdin = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    command = os.environ.get("CNI_COMMAND", "")
    script = read_json(os.path.join(BASE, "scripts", NAME + ".json"), {})
    behaviour = script.get(command, {})
    config = parse(stdin)
    record = {
        "name": NAME,
        "command": command,
        "env": dict(os.environ),
        "stdin": stdin,
        "argv": sys.argv,
        "descriptors": descriptors,
        "netns": os.stat("/proc/self/ns/net").st_ino,
        "started": started,
    }
    path = os.path.join(BASE, "calls", f"{started}-{os.getpid()}.json")
    with open(path + ".tmp", "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(record, file)
    os.rename(path + ".tmp", path)
    sys.exit(behave(command, behaviour, config, script))


def behave(command, behaviour, config, script):
    if behaviour.get("stderr"):
        os.write(2, behaviour["stderr"].encode())
    for _ in range(behaviour.get("flood", 0) // 65536):
        os.write(2, b"x" * 65535 + b"\n")
    if behaviour.get("sleep"):
        time.sleep(behaviour["sleep"])
    if behaviour.get("signal"):
        os.kill(os.getpid(), behaviour["signal"])
        signal.pause()
    text, status = behaviour.get("stdout"), 0
    if text is None:
        text, status = answer(command, behaviour, config, script)
    sys.stdout.write(text)
    sys.stdout.flush()
    return behaviour.get("exit", status)


def answer(command, behaviour, config, script):
    error = behaviour.get("error")
    if error is None:
        try:
            return default_answer(command, behaviour, config, script), 0
        except (OSError, subprocess.CalledProcessError):
            release(owner())
            error = {"code": 143, "msg": "cannot make the interface"}
    return json.dumps({"cniVersion": config.get("cniVersion", ""), **error}), 1


def default_answer(command, behaviour, config, script):
    version = config.get("cniVersion", VERSIONS[0])
    if command == "VERSION":
        return json.dumps({"cniVersion": version, "supportedVersions": VERSIONS})
    if command == "ADD":
        result = dict(behaviour.get("result") or reserved(owner()))
        if script.get("makes_interface"):
            result["interfaces"] = make_interface(result)
            result["ips"] = [dict(ip, interface=1) for ip in result.get("ips", [])]
        return json.dumps(in_version(result, behaviour.get("version", version)))
    if command == "DEL":
        release(owner())
        if script.get("makes_interface"):
            run("ip", "link", "del", host_end())
    return ""


def owner():
    return os.environ.get("CNI_CONTAINERID", "") + " " + os.environ.get("CNI_IFNAME", "")


def reserved(owner):
    """Give out 10.88.0.2, 10.88.0.3 ...: the first that nobody has."""
    number = 2
    while True:
        path = os.path.join(BASE, "pool", str(number))
        try:
            with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
                file.write(owner)
            break
        except FileExistsError:
            number += 1
    address = f"10.88.{number // 256}.{number % 256}"
    return {
        "ips": [{"address": address + "/16", "gateway": "10.88.0.1"}],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {},
    }


def release(owner):
    pool = os.path.join(BASE, "pool")
    for name in os.listdir(pool):
        path = os.path.join(pool, name)
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                mine = file.read() == owner
            if mine:
                os.unlink(path)
        except FileNotFoundError:
            continue


def in_version(result, version):
    """Write a result of 1.1.0 as another version has it."""
    if version not in VERSIONS:
        version = VERSIONS[0]
    level = VERSIONS.index(version)
    if level >= VERSIONS.index("1.0.0"):
        return {"cniVersion": version, **result}
    if level >= VERSIONS.index("0.3.0"):
        ips = [
            dict(ip, version="6" if ":" in ip["address"] else "4") for ip in result.get("ips", [])
        ]
        return {"cniVersion": version, **result, "ips": ips}
    old = {"cniVersion": version, "dns": result.get("dns", {})}
    for ip in result.get("ips", []):
        key = "ip6" if ":" in ip["address"] else "ip4"
        old[key] = {"ip": ip["address"], "gateway": ip.get("gateway", "")}
        old[key]["routes"] = [
            route for route in result.get("routes", []) if (":" in route["dst"]) == (key == "ip6")
        ]
    return old


def host_end():
    name = os.environ.get("CNI_CONTAINERID", "") + os.environ.get("CNI_IFNAME", "")
    return "cf%08x" % (sum(ord(c) * 31**i for i, c in enumerate(name)) & 0xFFFFFFFF)


def make_interface(result):
    """A veth pair with what the result says, for a plugin that leaves all the work to its delegate."""
    ifname, netns, host = os.environ["CNI_IFNAME"], os.environ["CNI_NETNS"], host_end()
    inside = ["nsenter", "--net=" + netns]
    namespace = os.open(netns, os.O_RDONLY)
    line = ["ip", "link", "add", "name", host, "type", "veth", "peer", "name", ifname]
    line += ["netns", f"/proc/self/fd/{namespace}"]
    subprocess.run(line, check=True, pass_fds=[namespace], stderr=subprocess.DEVNULL)
    run("ip", "link", "set", host, "up")
    run(*inside, "ip", "link", "set", ifname, "up")
    gateways = {}
    for ip in result.get("ips", []):
        run(*inside, "ip", "addr", "add", ip["address"], "dev", ifname)
        gateways.setdefault(":" in ip["address"], ip.get("gateway"))
    for route in result.get("routes", []):
        hop = route.get("gw") or gateways.get(":" in route["dst"])
        via = ["via", hop] if hop else []
        run(*inside, "ip", "route", "add", route["dst"], *via, "dev", ifname)
    return [
        {"name": host, "mac": mac(host, [])},
        {"name": ifname, "mac": mac(ifname, inside), "sandbox": netns},
    ]


def mac(name, prefix):
    shown = subprocess.check_output([*prefix, "ip", "-j", "link", "show", name])
    return json.loads(shown)[0]["address"]


def run(*command):
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


def open_descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the one that lists the directory
    return found


def parse(text):
    try:
        config = json.loads(text)
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def read_json(path, default):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return default


if __name__ == "__main__":
    main()
