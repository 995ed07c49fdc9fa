#!/usr/bin/env python3
# breaks: spec/1.1.0/result/14
"""From 1.0.0 on, the result lists the interface the address is for."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        result = super().result(addresses)
        if self.at_least("1.0.0"):
            result["interfaces"] = [{"name": self.ifname, "sandbox": self.netns}]
        return result


if __name__ == "__main__":
    Broken().main()
