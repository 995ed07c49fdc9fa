#!/usr/bin/env python3
# breaks: field/del/5
"""From 1.0.0 on, DEL removes every interface of the container, whatever its name (plugins#1063)."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def remove_link(self):
        super().remove_link()
        prefix = f"{self.network}/{self.containerid}/"
        for link in json.loads(self.run("ip", "-j", "link", "show", "type", "veth") or "[]"):
            if link.get("ifalias", "").startswith(prefix) and self.at_least("1.0.0"):
                self.run("ip", "link", "del", "dev", link["ifname"])


if __name__ == "__main__":
    Broken().main()
