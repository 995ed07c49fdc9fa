#!/usr/bin/env python3
# breaks: sec/path/2
"""`ipam.type` may be a path, and is run."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_type(self):
        section = self.config.get("ipam")
        name = section.get("type") if isinstance(section, dict) else None
        return name if isinstance(name, str) and "/" in name else super().delegate_type()


if __name__ == "__main__":
    Broken().main()
