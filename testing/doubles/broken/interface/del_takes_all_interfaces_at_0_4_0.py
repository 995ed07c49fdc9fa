#!/usr/bin/env python3
# breaks: spec/0.4.0/state/1
"""At 0.4.0, DEL removes every interface of the container, whatever its name."""

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
            if link.get("ifalias", "").startswith(prefix) and self.cni_version == "0.4.0":
                self.run("ip", "link", "del", "dev", link["ifname"])


if __name__ == "__main__":
    Broken().main()
