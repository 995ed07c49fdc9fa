#!/usr/bin/env python3
# breaks: field/del/7
"""The name of the link is made from container and interface alone; another network finds it as well."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import digest

from interface import Interface


class Broken(Interface):
    @property
    def host_end(self):
        return "veth" + digest(f"{self.containerid}/{self.ifname}")[:11]


if __name__ == "__main__":
    Broken().main()
