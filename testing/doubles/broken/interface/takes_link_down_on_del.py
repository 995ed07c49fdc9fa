#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/1
# breaks: field/del/2
# breaks: field/del/8
"""DEL sets the interface down where the container is still there, and leaves it."""

import contextlib
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def remove_link(self):
        if self.command == "DEL" and self.find_netns() is not None:
            with contextlib.suppress(CniError):
                self.run("ip", "link", "set", "dev", self.host_end, "down")
        else:
            super().remove_link()


if __name__ == "__main__":
    Broken().main()
