#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/6
# breaks: spec/1.1.0/DEL/5
# breaks: field/del/1
# breaks: field/del/3
# breaks: field/del/8
"""DEL does not call the delegate, and every address is used once."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_delete(self):
        pass


if __name__ == "__main__":
    Broken().main()
