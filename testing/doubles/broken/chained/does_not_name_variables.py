#!/usr/bin/env python3
# breaks: spec/1.1.0/error/7
"""The error about the environment does not say which variable it is about."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from chained import Chained


class Broken(Chained):
    def check_environment(self):
        try:
            super().check_environment()
        except CniError:
            raise CniError(4, "required environment variables are missing") from None


if __name__ == "__main__":
    Broken().main()
