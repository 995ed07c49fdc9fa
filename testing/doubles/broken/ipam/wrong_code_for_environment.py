#!/usr/bin/env python3
# breaks: spec/1.1.0/error/11
"""A missing variable is answered with a code of the plugin."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def check_environment(self):
        try:
            super().check_environment()
        except CniError as failure:
            raise CniError(122, str(failure)) from None


if __name__ == "__main__":
    Broken().main()
