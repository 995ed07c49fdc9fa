#!/usr/bin/env python3
# breaks: field/del/6
"""DEL makes the chains it wants to delete from, as port mappers do that flush first."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def delete(self):
        if not self.own_rules():
            self.run("nft", "add", "table", "inet", self.table)
        super().delete()


if __name__ == "__main__":
    Broken().main()
