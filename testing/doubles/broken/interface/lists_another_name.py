#!/usr/bin/env python3
# breaks: spec/1.1.0/result/3
"""The interface in the container is listed by the name it had while it was made."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        host, container = super().interfaces()
        return [host, {**container, "name": "tmp0"}]

    def previous(self):
        previous = super().previous()
        for row in previous["interfaces"]:
            if row.get("name") == "tmp0":
                row["name"] = self.ifname
        return previous


if __name__ == "__main__":
    Broken().main()
