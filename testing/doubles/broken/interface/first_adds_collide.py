#!/usr/bin/env python3
# breaks: field/add/8
"""What the network has in common is made by whoever finds it missing, twice if two look at once."""

import os
import sys
import time


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def make_link(self, netns):
        shared = f"/dev/shm/double-{self.network}"
        if not os.path.exists(shared):
            time.sleep(0.2)
            os.mkdir(shared)
        super().make_link(netns)


if __name__ == "__main__":
    Broken().main()
