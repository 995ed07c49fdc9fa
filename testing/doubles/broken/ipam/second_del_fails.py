#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/6
"""From 1.0.0 on, DEL fails when there is no reservation to release."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def delete(self):
        taken = self.reservations(self.open_network()).values()
        known = "prevResult" not in self.config or "" in taken or self.owner in taken
        if not known and self.at_least("1.0.0"):
            raise CniError(108, f"nothing is reserved for {self.owner}")
        super().delete()


if __name__ == "__main__":
    Broken().main()
