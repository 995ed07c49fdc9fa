#!/usr/bin/env python3
# breaks: field/output/2
"""A configuration of another shape than expected ends in a traceback."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def validate(self):
        try:
            super().validate()
        except CniError as failure:
            raise TypeError(str(failure)) from None

    def crash(self, failure):
        raise failure


if __name__ == "__main__":
    Broken().main()
