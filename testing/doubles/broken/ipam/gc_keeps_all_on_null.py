#!/usr/bin/env python3
# breaks: field/gc/4
"""GC with a null list removes nothing, as if there were no list."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import VALID_ATTACHMENTS

from ipam import Ipam


class Broken(Ipam):
    def valid_owners(self):
        return None if self.config.get(VALID_ATTACHMENTS) is None else super().valid_owners()


if __name__ == "__main__":
    Broken().main()
