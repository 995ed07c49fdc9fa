#!/usr/bin/env python3
# breaks: field/del/6
"""DEL takes all containers whose ids begin like this one's."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import tag

from interface import Interface


class Broken(Interface):
    def delete(self):
        rows = json.loads(self.run("ip", "-j", "link", "show", "type", "veth") or "[]")
        prefix = f"{tag(self.network)}/{self.containerid}"
        for row in rows:
            if row.get("ifalias", "").startswith(prefix):
                self.run("ip", "link", "del", "dev", row["ifname"])
        super().delete()


if __name__ == "__main__":
    Broken().main()
