#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/12
"""Of several addresses the delegate returned, only the first is given to the interface; all are reported."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def configure_container(self, netns, given):
        super().configure_container(netns, {**given, "ips": given["ips"][:1]})


if __name__ == "__main__":
    Broken().main()
