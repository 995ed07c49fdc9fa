#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/2
"""ADD works and prints nothing."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def add(self):
        super().add()


if __name__ == "__main__":
    Broken().main()
