#!/usr/bin/env python3
# breaks: sec/secret/1
"""Every error repeats the configuration, with the passwords in it (multus)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def error(self, failure):
        return {**super().error(failure), "details": self.stdin.decode(errors="replace")}


if __name__ == "__main__":
    Broken().main()
