#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/2
"""CHECK fails when a later plugin has added an interface to the result."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def check_host(self, previous):
        super().check_host(previous)
        if len(previous["interfaces"]) > 2:
            raise CniError(103, "prevResult lists interfaces this plugin has not made")


if __name__ == "__main__":
    Broken().main()
