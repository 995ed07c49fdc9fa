#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/1
"""The namespace is looked for in /run/netns, by the last part of CNI_NETNS."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def open_netns(self):
        given = self.netns
        self.netns = os.path.join("/run/netns", os.path.basename(given))
        try:
            return super().open_netns()
        finally:
            self.netns = given


if __name__ == "__main__":
    Broken().main()
