#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/4
"""STATUS takes a range for used up as long as its last address is taken."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def pick_from(self, taken, subnet, gateway):
        if self.command != "STATUS":
            return super().pick_from(taken, subnet, gateway)
        *_, last = self.candidates(subnet, gateway)
        return "" if last in taken else last


if __name__ == "__main__":
    Broken().main()
