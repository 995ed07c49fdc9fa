#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/4
"""CHECK takes the address of another interface of the container for this one's."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import NOT_AS_EXPECTED, CniError

from ipam import Ipam


class Broken(Ipam):
    def check(self):
        taken = self.reservations(self.open_network())
        owners = [owner.partition("/")[0] for owner in taken.values()]
        if self.owner.partition("/")[0] not in owners:
            raise CniError(NOT_AS_EXPECTED, f"nothing is reserved for {self.owner}")
        others = {
            a
            for a, owner in taken.items()
            if owner and owner.partition("/")[0] != self.owner.partition("/")[0]
        }
        if others & {str(ip.get("address", "")).partition("/")[0] for ip in self.previous()["ips"]}:
            raise CniError(NOT_AS_EXPECTED, "prevResult lists the address of another container")


if __name__ == "__main__":
    Broken().main()
