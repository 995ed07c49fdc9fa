#!/usr/bin/env python3
# breaks: field/add/1
"""Each address is reserved as soon as it is found, and stays so when the next range has none left."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def pick_from(self, taken, subnet, gateway):
        address = super().pick_from(taken, subnet, gateway)
        if address and self.command == "ADD":
            self.reserve(self.open_network(), address)
        return address


if __name__ == "__main__":
    Broken().main()
