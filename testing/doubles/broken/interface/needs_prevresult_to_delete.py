#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/2
"""DEL of an attachment that was completed fails without prevResult, as plugins that read the address from it."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def result(self, given):
        self.run("ip", "link", "set", "dev", self.host_end, "group", "7")
        return super().result(given)

    def delete(self):
        if "prevResult" not in self.config:
            group = json.loads(self.run("ip", "-j", "link", "show", "group", "7") or "[]")
            if self.host_end in [link.get("ifname") for link in group]:
                raise CniError(7, "prevResult is missing")
        super().delete()


if __name__ == "__main__":
    Broken().main()
