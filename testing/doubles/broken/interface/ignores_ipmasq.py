#!/usr/bin/env python3
# breaks: spec/1.1.0/configuration/3
"""`ipMasq` is accepted, and nothing is masqueraded."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def masquerade(self, given):
        pass

    def check_masquerade(self, previous):
        pass


if __name__ == "__main__":
    Broken().main()
