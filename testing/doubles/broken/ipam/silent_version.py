#!/usr/bin/env python3
# breaks: spec/1.1.0/VERSION/1
"""VERSION exits with 0 and prints nothing."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def version(self):
        return None


if __name__ == "__main__":
    Broken().main()
