#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/1
"""CHECK takes the expected addresses from the routes of the host instead of prevResult."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def check_container(self, netns, previous):
        link = self.links(netns).get(self.ifname)
        if link is None:
            raise CniError(103, f"{self.ifname} is missing")
        self.check_link(link, {"mac": self.mac("container")})
        routes = json.loads(self.run("ip", "-j", "route", "show", "dev", self.host_end))
        there = {row["local"] for row in link["addr_info"]}
        if not {row["dst"] for row in routes} <= there:
            raise CniError(103, f"{self.ifname} has lost an address")
        self.check_routes(netns, previous["routes"])


if __name__ == "__main__":
    Broken().main()
