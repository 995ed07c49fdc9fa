#!/usr/bin/env python3
# breaks: field/interface/1
"""The host end takes router advertisements from the container (CVE-2020-10749)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def refuse_router_advertisements(self):
        path = f"/proc/sys/net/ipv6/conf/{self.host_end}/accept_ra"
        if os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write("2")


if __name__ == "__main__":
    Broken().main()
