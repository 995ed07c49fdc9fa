#!/usr/bin/env python3
# breaks: field/del/1
"""DEL with an empty CNI_NETNS leaves the rules on the host, as bridge did (nerdctl#1872)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def delete(self):
        if self.netns:
            super().delete()


if __name__ == "__main__":
    Broken().main()
