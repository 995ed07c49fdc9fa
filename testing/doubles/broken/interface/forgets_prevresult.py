#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/3
"""The result begins anew, whatever another plugin has made before."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        self.config.pop("prevResult", None)
        return super().result(given)


if __name__ == "__main__":
    Broken().main()
