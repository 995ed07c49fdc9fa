#!/usr/bin/env python3
# breaks: field/add/2
"""A second ADD of the same attachment takes another address (nerdctl#3355)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def refuse_twice(self, taken):
        pass


if __name__ == "__main__":
    Broken().main()
