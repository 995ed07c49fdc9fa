#!/usr/bin/env python3
# breaks: spec/1.1.0/version/2
"""The VERSION result has no supportedVersions."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def version(self):
        return {"cniVersion": self.cni_version}


if __name__ == "__main__":
    Broken().main()
