#!/usr/bin/env python3
# breaks: sec/path/1
"""The name of the network is a path below the state directory, or above it."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def check_name(self):
        if not isinstance(self.config.get("name"), str):
            super().check_name()


if __name__ == "__main__":
    Broken().main()
