#!/usr/bin/env python3
# breaks: spec/0.3.0/result/2
"""Before 1.0.0, `ips` name an interface that is not listed."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        if not self.at_least("1.0.0"):
            for ip in result.get("ips", []):
                ip["interface"] = 0
        return result


if __name__ == "__main__":
    Broken().main()
