#!/usr/bin/env python3
# breaks: field/gc/1
"""GC without the list removes everything (cni#1096)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def valid_owners(self):
        return super().valid_owners() or set()


if __name__ == "__main__":
    Broken().main()
