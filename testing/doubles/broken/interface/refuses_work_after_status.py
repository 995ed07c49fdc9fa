#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/6
"""After a STATUS that failed, every command is refused until one succeeds."""

import contextlib
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    mark = "/run/double-not-available"

    def status(self):
        try:
            super().status()
        except CniError:
            with open(self.mark, "w", encoding="ascii"):
                raise
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.mark)

    def validate(self):
        super().validate()
        if self.command == "ADD" and os.path.exists(self.mark):
            raise CniError(11, "the plugin is not available")


if __name__ == "__main__":
    Broken().main()
