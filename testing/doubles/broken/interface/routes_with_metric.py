#!/usr/bin/env python3
# breaks: spec/0.1.0/routes/2
"""At the versions before 1.0.0, routes get a metric nobody asked for."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def route_line(self, route, given):
        line = super().route_line(route, given)
        return line if self.at_least("1.0.0") else line + " metric 512"


if __name__ == "__main__":
    Broken().main()
