#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/9
"""The error of STATUS has a code of the plugin instead of 50."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def delegate_status(self):
        try:
            super().delegate_status()
        except CniError as failure:
            raise CniError(150, str(failure)) from None


if __name__ == "__main__":
    Broken().main()
