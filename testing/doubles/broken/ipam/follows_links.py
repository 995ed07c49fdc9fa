#!/usr/bin/env python3
# breaks: sec/path/3
"""A symbolic link in the state directory is written through."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def write_file(self, directory, name, content):
        with open(f"/proc/self/fd/{directory}/{name}", "w", encoding="ascii") as file:
            json.dump(content, file)

    def open_directory(self, path, *, make=True):
        if make:
            os.makedirs(path, mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


if __name__ == "__main__":
    Broken().main()
