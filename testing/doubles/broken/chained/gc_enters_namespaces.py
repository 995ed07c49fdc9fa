#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/3
"""GC fails when the namespace of a stale attachment is gone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def write_file(self, directory, name, content):
        super().write_file(directory, name, {**content, "netns": self.netns})

    def gc(self):
        with self.locked_directory() as directory:
            files = [] if directory is None else os.listdir(directory)
            for content in [self.read_file(directory, name) or {} for name in files]:
                if content.get("owner") not in (self.valid_owners() or set()):
                    os.stat(content.get("netns", "/"))
        super().gc()


if __name__ == "__main__":
    Broken().main()
