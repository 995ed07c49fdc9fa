#!/usr/bin/env python3
# breaks: field/add/6
"""ADD lists the links of the host and then asks for each; one that has gone fails it (plugins#1121)."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def configure_host(self, given):
        for link in json.loads(self.run("ip", "-j", "link", "show")):
            self.run("ip", "link", "show", "dev", link["ifname"])
        super().configure_host(given)


if __name__ == "__main__":
    Broken().main()
