#!/usr/bin/env python3
# breaks: spec/1.1.0/VERSION/2
"""VERSION wants CNI_PATH."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def version(self):
        if not os.environ.get("CNI_PATH"):
            raise CniError(4, "missing: CNI_PATH")
        return super().version()


if __name__ == "__main__":
    Broken().main()
