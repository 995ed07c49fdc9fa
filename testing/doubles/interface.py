#!/usr/bin/env python3
"""A correct interface plugin: a veth pair, with addresses from the delegate `ipam.type`."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
from collections.abc import Callable
from typing import ClassVar

from _cni import DELEGATE_FAILED, EXISTS, INVALID, NOT_AS_EXPECTED, CniError, Json, digest, tag
from _delegating import Delegating
from _filtering import Filtering
from _results import as_newest, checked_ips, checked_routes, family, in_version, is_mtu, objects


class Interface(Delegating, Filtering):
    prefix = "double_masq_"
    chains: ClassVar[dict[str, str]] = {"postrouting": "type nat hook postrouting priority 100"}

    def validate(self) -> None:
        if not is_mtu(self.config.get("mtu", 1500)):
            raise CniError(INVALID, "invalid network config: mtu is not an MTU")
        if type(self.config.get("ipMasq", False)) is not bool:
            raise CniError(INVALID, "invalid network config: ipMasq is not true or false")
        if not isinstance(self.config.get("dns", {}), dict):
            raise CniError(INVALID, "invalid network config: dns is not an object")
        self.delegate_type()

    # -- ADD -------------------------------------------------------------------------------------

    def add(self) -> Json | None:
        netns = self.open_netns()
        try:
            self.make_link(netns)
            given = self.ask_ipam()
            self.configure_container(netns, given)
            self.configure_host(given)
            self.masquerade(given)
        except BaseException:
            self.roll_back()
            raise
        return self.result(given)

    @property
    def host_end(self) -> str:
        return "veth" + digest(f"{self.network}/{self.containerid}/{self.ifname}")[:11]

    @property
    def alias(self) -> str:
        """By which GC knows whose a link is."""
        return f"{tag(self.network)}/{self.owner}"

    def mac(self, name: str) -> str:
        """The runtime's choice for the container, or our own: nobody has to ask the kernel for it."""
        if name == "container" and "mac" in self.runtime_config:
            return str(self.runtime_config["mac"])
        number = digest(f"{self.host_end}/{name}")
        return "02:" + ":".join(number[at : at + 2] for at in range(0, 10, 2))

    @property
    def mtu(self) -> int:
        return self.config.get("mtu", 1500)

    def make_link(self, netns: int) -> None:
        """Both ends at once: the kernel refuses if either name is taken, and nothing is changed."""
        host = f"name {self.host_end} mtu {self.mtu} address {self.mac('host')}"
        peer = f"name {self.ifname} mtu {self.mtu} address {self.mac('container')}"
        line = f"link add {host} type veth peer {peer} netns /proc/self/fd/{netns}\n"
        try:
            self.run("ip", "-batch", "-", stdin=line, passing=netns)
        except CniError as failure:
            if "File exists" in failure.details:
                raise CniError(
                    EXISTS, f"an interface {self.ifname} exists already in the container"
                ) from None
            raise
        self.undo.append(self.remove_link)
        self.refuse_router_advertisements()
        self.run("ip", "link", "set", "dev", self.host_end, "alias", self.alias)

    def refuse_router_advertisements(self) -> None:
        with contextlib.suppress(OSError):  # no IPv6
            path = f"/proc/sys/net/ipv6/conf/{self.host_end}/accept_ra"
            with open(path, "w", encoding="ascii") as file:
                file.write("0")

    def ask_ipam(self) -> Json:
        """What the delegate gives: addresses, routes, name servers."""
        if not self.delegate_type():
            return {"ips": [], "routes": [], "dns": {}}
        document = as_newest(self.delegate_add())
        try:
            ips, routes = checked_ips(document["ips"]), checked_routes(document["routes"])
        except ValueError:
            raise CniError(
                DELEGATE_FAILED, "the IPAM delegate returned what is not an address"
            ) from None
        if not ips:
            raise CniError(DELEGATE_FAILED, "the IPAM delegate returned no address")
        return {"ips": ips, "routes": routes, "dns": document["dns"]}

    def configure_container(self, netns: int, given: Json) -> None:
        lines = [f"link set dev {self.ifname} up"]
        for ip in given["ips"]:
            nodad = " nodad" if family(ip["address"]) == "6" else ""
            lines.append(f"addr add {ip['address']} dev {self.ifname}{nodad}")
        lines += [self.route_line(route, given) for route in given["routes"]]
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n", netns=netns)

    def route_line(self, route: Json, given: Json) -> str:
        which = family(route["dst"])
        gateways = [
            ip["gateway"]
            for ip in given["ips"]
            if "gateway" in ip and family(ip["gateway"]) == which
        ]
        gateway = route.get("gw", gateways[0] if gateways else "")
        # Not `add`: another interface of the container may have a route to the same place.
        line = f"route append {route['dst']}"
        if gateway:
            line += f" via {gateway}"
        line += f" dev {self.ifname}"
        for key in ("mtu", "advmss", "priority", "table", "scope"):
            if key in route:
                line += f" {key} {route[key]}"
        return line

    def configure_host(self, given: Json) -> None:
        """The host end is up, is the gateway, and leads to the container's addresses."""
        name = self.host_end
        lines = [f"link set dev {name} up"]
        for ip in given["ips"]:
            length = "128" if family(ip["address"]) == "6" else "32"
            if "gateway" in ip:
                nodad = " nodad" if length == "128" else ""
                lines.append(f"addr add {ip['gateway']}/{length} dev {name}{nodad}")
            address = ip["address"].partition("/")[0]
            lines.append(f"route append {address}/{length} dev {name}")
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def masquerade(self, given: Json) -> None:
        if not self.config.get("ipMasq"):
            return
        rules: list[tuple[str, str]] = []
        for ip in given["ips"]:
            key = "ip6" if family(ip["address"]) == "6" else "ip"
            address = ipaddress.ip_interface(ip["address"])
            rule = f"{key} saddr {address.ip} {key} daddr != {address.network} masquerade"
            rules.append(("postrouting", rule))
        self.undo.append(self.remove_own_rules)
        self.add_rules(rules)

    def result(self, given: Json) -> Json:
        before = as_newest(self.config.get("prevResult") or {})
        interfaces = [*before["interfaces"], *self.interfaces()]
        index = len(interfaces) - 1
        result = {
            "interfaces": interfaces,
            "ips": [*before["ips"], *({**ip, "interface": index} for ip in given["ips"])],
            "routes": [*before["routes"], *given["routes"]],
            "dns": self.config.get("dns") or given["dns"] or before["dns"],
        }
        return in_version(result, self.cni_version)

    def interfaces(self) -> list[Json]:
        """What has been made; the one in the container comes last."""
        return [
            {"name": self.host_end, "mac": self.mac("host"), "mtu": self.mtu},
            {
                "name": self.ifname,
                "mac": self.mac("container"),
                "mtu": self.mtu,
                "sandbox": self.netns,
            },
        ]

    # -- DEL -------------------------------------------------------------------------------------

    def delete(self) -> None:
        self.do_all(self.remove_link, self.remove_own_masquerade, self.delegate_delete)

    def remove_link(self) -> None:
        """One end takes the other with it, whatever has become of the container's namespace."""
        try:
            socket.if_nametoindex(self.host_end)
            self.run("ip", "link", "del", "dev", self.host_end)
        except OSError:
            pass
        except CniError as failure:
            if "Cannot find device" not in failure.details:
                raise

    def remove_own_masquerade(self) -> None:
        self.remove_masquerade(lambda owner: owner == self.owner)

    def remove_masquerade(self, is_stale: Callable[[str], bool]) -> None:
        try:
            self.tool("nft")
        except CniError:
            return  # then it has made no rules either
        self.remove_rules(is_stale)

    # -- CHECK -----------------------------------------------------------------------------------

    def check(self) -> None:
        previous = self.previous()
        netns = self.open_netns()
        self.check_container(netns, previous)
        self.check_host(previous)
        self.check_masquerade(previous)
        self.delegate_check()

    def check_container(self, netns: int, previous: Json) -> None:
        own = [
            index
            for index, row in enumerate(previous["interfaces"])
            if row.get("name") == self.ifname and row.get("sandbox") == self.netns
        ]
        if not own:
            raise CniError(NOT_AS_EXPECTED, f"prevResult does not list {self.ifname}")
        link = self.links(netns).get(self.ifname)
        if link is None:
            raise CniError(NOT_AS_EXPECTED, f"{self.ifname} is missing in the container")
        self.check_link(link, previous["interfaces"][own[0]])
        ips = [ip for ip in previous["ips"] if ip.get("interface") == own[0]]
        self.check_addresses(link, ips)
        self.check_routes(netns, previous["routes"])

    def check_link(self, link: Json, expected: Json) -> None:
        if expected.get("mac") and expected["mac"].lower() != link.get("address"):
            raise CniError(NOT_AS_EXPECTED, f"{link['ifname']} has the mac {link.get('address')}")
        if expected.get("mtu") and expected["mtu"] != link.get("mtu"):
            raise CniError(NOT_AS_EXPECTED, f"{link['ifname']} has the mtu {link.get('mtu')}")
        if "UP" not in link["flags"]:
            raise CniError(NOT_AS_EXPECTED, f"{link['ifname']} is down")

    def check_addresses(self, link: Json, ips: list[Json]) -> None:
        there = {f"{row['local']}/{row['prefixlen']}" for row in link["addr_info"]}
        for ip in ips:
            if str(ipaddress.ip_interface(ip["address"])) not in there:
                raise CniError(NOT_AS_EXPECTED, f"{link['ifname']} has lost {ip['address']}")

    def check_routes(self, netns: int, routes: list[Json]) -> None:
        """In whichever table: a later plugin may have moved them."""
        if not routes:
            return
        lines = self.run("ip", "-j", "route", "show", "table", "all", netns=netns)
        there: set[tuple[str, str]] = set()
        for row in json.loads(lines):
            six = ":" in row.get("gateway", "") or row.get("pref") is not None
            dst = ("::/0" if six else "0.0.0.0/0") if row["dst"] == "default" else row["dst"]
            dst = str(ipaddress.ip_network(dst))
            there |= {(dst, row.get("gateway", "")), (dst, "")}
        for route in routes:
            dst = str(ipaddress.ip_network(route["dst"], strict=False))
            if (dst, route.get("gw", "")) not in there:
                raise CniError(NOT_AS_EXPECTED, f"the route to {route['dst']} is missing")

    def check_host(self, previous: Json) -> None:
        rows: list[Json] = []
        with contextlib.suppress(CniError):
            rows = json.loads(self.run("ip", "-j", "addr", "show", "dev", self.host_end))
        if not rows:
            raise CniError(NOT_AS_EXPECTED, f"{self.host_end} is missing on the host")
        expected = [row for row in previous["interfaces"] if row.get("name") == self.host_end]
        self.check_link(rows[0], expected[0] if expected else {})

    def check_masquerade(self, previous: Json) -> None:
        if self.config.get("ipMasq") and not self.own_rules():
            raise CniError(NOT_AS_EXPECTED, "the masquerading is missing")

    # -- GC and STATUS ---------------------------------------------------------------------------

    def gc(self) -> None:
        self.do_all(self.collect_links, self.collect_rules, self.delegate_gc)

    def collect_links(self) -> None:
        valid = self.valid_owners()
        if valid is None:
            return
        prefix = tag(self.network) + "/"
        stale: list[str] = []
        for link in objects(
            json.loads(self.run("ip", "-j", "link", "show", "type", "veth") or "[]")
        ):
            alias = link.get("ifalias", "")
            if alias.startswith(prefix) and alias.removeprefix(prefix) not in valid:
                stale.append(link["ifname"])
        if stale:
            lines = "".join(f"link del dev {name}\n" for name in stale)
            self.run("ip", "-force", "-batch", "-", stdin=lines)

    def collect_rules(self) -> None:
        valid = self.valid_owners()
        if valid is not None:
            self.remove_masquerade(lambda owner: owner not in valid)

    def status(self) -> None:
        self.need("ip", "nsenter")
        self.delegate_status()


if __name__ == "__main__":
    Interface().main()
