#!/usr/bin/env python3
# breaks: spec/1.1.0/result/8
"""`address` is an address without its prefix length."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        for ip in result.get("ips", []):
            ip["address"] = ip["address"].partition("/")[0]
        return result


if __name__ == "__main__":
    Broken().main()
