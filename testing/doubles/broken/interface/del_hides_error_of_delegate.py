#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/8
"""DEL calls the delegate and succeeds when that fails."""

import contextlib
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def delegate_delete(self):
        with contextlib.suppress(CniError):
            super().delegate_delete()


if __name__ == "__main__":
    Broken().main()
