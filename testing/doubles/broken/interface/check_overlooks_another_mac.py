#!/usr/bin/env python3
# breaks: field/check/2
"""CHECK does not compare the hardware address with that of the result."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def check_link(self, link, expected):
        super().check_link(link, {**expected, "mac": ""})


if __name__ == "__main__":
    Broken().main()
