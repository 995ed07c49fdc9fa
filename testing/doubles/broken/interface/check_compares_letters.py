#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/6
"""CHECK compares hardware addresses as they are spelled, in capitals with small letters."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def check_link(self, link, expected):
        super().check_link(link, expected)
        if "mac" in expected and expected["mac"].upper() != link["address"]:
            raise CniError(103, f"{link['ifname']} has another mac")


if __name__ == "__main__":
    Broken().main()
