#!/usr/bin/env python3
# breaks: field/del/2
"""DEL refuses a configuration that ADD would refuse, so that the container cannot be deleted (flannel#1662)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def check_name(self):
        super().check_name()
        self.validate()


if __name__ == "__main__":
    Broken().main()
