#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/12
"""From 1.0.0 on, the result lists one of the addresses the delegate returned."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        if self.at_least("1.0.0"):
            given = {**given, "ips": given["ips"][:1]}
        return super().result(given)


if __name__ == "__main__":
    Broken().main()
