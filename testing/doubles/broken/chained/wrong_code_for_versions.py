#!/usr/bin/env python3
# breaks: spec/1.1.0/error/4
"""A version that is not supported is an invalid configuration."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from chained import Chained


class Broken(Chained):
    def check_version(self):
        try:
            super().check_version()
        except CniError as failure:
            raise CniError(7, str(failure)) from None


if __name__ == "__main__":
    Broken().main()
