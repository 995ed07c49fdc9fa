#!/usr/bin/env python3
# breaks: field/add/9
"""A reservation that cannot be read stops everybody's ADD."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def refuse_twice(self, taken):
        if "" in taken.values():
            raise CniError(999, "a reservation cannot be read")
        super().refuse_twice(taken)


if __name__ == "__main__":
    Broken().main()
