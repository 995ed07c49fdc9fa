#!/usr/bin/env python3
# breaks: spec/1.1.0/error/9
"""An invalid configuration is answered with a code of the plugin."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def validate(self):
        try:
            super().validate()
        except CniError as failure:
            raise CniError(121, str(failure)) from None


if __name__ == "__main__":
    Broken().main()
