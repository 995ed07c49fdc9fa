#!/usr/bin/env python3
# breaks: spec/0.3.0/result/3
"""Before 1.0.0, the next hop of an IPv4 route is an IPv6 address."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        if not self.at_least("1.0.0"):
            for route in result.get("routes", []):
                route["gw"] = "2001:db8::1"
        return result


if __name__ == "__main__":
    Broken().main()
