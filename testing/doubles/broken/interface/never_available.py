#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/1
"""STATUS says that the plugin is not available, although ADD works."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def status(self):
        raise CniError(50, "the plugin is not available")


if __name__ == "__main__":
    Broken().main()
