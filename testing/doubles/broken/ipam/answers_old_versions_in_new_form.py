#!/usr/bin/env python3
# breaks: spec/0.1.0/result/1
"""A result of 0.1.0 and 0.2.0 has `ips`."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        version = self.cni_version
        if not self.at_least("0.3.0"):
            self.config["cniVersion"] = "1.0.0"
        return {**super().result(addresses), "cniVersion": version}


if __name__ == "__main__":
    Broken().main()
