#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/1
"""An empty element of CNI_PATH, as a colon too many makes it, is an invalid variable."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import ENVIRONMENT, CniError

from interface import Interface


class Broken(Interface):
    def find_delegate(self, name):
        if "" in os.environ.get("CNI_PATH", "").split(os.pathsep):
            raise CniError(ENVIRONMENT, "missing or invalid: CNI_PATH")
        return super().find_delegate(name)


if __name__ == "__main__":
    Broken().main()
