#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/12
"""Of the routes the delegate returned, only the default ones are made."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def configure_container(self, netns, given):
        routes = [route for route in given["routes"] if route["dst"] in ("0.0.0.0/0", "::/0")]
        super().configure_container(netns, {**given, "routes": routes})


if __name__ == "__main__":
    Broken().main()
