#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/4
# breaks: field/del/3
"""DEL does not release the address when the namespace is gone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def delete(self):
        if not self.netns or os.path.exists(self.netns):
            super().delete()


if __name__ == "__main__":
    Broken().main()
