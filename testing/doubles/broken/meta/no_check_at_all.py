#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/6
# breaks: spec/0.4.0/operations/1
"""At 0.4.0 there is no CHECK, although VERSION lists that version."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from meta import Meta


class Broken(Meta):
    def check_version(self):
        super().check_version()
        if self.command == "CHECK" and self.cni_version == "0.4.0":
            raise CniError(4, "CNI_COMMAND is not a command: CHECK")


if __name__ == "__main__":
    Broken().main()
