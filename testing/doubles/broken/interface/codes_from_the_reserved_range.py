#!/usr/bin/env python3
# breaks: spec/1.1.0/error/3
"""An error of the plugin's own has a code below 100."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def open_netns(self):
        try:
            return super().open_netns()
        except CniError as failure:
            raise CniError(40, str(failure)) from None


if __name__ == "__main__":
    Broken().main()
