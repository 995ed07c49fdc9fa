#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/2
"""GC keeps one interface of each container, the last in the list."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import VALID_ATTACHMENTS

from chained import Chained


class Broken(Chained):
    def valid_owners(self):
        valid = super().valid_owners()
        rows = self.config.get(VALID_ATTACHMENTS) or []
        last = {row["containerID"]: f"{row['containerID']}/{row['ifname']}" for row in rows}
        return valid if valid is None else set(last.values())


if __name__ == "__main__":
    Broken().main()
