#!/usr/bin/env python3
# breaks: spec/1.1.0/result/9
"""`interface` of an address is one too high, and points behind the list."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        result = super().result(given)
        for ip in result.get("ips", []):
            ip["interface"] += 1
        return result

    def previous(self):
        previous = super().previous()
        for ip in previous["ips"]:
            ip["interface"] = ip.get("interface", 1) - 1
        return previous


if __name__ == "__main__":
    Broken().main()
