#!/usr/bin/env python3
# breaks: spec/1.1.0/version/1
"""The VERSION result has the newest cniVersion instead of that of the request."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def version(self):
        return {**super().version(), "cniVersion": self.versions[-1]}


if __name__ == "__main__":
    Broken().main()
