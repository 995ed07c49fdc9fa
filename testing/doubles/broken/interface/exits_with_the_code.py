#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/11
"""It exits with the code of the error, of which the system keeps eight bits."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def judge(self, name, command, status, output):
        try:
            super().judge(name, command, status, output)
        except CniError as failure:
            self.code = failure.code
            raise

    code = 1

    def fail(self, failure):
        super().fail(failure)
        return self.code % 256


if __name__ == "__main__":
    Broken().main()
