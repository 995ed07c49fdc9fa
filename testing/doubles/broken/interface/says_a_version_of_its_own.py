#!/usr/bin/env python3
# breaks: spec/1.1.0/result/2
"""The result has the cniVersion the plugin was written for."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        return {**super().result(given), "cniVersion": "1.0.0"}


if __name__ == "__main__":
    Broken().main()
