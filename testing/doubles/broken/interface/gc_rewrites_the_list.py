#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/5
"""The delegate does not get the list of valid attachments as it was: entries have lost their case."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import VALID_ATTACHMENTS

from interface import Interface


class Broken(Interface):
    def delegate_stdin(self):
        rows = self.config.get(VALID_ATTACHMENTS)
        if self.command != "GC" or not rows:
            return self.stdin
        rows = [{**row, "ID": row["containerID"]} for row in rows]
        return json.dumps({**self.config, VALID_ATTACHMENTS: rows}).encode()


if __name__ == "__main__":
    Broken().main()
