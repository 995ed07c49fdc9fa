#!/usr/bin/env python3
# breaks: spec/0.3.0/result/1
"""From 0.3.0 to 0.4.0, `ips` have no `version`."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        for ip in result.get("ips", []):
            ip.pop("version", None)
        return result


if __name__ == "__main__":
    Broken().main()
