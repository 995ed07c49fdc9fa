#!/usr/bin/env python3
# breaks: spec/1.1.0/result/4
"""The end of the veth pair on the host is not listed."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        return super().interfaces()[1:]


if __name__ == "__main__":
    Broken().main()
