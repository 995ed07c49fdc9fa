#!/usr/bin/env python3
# breaks: field/del/4
"""A state file that cannot be read fails DEL and GC, for ever (cni#1055)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def remove(self, is_stale):
        if "" in self.reservations(self.open_network()).values():
            raise CniError(107, "unexpected end of JSON input")
        super().remove(is_stale)


if __name__ == "__main__":
    Broken().main()
