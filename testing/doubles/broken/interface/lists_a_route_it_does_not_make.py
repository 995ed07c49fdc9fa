#!/usr/bin/env python3
# breaks: spec/1.1.0/result/19
"""`routes` lists a route that was never made."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        return super().result({**given, "routes": [*given["routes"], {"dst": "198.18.0.0/15"}]})

    def check_routes(self, netns, routes):
        super().check_routes(netns, [row for row in routes if row["dst"] != "198.18.0.0/15"])


if __name__ == "__main__":
    Broken().main()
