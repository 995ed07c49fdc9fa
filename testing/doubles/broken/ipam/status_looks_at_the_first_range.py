#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/4
"""STATUS asks for room in the first of the ranges alone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def checked_ranges(self):
        ranges = super().checked_ranges()
        return ranges[:1] if self.command == "STATUS" else ranges


if __name__ == "__main__":
    Broken().main()
