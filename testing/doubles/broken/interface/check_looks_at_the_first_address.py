#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/3
"""CHECK compares one address and leaves the others."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def check_addresses(self, link, ips):
        super().check_addresses(link, ips[:1])


if __name__ == "__main__":
    Broken().main()
