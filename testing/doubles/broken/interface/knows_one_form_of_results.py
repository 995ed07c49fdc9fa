#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/12
"""What the delegate returned is looked for where the version of the request has it, and nowhere else."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def delegate_add(self):
        keys = {"ips", "routes", "dns"} if self.at_least("0.3.0") else {"ip4", "ip6", "dns"}
        self.found = {key: row for key, row in super().delegate_add().items() if key in keys}
        return self.found

    def ask_ipam(self):
        try:
            return super().ask_ipam()
        except CniError:
            if self.found.keys() - {"dns"}:
                raise
            return {"ips": [], "routes": [], "dns": {}}


if __name__ == "__main__":
    Broken().main()
