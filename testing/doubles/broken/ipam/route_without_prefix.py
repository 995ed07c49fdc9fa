#!/usr/bin/env python3
# breaks: spec/1.1.0/result/11
"""`dst` of a route is the word `default`, as ip(8) has it."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        for route in result.get("routes", []):
            route["dst"] = "default"
        return result


if __name__ == "__main__":
    Broken().main()
