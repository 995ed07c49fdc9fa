#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/5
"""CHECK does not look at an interface that is down any further, and is content."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def check_container(self, netns, previous):
        link = self.links(netns).get(self.ifname)
        if link is None or "UP" in link["flags"]:
            super().check_container(netns, previous)


if __name__ == "__main__":
    Broken().main()
