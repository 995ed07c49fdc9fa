#!/usr/bin/env python3
# breaks: field/check/2
"""CHECK does not look at the end of the link on the host."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def check_host(self, previous):
        pass


if __name__ == "__main__":
    Broken().main()
