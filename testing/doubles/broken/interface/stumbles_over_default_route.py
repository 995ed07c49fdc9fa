#!/usr/bin/env python3
# breaks: spec/0.1.0/routes/1
"""ADD fails when the container has a default route already."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def route_line(self, route, given):
        return super().route_line(route, given).replace("route append", "route add")


if __name__ == "__main__":
    Broken().main()
