#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/11
"""When the delegate refuses, ADD succeeds without an address."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def ask_ipam(self):
        try:
            return super().ask_ipam()
        except CniError as failure:
            if " failed: " not in str(failure):
                raise
            return {"ips": [], "routes": [], "dns": {}}


if __name__ == "__main__":
    Broken().main()
