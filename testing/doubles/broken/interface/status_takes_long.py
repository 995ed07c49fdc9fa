#!/usr/bin/env python3
# breaks: field/status/2
"""STATUS waits for three seconds before it answers; kubelet asks every five."""

import os
import sys
import time


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def status(self):
        time.sleep(3)
        super().status()


if __name__ == "__main__":
    Broken().main()
