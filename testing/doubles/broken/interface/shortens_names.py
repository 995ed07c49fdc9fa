#!/usr/bin/env python3
# breaks: spec/1.1.0/parameters/1
"""A name no interface can have is made into one that an interface can have."""

import os
import re
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def is_valid(self, variable, value):
        if variable != "CNI_IFNAME":
            return super().is_valid(variable, value)
        self.ifname = re.sub("[^A-Za-z0-9]", "x", value)[:15]
        return True

    def delegate_environment(self, command):
        return {**super().delegate_environment(command), b"CNI_IFNAME": self.ifname.encode()}


if __name__ == "__main__":
    Broken().main()
