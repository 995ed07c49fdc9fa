#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/6
# breaks: spec/1.1.0/GC/3
"""GC wants a container id and an interface name."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def check_environment(self):
        super().check_environment()
        if self.command == "GC" and not (self.containerid and self.ifname):
            raise CniError(4, "missing: CNI_CONTAINERID, CNI_IFNAME")


if __name__ == "__main__":
    Broken().main()
