#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/7
# breaks: spec/1.1.0/delegation/7
"""CHECK does not call the delegate."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_check(self):
        pass


if __name__ == "__main__":
    Broken().main()
