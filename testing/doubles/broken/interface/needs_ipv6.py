#!/usr/bin/env python3
# breaks: field/add/5
"""ADD gives the interface a link-local address, and fails where IPv6 is switched off (plugins#102)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def configure_container(self, netns, given):
        super().configure_container(netns, given)
        address = ["fe80::d0b1/64", "dev", self.ifname, "nodad"]
        self.run("ip", "-6", "addr", "add", *address, netns=netns)


if __name__ == "__main__":
    Broken().main()
