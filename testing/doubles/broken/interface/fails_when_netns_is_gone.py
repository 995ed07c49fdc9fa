#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/3
# breaks: field/del/3
"""DEL fails when nothing is at the path in CNI_NETNS any more, and pods stay in Terminating."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delete(self):
        super().delete()
        if self.netns:
            self.open_netns()


if __name__ == "__main__":
    Broken().main()
