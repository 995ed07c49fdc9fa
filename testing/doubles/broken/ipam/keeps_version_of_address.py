#!/usr/bin/env python3
# breaks: spec/1.0.0/result/1
"""`ips` have a `version` at 1.0.0 and later too."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        if self.at_least("1.0.0"):
            for ip in result["ips"]:
                ip["version"] = "4"
        return result


if __name__ == "__main__":
    Broken().main()
