#!/usr/bin/env python3
# breaks: spec/0.4.0/result/1
"""At 0.4.0 the routes are made without the interface: they lead nowhere."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def route_line(self, route, given):
        if self.cni_version == "0.4.0":
            return f"route append unreachable {route['dst']}"
        return super().route_line(route, given)


if __name__ == "__main__":
    Broken().main()
