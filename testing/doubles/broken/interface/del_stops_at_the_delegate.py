#!/usr/bin/env python3
# breaks: field/del/10
"""DEL asks the delegate first, and an error of it is the end."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delete(self):
        self.delegate_delete()
        super().delete()


if __name__ == "__main__":
    Broken().main()
