#!/usr/bin/env python3
# breaks: field/del/10
"""DEL looks for its delegate first, and stops where that is not installed."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delete(self):
        if self.delegate_type():
            self.find_delegate(self.delegate_type())
        super().delete()


if __name__ == "__main__":
    Broken().main()
