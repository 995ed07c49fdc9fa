#!/usr/bin/env python3
# breaks: spec/1.1.0/result/19
"""Routes are set without the priority they are reported with."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def route_line(self, route, given):
        return super().route_line({**route, "priority": 0}, given)


if __name__ == "__main__":
    Broken().main()
