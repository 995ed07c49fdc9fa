#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/10
"""ADD reserves an address and leaves it to the main plugin to guess which."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def result(self, addresses):
        return (
            {**super().result(addresses), "ips": []}
            if self.at_least("0.3.0")
            else super().result(addresses)
        )


if __name__ == "__main__":
    Broken().main()
