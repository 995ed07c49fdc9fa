#!/usr/bin/env python3
# breaks: spec/0.1.0/result/2
"""A result of 0.1.0 and 0.2.0 has `ip4` alone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        result = super().result(given)
        result.pop("ip6", None)
        return result


if __name__ == "__main__":
    Broken().main()
