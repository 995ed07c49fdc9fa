#!/usr/bin/env python3
# breaks: field/delegate/1
"""The error about a delegate that is not found says that it is not found."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def find_delegate(self, name):
        try:
            return super().find_delegate(name)
        except CniError as failure:
            raise CniError(failure.code, "delegate not found, see CNI_PATH") from None


if __name__ == "__main__":
    Broken().main()
