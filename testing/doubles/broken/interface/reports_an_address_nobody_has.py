#!/usr/bin/env python3
# breaks: spec/1.1.0/result/10
"""`ips` lists an address the interface does not have."""

import ipaddress
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        first = ipaddress.ip_interface(given["ips"][0]["address"])
        other = {"address": f"{first.ip + 100}/{first.network.prefixlen}"}
        return super().result({**given, "ips": [*given["ips"], other]})

    def previous(self):
        previous = super().previous()
        previous["ips"] = [ip for ip in previous["ips"] if "gateway" in ip]
        return previous


if __name__ == "__main__":
    Broken().main()
