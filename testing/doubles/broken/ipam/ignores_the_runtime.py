#!/usr/bin/env python3
# breaks: field/capability/1
"""The addresses of the runtime are not asked for."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    @property
    def runtime_config(self):
        return {}


if __name__ == "__main__":
    Broken().main()
