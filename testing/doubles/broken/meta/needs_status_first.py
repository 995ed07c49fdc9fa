#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/5
# breaks: spec/1.1.0/ADD/2
# breaks: field/status/1
"""ADD waits for somebody to call STATUS, which sets the plugin up."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from meta import Meta


class Broken(Meta):
    mark = "/run/double-is-set-up"

    def status(self):
        super().status()
        with open(self.mark, "w", encoding="ascii"):
            pass

    def add(self):
        if not os.path.exists(self.mark):
            raise CniError(11, "the plugin is not set up yet")
        return super().add()


if __name__ == "__main__":
    Broken().main()
