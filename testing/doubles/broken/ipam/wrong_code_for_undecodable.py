#!/usr/bin/env python3
# breaks: spec/1.1.0/error/8
"""A configuration that is not JSON is answered with a code of the plugin."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def read_stdin(self):
        failure = super().read_stdin()
        return failure and CniError(120, str(failure))


if __name__ == "__main__":
    Broken().main()
